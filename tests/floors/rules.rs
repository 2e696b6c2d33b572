//! The rules of `docs/semantics.md`: each rule that a test, the code or a page names stands there, and each rule that is
//! built has a test that names it. Text alone, no database.

use std::{collections::BTreeMap, fs, path::Path};

use super::{everywhere, links::pages};

/// One rule of the page.
struct Rule {
    number: u32,
    /// Whether the page says that all of it is still to come.
    is_to_come: bool,
}

/// The rules of the page, in its order.
fn rules(page: &str) -> Vec<Rule> {
    let mut sections = page.split("\n### ");
    // What stands ahead of the first rule.
    sections.next();
    let rule = |section: &str| {
        let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
        let (number, title) = heading.split_once(". ").unwrap();
        let is_to_come = title.ends_with("**not built**") || text.starts_with("**Not built.**");
        assert!(!text.trim().is_empty(), "rule {number} has no text");
        Rule { number: number.parse().unwrap(), is_to_come }
    };
    sections.map(rule).collect()
}

/// The numbers of the rules that a text names: `rule 17`, `rule_17`, `rules 26 and 27`, `rules 37 to 40 and 43`.
fn named(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    let words = text.replace(['(', ')', '_'], " ");
    let mut words = words.split_whitespace().filter(|word| !matches!(*word, "//" | "///" | "//!")).peekable();
    while let Some(word) = words.next() {
        if !matches!(word.to_lowercase().as_str(), "rule" | "rules") {
            continue;
        }
        let mut is_range = false;
        while let Some(word) = words.peek() {
            let digits = word.trim_end_matches(|c: char| c.is_ascii_punctuation());
            if let Ok(number) = digits.parse::<u32>() {
                match found.last() {
                    Some(&first) if is_range => found.extend(first + 1..=number),
                    _ => found.push(number),
                }
                let is_last = !matches!(&word[digits.len()..], "" | ",");
                words.next();
                is_range = false;
                if is_last {
                    break;
                }
            } else if matches!(*word, "and" | "to") {
                is_range = *word == "to";
                words.next();
            } else {
                break;
            }
        }
    }
    found
}

fn semantics() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/semantics.md")).unwrap()
}

#[test]
fn rules_are_numbered_without_gaps() {
    let numbers: Vec<u32> = rules(&semantics()).iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=79).collect::<Vec<_>>());
}

#[test]
fn each_rule_that_is_named_stands_on_the_page() {
    let last = rules(&semantics()).len();
    let sources = everywhere().map(|source| (source.path, source.text));
    let pages = pages().into_iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap()));
    let mut wrong = Vec::new();
    for (path, text) in sources.chain(pages).filter(|(path, _)| path != "tests/floors/rules.rs") {
        for number in named(&text).into_iter().filter(|number| !(1..=last).contains(&(*number as usize))) {
            wrong.push(format!("{path} names rule {number}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_rule_that_is_built_is_named_by_a_test() {
    let mut tests: BTreeMap<u32, String> = BTreeMap::new();
    for source in everywhere().filter(|source| source.path.starts_with("tests/it/") || source.is_test()) {
        for number in named(&source.text) {
            tests.entry(number).or_insert_with(|| source.path.clone());
        }
    }
    let rules = rules(&semantics());
    let untested = rules.iter().filter(|rule| !rule.is_to_come && !tests.contains_key(&rule.number));
    let untested: Vec<u32> = untested.map(|rule| rule.number).collect();
    assert!(untested.is_empty(), "no test names the rules {untested:?}");
}

/// The reading itself: a check that sees nothing finds nothing.
#[test]
fn rules_are_read_rightly() {
    assert_eq!(named("/// rule 17: a tag, 18 of them"), [17]);
    assert_eq!(named("fn names_are_quoted_rule_21() {"), [21]);
    assert_eq!(named("(rules 26 and 27). Rules of 5, rule 9."), [26, 27, 9]);
    assert_eq!(named("//! rules 37 to 40 and 43. On 3 servers; (rule\n//! 60)"), [37, 38, 39, 40, 43, 60]);
    assert_eq!(named("rules 3, 6, 9, 12 to 14, 17 // rule 3, fault 3.3"), [3, 6, 9, 12, 13, 14, 17, 3]);
    let page = "# Page\n### 1. One\nText.\n\n### 2. Two: **not built**\nLater.\n### 3. Three\n**Not built.** Later.\n";
    let read: Vec<_> = rules(page).iter().map(|rule| (rule.number, rule.is_to_come)).collect();
    assert_eq!(read, [(1, false), (2, true), (3, true)]);
}
