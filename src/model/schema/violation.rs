//! [`Error::violates`]: whether an error is the violation of a constraint on some columns of a model, the same on all
//! databases.
//!
//! PostgreSQL reports the columns, in a detail whose words depend on its language; SQLite reports those of unique
//! constraints and NOT NULL; MySQL the name of a key, and the definition of a foreign key. Where there is only a name,
//! it is looked up among those that the databases and `create_tables` give to the constraints of the model. Nothing is
//! asked of the server.

use super::names::name as constraint_name;
use crate::{
    driver::Dialect,
    error::{Error, ServerClass},
    model::{
        expr::Columns,
        table::{Model, Table},
    },
};

impl Error {
    /// Whether a constraint on exactly these columns was violated: one that they are unique or the primary key, that they
    /// refer to a row that is there, that they are not NULL, or that a CHECK holds. The order of columns does not matter.
    ///
    /// The answer is the same on all databases for constraints that the model has. MySQL and MariaDB report no more of
    /// a unique constraint than its name: it is known if it is that which `create_tables` or the server gives it, or if
    /// the model has only one that it can be. SQLite does not report which foreign key was violated: it is known where
    /// the model that is written has only one.
    ///
    /// # Examples
    /// ```
    /// # use nestling::{Database, Model, Query, create_tables};
    /// #[derive(Debug, Model)]
    /// #[model(unique(x, y))]
    /// struct Tag {
    ///     id: i64,
    ///     #[model(unique, max_length = 50)]
    ///     name: String,
    ///     x: i64,
    ///     y: i64,
    /// }
    ///
    /// # #[tokio::main] async fn main() -> nestling::Result<()> {
    /// # let db = Database::open("sqlite::memory:")?;
    /// # create_tables(&db, &[Tag::TABLE]).await?;
    /// let tag = |name: &str| Tag::insert([Tag::NAME.set(name), Tag::X.set(1), Tag::Y.set(1)]);
    /// tag("a").run_on(&db).await?;
    /// let error = tag("b").run_on(&db).await.unwrap_err();
    /// assert!(error.violates((Tag::X, Tag::Y)) && !error.violates(Tag::NAME));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn violates<M: Model>(&self, columns: impl Columns<M>) -> bool {
        let violation = Violation { error: self, table: M::TABLE };
        let wanted = sorted(columns.indexes());
        let found = match self.class() {
            ServerClass::UniqueViolation => violation.unique(),
            ServerClass::ForeignKeyViolation => violation.foreign_key(),
            ServerClass::NotNullViolation => violation.not_null(),
            ServerClass::CheckViolation => violation.check(),
            _ => None,
        };
        !wanted.is_empty() && found.map(sorted) == Some(wanted)
    }
}

fn sorted(mut columns: Vec<usize>) -> Vec<usize> {
    columns.sort_unstable();
    columns.dedup();
    columns
}

/// An error, and the table that it may be about.
struct Violation<'e> {
    error: &'e Error,
    table: &'static Table,
}

