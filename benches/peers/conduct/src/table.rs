//! [`Table`]: a table in Markdown whose columns line up in plain text, too.

use std::fmt;

/// The first column is left-aligned, the others right-aligned unless told otherwise.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    left: Vec<usize>,
}

impl Table {
    pub(crate) fn new(head: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { rows: vec![head.into_iter().map(Into::into).collect()], left: vec![0] }
    }

    /// Aligns these columns to the left.
    pub(crate) fn left(mut self, columns: impl IntoIterator<Item = usize>) -> Self {
        self.left.extend(columns);
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let width = |column| self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).max(3)).collect();
        let line = |cell: &dyn Fn(usize, usize, bool) -> String| {
            let cells = widths.iter().enumerate();
            let texts = cells.map(|(column, &width)| cell(column, width, self.left.contains(&column)));
            format!("|{}|", texts.collect::<Vec<_>>().join("|"))
        };
        for (number, row) in self.rows.iter().enumerate() {
            let padded = |column: usize, width: usize, is_left: bool| {
                let text = cell(row, column);
                if is_left { format!(" {text:<width$} ") } else { format!(" {text:>width$} ") }
            };
            writeln!(f, "{}", line(&padded))?;
            if number == 0 {
                let dashes = |_: usize, width: usize, is_left: bool| {
                    format!("{}{}", "-".repeat(width + 1), if is_left { '-' } else { ':' })
                };
                writeln!(f, "{}", line(&dashes))?;
            }
        }
        Ok(())
    }
}

/// A number as people read it: three figures that mean something, thousands apart.
pub(crate) fn number(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.2}")
    } else if value < 100.0 {
        format!("{value:.1}")
    } else {
        let digits = format!("{value:.0}");
        let mut out = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    }
}
