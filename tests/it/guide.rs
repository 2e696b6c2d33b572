//! The programs that stand in the guides, as code that runs: what a page shows is compiled and its assertions hold.
//!
//! A page shows parts of these files word for word, without the lines that only a test needs. The last test here looks at that.

mod bank;
mod bank_in_sql;
mod bank_service;
mod deployment;
mod jobs;
mod peewee;
mod readme;
mod stored;
mod tables;
mod web;

use std::{fs, path::Path};

/// The pages, and the files with the code that they show.
const PAGES: [(&str, &[&str]); 7] = [
    (
        "docs/peewee-async.md",
        &["guide/peewee.rs", "guide/peewee/blocks.rs", "guide/peewee/databases.rs", "guide/peewee/manager.rs"],
    ),
    ("docs/from-sqlx.md", &["guide/bank_in_sql.rs", "guide/stored.rs"]),
    ("docs/from-sea-orm.md", &["guide/bank.rs"]),
    ("docs/from-diesel-async.md", &["guide/bank.rs"]),
    ("docs/axum.md", &["guide/web.rs"]),
    ("docs/deployment.md", &["guide/deployment.rs"]),
    ("README.md", &["guide/readme.rs"]),
];

/// The code blocks of a page that are Rust of this crate: fenced as `rust` and nothing else.
fn blocks(page: &str) -> Vec<Vec<&str>> {
    let (mut blocks, mut fence) = (Vec::new(), None);
    for line in page.lines() {
        match (fence, line.strip_prefix("```")) {
            (None, Some(info)) => {
                fence = Some(info);
                if info == "rust" {
                    blocks.push(Vec::new());
                }
            }
            (Some(_), Some("")) => fence = None,
            (Some("rust"), _) => blocks.last_mut().expect("it was begun at its fence").push(line),
            _ => {}
        }
    }
    assert_eq!(fence, None, "a code block has no end");
    blocks
}

/// Whether the block stands in the source, each of its lines behind the same indentation.
fn stands_in(block: &[&str], source: &str) -> bool {
    let lines: Vec<&str> = source.lines().collect();
    lines.windows(block.len()).any(|window| {
        let Some(indentation) = window[0].strip_suffix(block[0]) else { return false };
        indentation.trim().is_empty()
            && window.iter().zip(block).all(|(line, shown)| match line.strip_prefix(indentation) {
                Some(rest) => rest == *shown,
                None => line.is_empty() && shown.is_empty(),
            })
    })
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_the_pages_show_is_compiled_and_run() {
    let mut missing = Vec::new();
    for (page, sources) in PAGES {
        let text = read(page);
        let blocks = blocks(&text);
        assert!(!blocks.is_empty(), "{page} shows no Rust");
        let sources: Vec<String> = sources.iter().map(|source| read(&format!("tests/it/{source}"))).collect();
        for block in blocks {
            if !sources.iter().any(|source| stands_in(&block, source)) {
                missing.push(format!("{page} shows what its sources do not have:\n{}\n", block.join("\n")));
            }
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// The calls that stand in code in the last column of a page's tables, where that column is about this crate.
fn calls_in_tables(page: &str) -> Vec<&str> {
    let (mut calls, mut is_ours) = (Vec::new(), false);
    for line in page.lines() {
        let Some(row) = line.strip_prefix('|').and_then(|row| row.trim_end().strip_suffix('|')) else {
            is_ours = false;
            continue;
        };
        let cell = row.rsplit(" | ").next().unwrap_or_default().trim();
        is_ours |= ["nestling", "here"].contains(&cell);
        if is_ours {
            calls.extend(cell.split('`').skip(1).step_by(2).flat_map(called));
        }
    }
    calls
}

/// The names that a piece of code calls.
fn called(code: &str) -> Vec<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let ends = code.match_indices(['(', '!']).map(|(at, _)| &code[..at]);
    let names = ends.map(|head| {
        let head = head.rfind("::<").filter(|_| head.ends_with('>')).map_or(head, |at| &head[..at]);
        head.rsplit(|c| !is_name(c)).next().unwrap_or_default()
    });
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())).collect()
}

#[test]
fn each_call_that_the_tables_name_is_made() {
    let sources = ["tables", "bank", "bank_in_sql", "peewee", "peewee/blocks", "peewee/databases", "peewee/manager"];
    let sources = sources.map(|name| read(&format!("tests/it/guide/{name}.rs"))).concat();
    let mut missing = Vec::new();
    for page in ["docs/from-sqlx.md", "docs/from-sea-orm.md", "docs/from-diesel-async.md", "docs/peewee-async.md"] {
        let text = read(page);
        let calls = calls_in_tables(&text);
        assert!(calls.len() > 10, "{page}: {calls:?}");
        let is_made = |name: &&str| ["(", "::<", "!["].iter().any(|end| sources.contains(&format!("{name}{end}")));
        missing.extend(calls.into_iter().filter(|name| !is_made(name)).map(|name| format!("{page}: {name}")));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn calls_are_found_in_the_cells_of_tables() {
    let page = "| a | nestling |\n|--|--|\n| `x(1)` | `db.y(\\|\\| z::<T>(\u{2026}))`, `params![x]` or `W` |\n\n| b | c |\n| `d` | `e()` |";
    assert_eq!(calls_in_tables(page), ["y", "z", "params"]);
}

#[test]
fn a_block_is_found_with_its_indentation_and_no_other() {
    let source = "fn a() {\n    if b {\n        c();\n\n    }\n}";
    assert!(stands_in(&["if b {", "    c();", "", "}"], source));
    assert!(stands_in(&["c();"], source));
    assert!(!stands_in(&["if b {", "c();"], source));
    assert!(!stands_in(&["b {"], source));
    assert!(!stands_in(&["if b {", "    d();"], source));
    assert_eq!(blocks("```sh\nls\n```\n```rust\na\n\nb\n```\n```rust,ignore\nc\n```"), [["a", "", "b"]]);
}