impl Violation<'_> {
    /// The columns of the unique constraint.
    fn unique(&self) -> Option<Vec<usize>> {
        let constraint = self.error.constraint()?;
        match self.error.code()? {
            "23505" => {
                let columns = self.error.detail().and_then(columns_of_detail);
                self.is_about_table().then(|| match columns {
                    Some(columns) => self.indexes_of(columns.iter().map(|column| &**column)),
                    None => self.unique_named(constraint),
                })?
            }
            "1022" | "1062" | "1169" | "1586" => self.is_about_table().then(|| self.unique_named(constraint))?,
            // SQLite: "tag.x, tag.y"
            _ => {
                let column = |part: &'_ str| {
                    let (table, column) = part.split_once('.')?;
                    table.eq_ignore_ascii_case(self.table.name).then(|| self.index_of(column))?
                };
                constraint.split(", ").map(column).collect()
            }
        }
    }

    /// The columns of the unique constraint or primary key of this name: that which `create_tables` gives, or the database.
    fn unique_named(&self, name: &str) -> Option<Vec<usize>> {
        let table = self.table;
        let key = table.primary_key;
        if name == "PRIMARY" || name == format!("{}_pkey", table.name) {
            return Some(key.into());
        }
        let unique: Vec<&[usize]> =
            table.indexes.iter().filter(|index| index.unique).map(|index| index.columns).collect();
        if let Some(found) = unique.iter().find(|columns| self.is_named(name, columns, &["key", "idx"])) {
            return Some(found.to_vec());
        }
        // MySQL: the name of the first column, and for further keys that begin with it `name_2` and so on.
        let (first, number) = match name.rsplit_once('_').map(|(first, number)| (first, number.parse::<usize>())) {
            Some((first, Ok(number))) if number > 1 && self.index_of(first).is_some() => (first, number),
            _ => (name, 1),
        };
        if let Some(first) = self.index_of(first) {
            let mut begin = unique.iter().filter(|columns| columns.first() == Some(&first));
            return Some(begin.nth(number - 1).map_or_else(|| vec![first], |columns| columns.to_vec()));
        }
        // An unknown name belongs to the only unique constraint of the model, if there is one.
        if let [only] = &*unique { Some(only.to_vec()) } else { None }
    }

    /// The columns of the foreign key.
    fn foreign_key(&self) -> Option<Vec<usize>> {
        let references = || (0..self.table.columns.len()).filter(|&at| self.table.columns[at].references.is_some());
        let only = || {
            let mut all = references();
            all.next().filter(|_| all.next().is_none()).map(|column| vec![column])
        };
        if let Some((table, columns)) = self.error.detail().and_then(definition) {
            return (table == self.table.name).then(|| self.indexes_of(columns.iter().map(|column| &**column)))?;
        }
        if !self.is_about_table() {
            return None;
        }
        let Some(name) = self.error.constraint() else {
            // SQLite. If a row is deleted that others refer to, the error is about the other table.
            let statement = self.error.statement()?.trim_start();
            let writes = ["insert", "replace", "update"];
            let begins =
                |word: &&str| statement.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
            return writes.iter().any(begins).then(only)?;
        };
        if let Some(found) = references().find(|&column| self.is_named(name, &[column], &["fkey"])) {
            return Some(vec![found]);
        }
        let told = self.error.detail().and_then(columns_of_detail);
        let told = told.and_then(|columns| self.indexes_of(columns.iter().map(|column| &**column)));
        told.filter(|columns| columns.iter().all(|column| references().any(|known| known == *column))).or_else(only)
    }

    /// The column that is NULL.
    fn not_null(&self) -> Option<Vec<usize>> {
        let column = self.error.column().filter(|_| self.is_about_table())?;
        self.index_of(column).map(|column| vec![column])
    }

    /// The column that has the CHECK.
    fn check(&self) -> Option<Vec<usize>> {
        let name = self.error.constraint().filter(|_| self.is_about_table())?;
        let table = self.table;
        let checked = || (0..table.columns.len()).filter(|&at| table.columns[at].check.is_some());
        let is = |&column: &usize| {
            let def = &table.columns[column];
            // MariaDB names a CHECK that stands with its column after that, SQLite one without a name by its text.
            self.is_named(name, &[column], &["check", "length"])
                || name == format!("{}.{}", table.name, def.name)
                || def.check == Some(name)
        };
        let found = (0..table.columns.len()).find(is).or_else(|| {
            let mut all = checked().filter(|_| name.starts_with(&format!("{}_chk_", table.name)));
            all.next().filter(|_| all.next().is_none())
        });
        found.map(|column| vec![column])
    }

    /// Whether a constraint on these columns goes by a name: that of `create_tables`, or PostgreSQL's.
    fn is_named(&self, name: &str, columns: &[usize], endings: &[&str]) -> bool {
        let table = self.table.name;
        let columns: Vec<&str> = columns.iter().map(|&column| self.table.columns[column].name).collect();
        let dialects = [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite];
        endings.iter().any(|end| {
            dialects.iter().any(|dialect| constraint_name(*dialect, table, &columns, end) == name)
                || name == format!("{table}_{}_{end}", columns.join("_"))
        })
    }

    /// Whether the error is about the table. Where the server does not say which one it is, the statement does.
    fn is_about_table(&self) -> bool {
        let name = self.table.name;
        match self.error.table() {
            Some(table) => table.eq_ignore_ascii_case(name),
            None => self.error.statement().is_some_and(|statement| has_word(statement, name)),
        }
    }

    fn index_of(&self, column: &str) -> Option<usize> {
        self.table.columns.iter().position(|known| known.name.eq_ignore_ascii_case(column))
    }

    fn indexes_of<'c>(&self, columns: impl Iterator<Item = &'c str>) -> Option<Vec<usize>> {
        columns.map(|column| self.index_of(column)).collect()
    }
}

