//! The pages: what they link to is there, files that they name are there, and each page is in an index. Text alone.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All pages of the repository, those of other folders that describe themselves left out.
pub(crate) fn pages() -> Vec<PathBuf> {
    let folders = [root().to_owned(), root().join("docs"), root().join("docs/decisions")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.sort();
    assert!(pages.len() > 10, "the pages were not found");
    pages
}

/// The text of a page without its blocks of code.
fn prose(page: &str) -> String {
    let mut is_code = false;
    let lines = page.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_fence && !is_code
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What the links of a page lead to: those in the text, and the definitions of labels. Code in a line may look like one.
fn links(page: &str) -> Vec<String> {
    let definitions = prose(page);
    let definitions = definitions.lines().filter_map(definition).map(|(_, target)| target.to_owned());
    let text: Vec<_> = prose(page).split('`').step_by(2).map(str::to_owned).collect();
    // Code within a link's text leaves its end in the next part.
    let text = text.join("code");
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).chain(definitions).collect()
}

/// The label and the target of a line that defines one: `[limits]: limits.md`. A footnote has a text instead.
fn definition(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('[')?.split_once("]: ").filter(|(label, _)| !label.starts_with('^'))
}

/// The labels that a page defines and does not use.
fn unused(page: &str) -> Vec<String> {
    let text = prose(page);
    let labels = text.lines().filter_map(definition).map(|(label, _)| format!("[{label}]"));
    labels.filter(|label| text.matches(label).count() < 2).collect()
}

/// The anchors of the headings of a page, as hosts of repositories make them.
fn anchors(page: &str) -> Vec<String> {
    let heading = |line: &str| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim().to_lowercase());
    let anchor = |heading: String| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    prose(page).lines().filter_map(heading).map(anchor).collect()
}

/// The Rust files that a page names in code, by their path.
fn files(page: &str) -> Vec<String> {
    let prose = prose(page);
    let spans = prose.split('`').skip(1).step_by(2);
    let is_path = |span: &&str| {
        span.ends_with(".rs") && span.contains('/') && span.chars().all(|c| c.is_alphanumeric() || "/_.-".contains(c))
    };
    spans.filter(is_path).map(str::to_owned).collect()
}

/// Why a link leads nowhere, if so.
fn broken(page: &Path, target: &str) -> Option<String> {
    if target.contains("://") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let file = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    let Some(anchor) = anchor else {
        return (!file.exists()).then(|| format!("{} leads to {target}", page.display()));
    };
    let text = fs::read_to_string(&file).unwrap_or_default();
    let is_there = anchors(&text).iter().any(|known| known == anchor);
    (!is_there).then(|| format!("{} leads to {target}", page.display()))
}

#[test]
fn what_pages_link_to_is_there() {
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        wrong.extend(links(&text).iter().filter_map(|target| broken(&page, target)));
        wrong.extend(unused(&text).iter().map(|label| format!("{} has no use of {label}", page.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_that_pages_name_are_there() {
    let mut wrong = Vec::new();
    // What once was is named by the changelog as it was.
    for page in pages().iter().filter(|page| !page.ends_with("CHANGELOG.md")) {
        for file in files(&fs::read_to_string(page).unwrap()) {
            if !root().join(&file).exists() && !root().join("src").join(&file).exists() {
                wrong.push(format!("{} names {file}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_page_is_in_its_index() {
    for folder in ["docs", "docs/decisions"] {
        let index = fs::read_to_string(root().join(folder).join("README.md")).unwrap();
        let linked = links(&index);
        for page in pages().iter().filter(|page| page.parent() == Some(&root().join(folder))) {
            let name = page.file_name().unwrap().to_string_lossy().into_owned();
            assert!(name == "README.md" || linked.contains(&name), "{folder}/README.md does not link to {name}");
        }
    }
}

/// The pages that are modules on docs.rs lead to each other there too: by labels alone, each of which has a target in the list of
/// `src/guide.rs`.
#[test]
fn links_of_guides_lead_somewhere_on_docs_rs() {
    let guide = fs::read_to_string(root().join("src/guide.rs")).unwrap();
    let included: Vec<_> = guide.split("\"../").skip(1).filter_map(|rest| rest.split_once('"')).collect();
    assert!(included.len() > 5, "{included:?}");
    let (mut wrong, mut used) = (Vec::new(), Vec::new());
    for (page, _) in included {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let defined: Vec<_> = text.lines().filter_map(definition).filter(|(_, to)| !to.contains("://")).collect();
        let targets: Vec<_> = defined.iter().map(|(_, target)| (*target).to_owned()).collect();
        for target in links(&text).iter().filter(|link| link.contains(".md") && !link.contains("://")) {
            if !targets.contains(target) {
                wrong.push(format!("{page} leads to {target} by no label"));
            }
        }
        for (label, _) in defined {
            if !guide.contains(&format!("[{label}]: ")) {
                wrong.push(format!("src/guide.rs does not know the label [{label}] of {page}"));
            }
            used.push(label.to_owned());
        }
    }
    for (label, _) in guide.lines().map(|line| line.trim_start_matches([' ', '"'])).filter_map(definition) {
        if !used.iter().any(|used| used == label) {
            wrong.push(format!("no page uses the label [{label}] of src/guide.rs"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reading itself: a check that sees nothing finds nothing.
#[test]
fn pages_are_read_rightly() {
    let page = "# A `b`: c, d\nSee [one](one.md#x) and [`two`](two.md), `[no](no.md)`.\n```\n[no](no.md) `src/no/no.rs`\n```\n`src/a/b.rs`, `b.rs`, `c/*.rs`";
    assert_eq!(links(page), ["one.md#x", "two.md"]);
    assert_eq!(links("See [x] and [a `b`][y].\n\n[x]: x.md\n[y]: y.md#z\n"), ["x.md", "y.md#z"]);
    assert_eq!(unused("[x]\n\n[x]: x.md\n[y]: y.md\n"), ["[y]"]);
    assert_eq!(anchors(page), ["a-b-c-d"]);
    assert_eq!(files(page), ["src/a/b.rs"]);
    let missing = root().join("docs/README.md");
    assert!(broken(&missing, "no-such-page.md").is_some() && broken(&missing, "#no-such-heading").is_some());
    assert!(broken(&missing, "semantics.md").is_none() && broken(&missing, "semantics.md#words").is_none());
}
