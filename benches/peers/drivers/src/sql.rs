//! The statements of the workloads, for those that take SQL.

pub(crate) const NOTE: &str = "written by a benchmark";

/// With numbered parameters.
pub(crate) mod numbered {
    pub(crate) const SELECT: &str = "select balance from account where id = $1";
    pub(crate) const UPDATE: &str = "update account set balance = balance + 1 where id = $1";
    pub(crate) const INSERT: &str = "insert into entry (account, amount, note) values ($1, $2, $3)";
    pub(crate) const READ: &str =
        "select id, account, name, note, amount, ratio, code, active from wide order by id limit $1";
}

/// With marks.
pub(crate) mod marked {
    pub(crate) const SELECT: &str = "select balance from account where id = ?";
    pub(crate) const UPDATE: &str = "update account set balance = balance + 1 where id = ?";
    pub(crate) const INSERT: &str = "insert into entry (account, amount, note) values (?, ?, ?)";
    pub(crate) const READ: &str =
        "select id, account, name, note, amount, ratio, code, active from wide order by id limit ?";
}
