//! [`Wide`]: a row of eight columns, as a program would keep it.

/// A row of the table `wide`.
#[derive(Debug, Clone, PartialEq)]
pub struct Wide {
    pub id: i64,
    pub account: i64,
    pub name: String,
    pub note: Option<String>,
    pub amount: i64,
    pub ratio: f64,
    pub code: i32,
    pub active: bool,
}

impl Wide {
    /// Whether this is what the conductor has put into the row of this key.
    pub fn is_row(&self, id: i64) -> bool {
        let Self { id: found, account, name, note, amount, ratio, code, active } = self;
        *found == id
            && *account == id % 1_000 + 1
            && name.strip_prefix("name ").and_then(|rest| rest.parse().ok()) == Some(id)
            && note.is_none() == (id % 3 == 0)
            && *amount == id * 17
            && (ratio - id as f64 / 8.0).abs() < 1e-9
            && i64::from(*code) == id % 97
            && *active == (id % 2 == 0)
    }
}
