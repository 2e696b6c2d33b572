//! [`Case`]: the cases of `rename_all`.

use syn::{Error, LitStr, Result};

/// A way to write a name of several words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Lower,
    Upper,
    Pascal,
    Camel,
    Snake,
    ScreamingSnake,
    Kebab,
    ScreamingKebab,
}

const CASES: [(&str, Case); 8] = [
    ("lowercase", Case::Lower),
    ("UPPERCASE", Case::Upper),
    ("PascalCase", Case::Pascal),
    ("camelCase", Case::Camel),
    ("snake_case", Case::Snake),
    ("SCREAMING_SNAKE_CASE", Case::ScreamingSnake),
    ("kebab-case", Case::Kebab),
    ("SCREAMING-KEBAB-CASE", Case::ScreamingKebab),
];

impl Case {
    /// The case that goes by this name.
    pub(crate) fn named(name: &LitStr) -> Result<Self> {
        let found = CASES.iter().find(|(known, _)| *known == name.value());
        found.map(|(_, case)| *case).ok_or_else(|| {
            let known: Vec<String> = CASES.iter().map(|(known, _)| format!("{known:?}")).collect();
            Error::new(name.span(), format!("unknown case: it is one of {}", known.join(", ")))
        })
    }

    /// Writes a name of Rust so.
    pub(crate) fn write(self, name: &str) -> String {
        let words = words(name);
        let lower = |word: &str| word.to_lowercase();
        let upper = |word: &str| word.to_uppercase();
        let join = |write: &dyn Fn(&str) -> String, between: &str| {
            words.iter().map(|word| write(word)).collect::<Vec<_>>().join(between)
        };
        match self {
            Self::Lower => join(&lower, ""),
            Self::Upper => join(&upper, ""),
            Self::Pascal => join(&capitalized, ""),
            Self::Camel => match words.split_first() {
                Some((first, rest)) => lower(first) + &rest.iter().map(|word| capitalized(word)).collect::<String>(),
                None => String::new(),
            },
            Self::Snake => join(&lower, "_"),
            Self::ScreamingSnake => join(&upper, "_"),
            Self::Kebab => join(&lower, "-"),
            Self::ScreamingKebab => join(&upper, "-"),
        }
    }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

/// The words of a name: they begin at underscores and at capitals, and `HTTPServer` has two.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = Vec::new();
    let mut word = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(at + 1);
        let begins = c.is_uppercase()
            && before.is_some_and(|before| !before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
        if (begins || c == '_') && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c != '_' {
            word.push(c);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_in_every_case() {
        let written = |case: Case| [case.write("InProgress"), case.write("first_name"), case.write("HTTPServer2")];
        assert_eq!(written(Case::Lower), ["inprogress", "firstname", "httpserver2"]);
        assert_eq!(written(Case::Upper), ["INPROGRESS", "FIRSTNAME", "HTTPSERVER2"]);
        assert_eq!(written(Case::Pascal), ["InProgress", "FirstName", "HttpServer2"]);
        assert_eq!(written(Case::Camel), ["inProgress", "firstName", "httpServer2"]);
        assert_eq!(written(Case::Snake), ["in_progress", "first_name", "http_server2"]);
        assert_eq!(written(Case::ScreamingSnake), ["IN_PROGRESS", "FIRST_NAME", "HTTP_SERVER2"]);
        assert_eq!(written(Case::Kebab), ["in-progress", "first-name", "http-server2"]);
        assert_eq!(written(Case::ScreamingKebab), ["IN-PROGRESS", "FIRST-NAME", "HTTP-SERVER2"]);
    }
}
