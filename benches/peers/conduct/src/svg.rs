//! [`Svg`]: a picture in the making, readable on light and on dark paper: the reader's colour scheme chooses.

use std::fmt::Write;

/// A picture of a given size, in pixels.
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Colours for light and for dark paper, told apart by those who see red and green alike, too. The first is nestling's.
const COLOURS: [(&str, &str); 9] = [
    ("#c2410c", "#fb923c"),
    ("#1d4ed8", "#7aa2ff"),
    ("#0f766e", "#2dd4bf"),
    ("#7e22ce", "#c894ff"),
    ("#64748b", "#94a3b8"),
    ("#b45309", "#facc15"),
    ("#be185d", "#f472b6"),
    ("#4d7c0f", "#a3e635"),
    ("#0e7490", "#67e8f9"),
];

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        self.push(&format!(r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{escaped}</text>"#));
    }

    /// A line of the grid.
    pub(crate) fn rule(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(&format!(r#"<line class="rule" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#));
    }

    /// A line through points, with a dot at each.
    pub(crate) fn curve(&mut self, colour: usize, points: &[(f64, f64)]) {
        let path = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect::<Vec<_>>().join(" ");
        let colour = colour % COLOURS.len();
        self.push(&format!(r#"<polyline class="line s{colour}" points="{path}"/>"#));
        for (x, y) in points {
            self.push(&format!(r#"<circle class="f{colour}" cx="{x:.1}" cy="{y:.1}" r="3.5"/>"#));
        }
    }

    pub(crate) fn bar(&mut self, colour: usize, x: f64, y: f64, width: f64, height: f64) {
        let (colour, width, height) = (colour % COLOURS.len(), width.max(0.0), height.max(0.0));
        self.push(&format!(
            r#"<rect class="f{colour}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" rx="2"/>"#
        ));
    }

    fn push(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The whole picture; `about` is read out to whoever does not see it.
    pub(crate) fn finish(self, about: &str) -> String {
        let Self { width, height, body } = self;
        let (mut light, mut dark) = (String::new(), String::new());
        for (number, (on_light, on_dark)) in COLOURS.iter().enumerate() {
            for (css, colour) in [(&mut light, on_light), (&mut dark, on_dark)] {
                // Writing into a string cannot fail.
                let _ = write!(css, ".f{number}{{fill:{colour}}}.s{number}{{stroke:{colour}}}");
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
             <title>{about}</title>\n\
             <style>\n\
             text{{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#334155}}\n\
             .title{{font-size:15px;font-weight:600;fill:#0f172a}}.small{{font-size:11px;fill:#64748b}}.own{{font-weight:600}}\n\
             .rule{{stroke:#cbd5e1;stroke-width:1}}.line{{fill:none;stroke-width:2.5;stroke-linejoin:round}}\n\
             {light}\n\
             @media (prefers-color-scheme:dark){{text{{fill:#cbd5e1}}.title{{fill:#f1f5f9}}.small{{fill:#94a3b8}}.rule{{stroke:#334155}}{dark}}}\n\
             </style>\n{body}</svg>\n"
        )
    }
}
