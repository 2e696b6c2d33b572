//! A table of text, aligned for a terminal. It knows columns and cells, and nothing of what they say.

use crate::text;

/// On which side of its column a cell stands.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One column: its head, its side, and how many characters a cell may have before it is cut.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    pub(crate) align: Align,
    pub(crate) widest: usize,
}

/// Rows of as many cells as there are columns.
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, cells: [&str; N]) {
        let mut widest = self.columns.iter().map(|column| column.widest);
        self.rows.push(cells.map(|cell| text::cut(cell, widest.next().unwrap_or(usize::MAX))));
    }

    /// The head, a rule below it, and the rows: every column as wide as its widest cell.
    pub(crate) fn render(&self) -> String {
        let heads = self.columns.map(|column| column.head.to_owned());
        let mut widths = heads.each_ref().map(|head| head.chars().count());
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let rule = widths.map(|width| "─".repeat(width));
        [&heads, &rule].into_iter().chain(&self.rows).map(|cells| self.line(cells, &widths)).collect()
    }

    fn line(&self, cells: &[String; N], widths: &[usize; N]) -> String {
        let mut line = String::new();
        for ((cell, &width), column) in cells.iter().zip(widths).zip(&self.columns) {
            line += &match column.align {
                Align::Left => format!("  {cell:<width$}"),
                Align::Right => format!("  {cell:>width$}"),
            };
        }
        format!("{}\n", line.trim_end())
    }
}
