//! The programs that stand in the guides, as code that runs: what a page shows is compiled and its assertions hold.
//!
//! A page shows parts of these files word for word, without the lines that only a test needs. The last test here looks at that.

mod bank;
mod bank_in_sql;
mod peewee;
mod readme;
mod stored;

use std::{fs, path::Path};

/// The pages, and the files with the code that they show.
const PAGES: [(&str, &[&str]); 5] = [
    (
        "docs/peewee-async.md",
        &["guide/peewee.rs", "guide/peewee/blocks.rs", "guide/peewee/databases.rs", "guide/peewee/manager.rs"],
    ),
    ("docs/from-sqlx.md", &["guide/bank_in_sql.rs", "guide/stored.rs"]),
    ("docs/from-sea-orm.md", &["guide/bank.rs", "guide/stored.rs"]),
    ("docs/from-diesel-async.md", &["guide/bank.rs"]),
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
