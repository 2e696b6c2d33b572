//! The architecture, checked on the sources: imports go downwards only, no two rooms import each other, each foreign crate
//! stays in its place, every file says what it is for, and none grows too long; and the pages: rules and links. No database,
//! no crate, plain std.

#![allow(clippy::unwrap_used, reason = "a source file that cannot be read fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

#[path = "floors/circles.rs"]
mod circles;
#[path = "floors/links.rs"]
mod links;
#[path = "floors/plan.rs"]
mod plan;
#[path = "floors/rules.rs"]
mod rules;

use plan::{FLOORS, FOREIGN};

const LONGEST: usize = 400;

/// One file: where it stands, and its text without comments, strings and tests.
struct Source {
    /// Below the root of the crate, with `/`.
    path: String,
    text: String,
    code: String,
}

impl Source {
    /// The room that a file of `src` belongs to.
    fn room(&self) -> &str {
        let path = self.path.strip_prefix("src/").unwrap();
        path.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("_tests.rs") || self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// How deep a file's own module is: `src/error.rs` is 1, `src/db/mod.rs` too, `src/pool/pool.rs` 2.
    fn depth(&self) -> usize {
        let parts = self.path.split('/').count() - 1;
        if self.path.ends_with("/mod.rs") { parts - 1 } else { parts }
    }

    /// The rooms that its code names.
    fn imports(&self) -> BTreeSet<String> {
        let mut found: Vec<String> = paths(&self.code, "crate");
        // As many `super` as the module is deep lead to the root of the crate.
        let up = vec!["super"; self.depth()].join("::");
        if self.depth() > 0 {
            found.extend(paths(&self.code, &up).into_iter().filter(|name| name != "super"));
        }
        let rooms: BTreeSet<&str> = FLOORS.iter().map(|(room, _)| *room).collect();
        found.into_iter().filter(|name| rooms.contains(name.as_str()) && name != self.room()).collect()
    }
}

/// All Rust files below a folder of the crate.
fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&root.join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no sources in {folder}");
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        Source { path, code: code_of(&text), text }
    };
    found.into_iter().map(read).collect()
}

/// The files of the repository, those of the derive macros too.
fn everywhere() -> impl Iterator<Item = Source> {
    ["src", "tests", "examples", "derive/src", "derive/tests"].into_iter().flat_map(sources)
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The text without what is not code, and without a module of tests at its end.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => raw_string(rest),
            '"' => string(rest),
            // A character, but not a lifetime.
            '\'' => character(rest),
            _ => 0,
        };
        if skipped > 0 {
            code.push(' ');
            rest = &rest[skipped..];
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let is_inline = |at: &usize| code[at + TESTS.len()..].trim_start_matches(is_word).trim_start().starts_with('{');
    let end = code.match_indices(TESTS).map(|(at, _)| at).find(is_inline).unwrap_or(code.len());
    code.truncate(end);
    code
}

const TESTS: &str = "#[cfg(test)]\nmod ";

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> usize {
    let end = if text.starts_with("r#") { "\"#" } else { "\"" };
    let start = text.find('"').unwrap() + 1;
    text[start..].find(end).map_or(text.len(), |at| start + at + end.len())
}

fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, c))) => {
            let from = at + c.len_utf8();
            text[from..].find('\'').map_or(0, |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The first names behind `prefix::`, those in braces too.
fn paths(code: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    let start = format!("{prefix}::");
    for (at, _) in code.match_indices(&start) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | ':')) {
            continue;
        }
        let rest = &code[at + start.len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(first_names(group)),
            None => found.push(word(rest)),
        }
    }
    found
}

/// The names at the top level of a group of imports, up to its closing brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let (mut level, mut fresh) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => fresh = true,
            _ if fresh && !c.is_whitespace() => {
                names.push(word(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether code names a crate: at the beginning of a path, or as a whole.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        let own_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.')
            && !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let imported = before.trim_end().ends_with("use") && (after.starts_with(';') || after.starts_with(" as "));
        own_word && (after.starts_with("::") || imported)
    })
}

fn floor(room: &str) -> u32 {
    FLOORS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} has no floor")).1
}

#[test]
fn every_room_has_a_floor() {
    let rooms: BTreeSet<String> = sources("src").iter().filter(|s| !s.is_test()).map(|s| s.room().to_owned()).collect();
    let known: BTreeSet<String> = FLOORS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, known);
}