/// Whether a text has a word, in any case.
fn has_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&word)
        .any(|(at, _)| !text[..at].ends_with(letter) && !text[at + word.len()..].starts_with(letter))
}

/// The columns in a detail of PostgreSQL: `Key (x, y)=(1, 2) already exists.` Its words are those of the server's
/// language, the list is not. `None` if there is none, or it is one of expressions.
fn columns_of_detail(detail: &str) -> Option<Vec<String>> {
    let (_, mut rest) = detail.split_once('(')?;
    let mut columns = Vec::new();
    loop {
        let (column, after) = name_at(rest, '"')?;
        columns.push(column);
        rest = match after.strip_prefix(", ") {
            Some(next) => next,
            None if after.starts_with(")=(") => return Some(columns),
            None => return None,
        };
    }
}

/// The table and the columns of the foreign key that a message of MySQL defines: ``(`db`.`movie`, CONSTRAINT `x` FOREIGN KEY
/// (`director_id`) REFERENCES …``.
fn definition(message: &str) -> Option<(String, Vec<String>)> {
    let (before, after) = message.split_once(" FOREIGN KEY (")?;
    let (_, table) = before.split_once("(`").filter(|_| before.contains(", CONSTRAINT `"))?;
    let (_, table) = table.split_once("`.")?;
    let (table, _) = name_at(table, '`')?;
    let mut columns = Vec::new();
    let mut rest = after;
    loop {
        let (column, after) = name_at(rest, '`')?;
        columns.push(column);
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return after.starts_with(')').then_some((table, columns)),
        }
    }
}

/// The name at the beginning of a text, in quotes or not, and what stands behind it.
fn name_at(text: &str, quote: char) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix(quote) else {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))?;
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once(quote)?;
        name.push_str(part);
        match after.strip_prefix(quote) {
            Some(next) => {
                name.push(quote);
                rest = next;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_a_detail_in_any_language() {
        let columns = |detail| columns_of_detail(detail).map(|columns| columns.join("|"));
        assert_eq!(columns("Key (x, y)=(1, 2) already exists.").as_deref(), Some("x|y"));
        assert_eq!(columns("Schlüssel »(name)=((x)=(y))« existiert bereits.").as_deref(), Some("name"));
        assert_eq!(
            columns("Key (\"odd, \"\"name)=(\", b)=(1, 2) already exists.").as_deref(),
            Some("odd, \"name)=(|b")
        );
        assert_eq!(columns("Key (lower(name))=(x) already exists."), None);
        assert_eq!(columns("Failing row contains (1, null)."), None);
    }

    #[test]
    fn a_foreign_key_is_read_from_its_definition() {
        let message = "Cannot add or update a child row: a foreign key constraint fails (`db`.`movie`, CONSTRAINT `m_1` \
                       FOREIGN KEY (`director_id`) REFERENCES `director` (`id`) ON DELETE CASCADE)";
        assert_eq!(definition(message), Some(("movie".into(), vec!["director_id".into()])));
        assert_eq!(definition("Cannot delete or update a parent row: a foreign key constraint fails"), None);
    }

    #[test]
    fn a_word_is_a_whole_one() {
        assert!(has_word("insert into `Tag` values (1)", "tag") && has_word("tag", "tag"));
        assert!(!has_word("insert into tags values (1)", "tag") && !has_word("stag_", "tag"));
    }
}
