//! [`Line`]: the straight line that fits some points best.

/// A line and how well it fits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    pub(crate) start: f64,
    /// The share of the variance that the line explains.
    pub(crate) r_squared: f64,
}

/// By least squares.
pub(crate) fn line(points: &[(u32, u64)]) -> Line {
    let count = points.len().max(1) as f64;
    let mean = |pick: fn(&(u32, u64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x_mean, y_mean) = (mean(|point| point.0.into()), mean(|point| point.1 as f64));
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for &(x, y) in points {
        let (dx, dy) = (f64::from(x) - x_mean, y as f64 - y_mean);
        xx += dx * dx;
        xy += dx * dy;
        yy += dy * dy;
    }
    if xx == 0.0 || yy == 0.0 {
        return Line { slope: 0.0, start: y_mean, r_squared: 1.0 };
    }
    let slope = xy / xx;
    Line { slope, start: y_mean - slope * x_mean, r_squared: xy * xy / (xx * yy) }
}
