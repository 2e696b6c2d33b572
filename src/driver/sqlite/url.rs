//! [`Target`]: the URL of a SQLite database: the file, and whether it may be written or created.

use std::path::{Path, PathBuf};

use rusqlite::OpenFlags;

use crate::{
    driver::url::decoded,
    error::{Error, ErrorKind},
};

/// What a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A database in memory, which lives as long as its one connection.
    Memory,
    /// A file.
    File { path: PathBuf, mode: Mode },
}

/// What may be done to the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Reading,
    Existing,
    Create,
}

impl Mode {
    pub(super) fn flags(self) -> OpenFlags {
        let common = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        common
            | match self {
                Self::Reading => OpenFlags::SQLITE_OPEN_READ_ONLY,
                Self::Existing => OpenFlags::SQLITE_OPEN_READ_WRITE,
                Self::Create => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
            }
    }
}

impl Target {
    /// A file by its path, whatever characters it has, or `:memory:`.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        match path.to_str() {
            Some("") => Err(Error::new(ErrorKind::Config, "the path of the SQLite database is empty")),
            Some(":memory:") => Ok(Self::Memory),
            _ => Ok(Self::File { path: path.to_owned(), mode: Mode::Create }),
        }
    }

    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::new(ErrorKind::Config, format!("the URL of the SQLite database {what}"));
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| wrong("must begin with \"sqlite:\"".into()))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut mode = Mode::Create;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            mode = match pair {
                "mode=ro" => Mode::Reading,
                "mode=rw" => Mode::Existing,
                "mode=rwc" => Mode::Create,
                other => {
                    return Err(wrong(format!(
                        "has the option \"{other}\"; there is only mode=ro, mode=rw and mode=rwc"
                    )));
                }
            };
        }
        let is_memory = |path: &str| path.contains(':') && path.trim_matches(':').eq_ignore_ascii_case("memory");
        match path {
            ":memory:" if matches!(mode, Mode::Create) => Ok(Self::Memory),
            ":memory:" => Err(wrong("names a database in memory, which is always new: it has no mode".into())),
            // It would be a file of that name, made without a word.
            path if is_memory(path) || path.ends_with(":memory:") => {
                Err(wrong(format!("names \"{path}\"; a database in memory is \"sqlite::memory:\"")))
            }
            path if path.starts_with("file:") => {
                Err(wrong("has a second scheme, \"file:\"; a file is \"sqlite://name.db\"".into()))
            }
            "" => Err(wrong("names no file; a database in memory is \"sqlite::memory:\"".into())),
            path => {
                let path = decoded(path).ok_or_else(|| wrong("has a malformed percent escape in its path".into()))?;
                Ok(Self::File { path: path.into(), mode })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_files_and_modes() {
        let file = |path: &str, mode| Target::File { path: path.into(), mode };
        let parse = |url| Target::parse(url).expect("a valid URL");
        assert_eq!(parse("sqlite::memory:"), Target::Memory);
        assert_eq!(parse("sqlite://:memory:"), Target::Memory);
        assert_eq!(parse("sqlite://app.db"), file("app.db", Mode::Create));
        assert_eq!(parse("sqlite:app.db?mode=ro"), file("app.db", Mode::Reading));
        assert_eq!(parse("sqlite:///var/my%20app.db?mode=rw"), file("/var/my app.db", Mode::Existing));
        for bad in
            ["postgres://x", "sqlite:", "sqlite://x?mode=x", "sqlite://x?cache=shared", "sqlite://%x", "sqlite://%ff"]
                .into_iter()
                .chain([
                    "sqlite::memory",
                    "sqlite:memory:",
                    "sqlite://:memory",
                    "sqlite::MEMORY:",
                    "sqlite:file::memory:",
                ])
                .chain([
                    "sqlite::memory:?mode=ro",
                    "sqlite::memory:?mode=rw",
                    "sqlite:file:app.db",
                    "sqlite://file:/app.db",
                ])
        {
            assert_eq!(Target::parse(bad).expect_err("not a valid URL").kind(), ErrorKind::Config, "{bad}");
        }
    }
}