#[test]
fn imports_go_downwards_only() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_test()) {
        let own = floor(source.room());
        for room in source.imports() {
            // On the ground floor files are small and use one another; that they do so without cycles is looked at below.
            if floor(&room) > own || (floor(&room) == own && own > 0) {
                wrong.push(format!("{} (floor {own}) imports {room} (floor {})", source.path, floor(&room)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_rooms_import_each_other() {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("src").iter().filter(|source| !source.is_test()) {
        graph.entry(source.room().to_owned()).or_default().extend(source.imports());
    }
    // Rooms that import nothing that is left go first; what never goes is a cycle.
    while let Some(room) = graph.iter().find(|(_, imports)| imports.is_empty()).map(|(room, _)| room.clone()) {
        graph.remove(&room);
        graph.values_mut().for_each(|imports| {
            imports.remove(&room);
        });
    }
    assert!(graph.is_empty(), "cycles: {graph:?}");
}

#[test]
fn foreign_crates_stay_in_their_places() {
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| !source.is_test()) {
        let path = source.path.strip_prefix("src/").unwrap();
        for (name, places) in FOREIGN {
            let allowed = places.iter().any(|place| path.starts_with(place));
            if !allowed && names_crate(&source.code, name) {
                wrong.push(format!("{path} names {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn one_file_names_a_pool() {
    let places = ["src/pool/connection.rs"];
    for source in sources("src").iter().filter(|source| !places.contains(&source.path.as_str())) {
        for name in ["bb8::Pool", "bb8::Builder"] {
            assert!(!source.code.contains(name), "{} names {name}", source.path);
        }
    }
}

#[test]
fn every_dependency_has_a_place() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    for line in section.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let name = line.split([' ', '=']).next().unwrap().replace('-', "_");
        let places = FOREIGN.iter().find(|(known, _)| *known == name).map(|(_, places)| *places);
        let places = places.unwrap_or_else(|| panic!("{name} has no place in tests/floors.rs"));
        let used = sources("src").iter().any(|source| {
            places.iter().any(|place| source.path["src/".len()..].starts_with(place))
                && names_crate(&source.code, &name)
        });
        assert!(used, "{name} is not used where it has its place");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in everywhere() {
        assert!(source.text.starts_with("//! "), "{} has no `//!` head", source.path);
    }
}

#[test]
fn no_file_is_too_long() {
    for source in everywhere() {
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", source.path);
    }
}

#[test]
fn nothing_is_unsafe_or_left_undone() {
    for source in sources("src") {
        for word in ["unsafe", "todo!", "unimplemented!", "dbg!"] {
            let found = source.code.match_indices(word).any(|(at, _)| {
                !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    && !source.code[at + word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            });
            assert!(!found, "{} has {word}", source.path);
        }
    }
}

/// The reading of sources itself: a check that sees nothing finds nothing.
#[test]
fn sources_are_read_rightly() {
    let code = code_of(
        "use crate::{\n  a::{b, c}, d,\n}; // crate::e\nlet x = \"crate::f \\\" \"; let c = '\"'; /* crate::g */ crate::h::i();\nfn f<'a>() {}\n#[cfg(test)]\nmod tests { use crate::j; }",
    );
    assert_eq!(paths(&code, "crate"), ["a", "d", "h"]);
    assert!(names_crate("use bb8::Pool;", "bb8") && names_crate("pub use rusqlite;", "rusqlite"));
    assert!(!names_crate("self.bb8.state()", "bb8") && !names_crate("use bb8_postgres::X;", "bb8"));
    let source = |path: &str, code: &str| Source { path: path.into(), text: String::new(), code: code_of(code) };
    let imports = |path: &str, code: &str| source(path, code).imports().into_iter().collect::<Vec<_>>();
    assert_eq!(
        imports("src/pool/pool.rs", "use super::super::{driver::X, error}; use super::lease;"),
        ["driver", "error"]
    );
    assert_eq!(imports("src/db/mod.rs", "use super::driver::X; pub use self::pool;"), ["driver"]);
    assert_eq!(imports("src/db/mod.rs", "#[cfg(test)]\nmod tests;\nuse super::driver::X;"), ["driver"]);
    assert_eq!(imports("src/error.rs", "use super::data::Row; use crate::error::X;"), ["data"]);
}
