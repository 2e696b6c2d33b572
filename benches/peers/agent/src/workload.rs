//! [`Workload`]: what one operation does, by its letter, and what it leaves behind.
//!
//! Used by the measuring loop, which runs it, and by the conductor, which checks the tables afterwards.

use std::{fmt, str::FromStr};

use anyhow::bail;
use serde::{Deserialize, Serialize};

/// Rows of `account`, with the keys 1 to this.
pub const ACCOUNTS: i64 = 1_000;
/// An account's balance begins at its key times this, so that a balance tells whose it is.
pub const SCALE: i64 = 1_000_000;
/// Rows of `wide`, with the keys 1 to this.
pub const WIDE_ROWS: i64 = 100_000;

/// What one operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Workload {
    /// One select by key, no transaction.
    A,
    /// One insert in a transaction.
    B,
    /// Two selects, an update and an insert in a transaction.
    C,
    /// So many savepoints inside one another in one transaction, with an insert in each.
    D(u32),
    /// So many savepoints side by side, with an insert in each; ten for the comparison.
    E(u32),
    /// A transaction with five blocks inside one another, and no statement at all.
    F,
    /// Four independent selects at once in one transaction.
    G,
    /// Three blocks inside one another with an insert in each; the innermost fails and is caught.
    H,
    /// Reads so many rows of 8 columns; 10,000 for the comparison.
    R(i64),
}

/// What one operation leaves in the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Rows in `entry`.
    pub entries: u64,
    /// What the balances have grown by, all together.
    pub balance: u64,
}

impl Workload {
    /// All of the comparison, in the order of the tables.
    pub const ALL: [Self; 12] = [
        Self::A,
        Self::B,
        Self::C,
        Self::D(1),
        Self::D(2),
        Self::D(5),
        Self::D(10),
        Self::E(10),
        Self::F,
        Self::G,
        Self::H,
        Self::R(10_000),
    ];

    /// Reads all rows of `wide`.
    pub const M: Self = Self::R(WIDE_ROWS);
    /// Reads enough rows for a check.
    pub const READ_FEW: Self = Self::R(10);

    /// What one operation leaves in the tables.
    pub fn outcome(self) -> Outcome {
        let (entries, balance) = match self {
            Self::A | Self::F | Self::G | Self::R(_) => (0, 0),
            Self::B => (1, 0),
            Self::C => (1, 1),
            Self::D(count) | Self::E(count) => (count.into(), 0),
            Self::H => (2, 0),
        };
        Outcome { entries, balance }
    }

    /// How many rows one operation reads, for those that read many.
    pub fn rows_read(self) -> Option<i64> {
        match self {
            Self::R(rows) => Some(rows),
            _ => None,
        }
    }

    /// The words of the tables.
    pub fn title(self) -> String {
        match self {
            Self::A => "one select by key, no transaction".into(),
            Self::B => "one insert in a transaction".into(),
            Self::C => "two selects, an update, an insert".into(),
            Self::D(1) => "one savepoint with an insert".into(),
            Self::D(depth) => format!("{depth} savepoints inside one another, an insert in each"),
            Self::E(count) => format!("{count} savepoints side by side, an insert in each"),
            Self::F => "an empty transaction, five empty blocks inside".into(),
            Self::G => "four selects by `join!` in a transaction".into(),
            Self::H => "three blocks deep, the innermost fails and is caught".into(),
            Self::R(10_000) => "10,000 rows of 8 columns into structs".into(),
            Self::R(rows) => format!("{rows} rows of 8 columns into structs"),
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::D(depth) => write!(f, "D{depth}"),
            Self::E(10) => write!(f, "E"),
            Self::E(count) => write!(f, "E{count}"),
            Self::R(10_000) => write!(f, "R"),
            Self::R(rows) => write!(f, "R{rows}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "A" => Self::A,
            "B" => Self::B,
            "C" => Self::C,
            "E" => Self::E(10),
            "F" => Self::F,
            "G" => Self::G,
            "H" => Self::H,
            "R" => Self::R(10_000),
            other => match (other.get(..1), other.get(1..).map(str::parse)) {
                (Some("D"), Some(Ok(depth))) => Self::D(depth),
                (Some("E"), Some(Ok(count))) => Self::E(count),
                (Some("R"), Some(Ok(rows))) => Self::R(rows.into()),
                _ => bail!("there is no workload {other:?}"),
            },
        })
    }
}

impl From<Workload> for String {
    fn from(workload: Workload) -> Self {
        workload.to_string()
    }
}

impl TryFrom<String> for Workload {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
