//! Circles among the files of one room: which file names items of which other one, read from paths. Text alone.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, is_word, plan::CONSTRUCTORS, sources, word};

/// A path from the root of the crate: modules, and then an item.
type Path = Vec<String>;

/// The name of a path's item in the file that has it, and the path itself.
struct Leaf {
    name: String,
    path: Path,
}

/// One module: its file, what it brings into scope from elsewhere, and the paths that its code names.
struct Module {
    file: String,
    uses: Vec<Leaf>,
    named: Vec<Path>,
}

/// All modules of `src` by their paths.
struct Modules(BTreeMap<Path, Module>);

/// The path of a file's module: `src/pool/pool.rs` is `db::pool`.
fn module_path(file: &str) -> Path {
    let inner = file.strip_prefix("src/").unwrap().strip_suffix(".rs").unwrap();
    let inner = inner.strip_suffix("/mod").unwrap_or(inner);
    let parts = inner.split('/').filter(|part| *part != "lib");
    parts.map(str::to_owned).collect()
}

/// The leaves of a tree of paths that begins at `text`, below `base`.
fn leaves(text: &str, base: &[String], found: &mut Vec<Leaf>) {
    let mut path = base.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(group) = rest.strip_prefix('{') {
            return members(group).into_iter().for_each(|member| leaves(member, &path, found));
        }
        let name = if rest.starts_with('*') { "*".to_owned() } else { word(rest) };
        rest = rest[name.len()..].trim_start();
        match name.as_str() {
            "" => break,
            "super" => drop(path.pop()),
            "self" => {}
            "crate" => path.clear(),
            _ => path.push(name),
        }
        match rest.strip_prefix("::") {
            Some(next) => rest = next.trim_start(),
            None => break,
        }
    }
    let Some(last) = path.last() else { return };
    let name = rest.strip_prefix("as ").map_or_else(|| last.clone(), |alias| word(alias.trim_start()));
    found.push(Leaf { name, path });
}

/// The members of a group of paths, up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let (mut level, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => level += 1,
            '}' if level > 0 => level -= 1,
            '}' => {
                found.push(group[start..at].trim());
                break;
            }
            ',' if level == 0 => {
                found.push(group[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    found.retain(|member| !member.is_empty());
    found
}

/// Splits code into its `use` declarations, each with whether it is visible outside, and all else.
fn split_uses(code: &str) -> (Vec<(bool, &str)>, String) {
    let (mut uses, mut others, mut from) = (Vec::new(), String::new(), 0);
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let ahead = code[line..at].trim();
        let is_use =
            at >= from && (ahead.is_empty() || ahead == "pub" || (ahead.starts_with("pub(") && ahead.ends_with(')')));
        if let Some(end) = code[at..].find(';').filter(|_| is_use) {
            uses.push((!ahead.is_empty(), &code[at + 4..at + end]));
            others.push_str(&code[from..line]);
            from = at + end + 1;
        }
    }
    others.push_str(&code[from..]);
    (uses, others)
}

fn has_word(code: &str, name: &str) -> bool {
    code.match_indices(name)
        .any(|(at, _)| !code[..at].ends_with(is_word) && !code[at + name.len()..].starts_with(is_word))
}

impl Modules {
    fn read(sources: &[Source]) -> Self {
        let paths: BTreeSet<Path> = sources.iter().map(|source| module_path(&source.path)).collect();
        let module = |source: &Source| {
            let own = module_path(&source.path);
            let is_child = |name: &str| paths.contains(&[own.as_slice(), &[name.to_owned()]].concat());
            let (declared, code) = split_uses(&source.code);
            let (mut uses, mut named) = (Vec::new(), Vec::new());
            for (is_visible, text) in declared {
                let first = word(text);
                // The path of another crate is none of ours.
                if !matches!(first.as_str(), "crate" | "super" | "self") && !is_child(&first) {
                    continue;
                }
                let mut found = Vec::new();
                leaves(text, &own, &mut found);
                // What is only handed on is no use of it.
                let is_used = |leaf: &&Leaf| !is_visible || has_word(&code, &leaf.name);
                named.extend(found.iter().filter(is_used).map(|leaf| leaf.path.clone()));
                uses.append(&mut found);
            }
            for (at, _) in code.match_indices("::") {
                let start = code[..at].rfind(|c: char| !is_word(c)).map_or(0, |end| end + 1);
                let is_first = start < at && !code[..start].ends_with([':', '.', '$']);
                let first = &code[start..at];
                if is_first && (matches!(first, "crate" | "super" | "self") || is_child(first)) {
                    let mut found = Vec::new();
                    leaves(&code[start..], &own, &mut found);
                    named.extend(found.into_iter().map(|leaf| leaf.path));
                }
            }
            (own, Module { file: source.path.clone(), uses, named })
        };
        Self(sources.iter().map(module).collect())
    }

    /// The file that defines what a path names: re-exports are followed to it.
    fn resolve(&self, path: &[String], hops: u32) -> Option<&str> {
        let mut at = Path::new();
        for (number, name) in path.iter().enumerate() {
            let inner = [at.as_slice(), std::slice::from_ref(name)].concat();
            if self.0.contains_key(&inner) {
                at = inner;
                continue;
            }
            let module = self.0.get(&at)?;
            let (behind, next) = (&path[number + 1..], hops + 1);
            let follow = |leaf: &Leaf, rest: &[String]| self.resolve(&[leaf.path.as_slice(), rest].concat(), next);
            if hops < 8 {
                if let Some(leaf) = module.uses.iter().find(|leaf| leaf.name == *name && leaf.path != path[..=number]) {
                    return follow(leaf, behind);
                }
                for glob in module.uses.iter().filter(|leaf| leaf.name == "*") {
                    let target = &glob.path[..glob.path.len() - 1];
                    let through = self.0.get(target).filter(|target| target.uses.iter().any(|leaf| leaf.name == *name));
                    if through.is_some() {
                        return self.resolve(&[target, std::slice::from_ref(name), behind].concat(), next);
                    }
                }
            }
            return Some(&module.file);
        }
        self.0.get(&at).map(|module| module.file.as_str())
    }

    /// Which files each file names, those of its own room.
    fn graph(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let room = |file: &str| file["src/".len()..].split(['/', '.']).next().map(str::to_owned);
        let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for module in self.0.values().filter(|module| module.file != CONSTRUCTORS) {
            let targets = module.named.iter().filter_map(|path| self.resolve(path, 0));
            let own = targets.filter(|file| *file != module.file && room(file) == room(&module.file));
            graph.entry(&module.file).or_default().extend(own);
        }
        graph
    }
}

/// All that can be reached from a file.
fn reached<'g>(graph: &BTreeMap<&'g str, BTreeSet<&'g str>>, from: &str) -> BTreeSet<&'g str> {
    let (mut seen, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(file) = left.pop() {
        for next in graph.get(file).into_iter().flatten() {
            if seen.insert(*next) {
                left.push(next);
            }
        }
    }
    seen
}

/// The circles: files each of which reaches all others.
fn circles(sources: &[Source]) -> BTreeSet<BTreeSet<String>> {
    let modules = Modules::read(sources);
    let graph = modules.graph();
    let all: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (*file, reached(&graph, file))).collect();
    let circle = |(file, reaches): (&&str, &BTreeSet<&str>)| {
        let others = reaches.iter().filter(|other| all.get(**other).is_some_and(|back| back.contains(file)));
        others.map(|other| (*other).to_owned()).collect::<BTreeSet<_>>()
    };
    all.iter().map(circle).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn files_of_one_room_import_in_no_circle() {
    let all: Vec<_> = sources("src").into_iter().filter(|source| !source.is_test()).collect();
    assert!(all.iter().any(|source| source.path == CONSTRUCTORS), "the exception is there");
    let found = circles(&all);
    let wrong: Vec<_> = found.iter().map(|circle| format!("a circle: {circle:?}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reading itself: a check that sees nothing finds nothing.
#[test]
fn circles_are_read_rightly() {
    let source = |(path, code): &(&str, &str)| Source {
        path: format!("src/db/{path}"),
        text: String::new(),
        code: super::code_of(code),
    };
    let circles = |files: &[(&str, &str)]| {
        let found = circles(&files.iter().map(source).collect::<Vec<_>>());
        let names =
            |circle: BTreeSet<String>| circle.iter().map(|file| file["src/db/".len()..].to_owned()).collect::<Vec<_>>();
        found.into_iter().map(names).collect::<Vec<_>>()
    };
    let mods = ("mod.rs", "mod a; mod b; mod c;\npub(crate) use self::{a::A, b::B};");
    assert_eq!(circles(&[mods, ("a.rs", "use super::B;"), ("b.rs", "use super::c::C;"), ("c.rs", "")]), [[""; 0]; 0]);
    let found =
        circles(&[mods, ("a.rs", "use super::B;"), ("b.rs", "use super::c::C;"), ("c.rs", "fn f(_: super::A) {}")]);
    assert_eq!(found, [["a.rs", "b.rs", "c.rs"]]);
    let found = circles(&[mods, ("a.rs", "use crate::db::{b::{B as X}};"), ("b.rs", "use super::{\n    c, A\n};")]);
    assert_eq!(found, [["a.rs", "b.rs"]]);
    // A file that defines something is a node, and uses what its code names of what it hands on.
    let top = ("mod.rs", "mod a;\npub(crate) use self::a::A;\npub(crate) struct Own(A);");
    assert_eq!(circles(&[top, ("a.rs", "use super::Own;")]), [["a.rs", "mod.rs"]]);
    let top = ("mod.rs", "mod a;\npub(crate) use self::a::A;\npub(crate) struct Own;");
    assert_eq!(circles(&[top, ("a.rs", "use super::Own;")]), [[""; 0]; 0]);
    let inner = [
        ("mod.rs", "mod sub;"),
        ("sub/mod.rs", "mod x;\nfn f() { x::y(); }"),
        ("sub/x.rs", "use super::super::sub::f;"),
    ];
    assert_eq!(circles(&inner), [["sub/mod.rs", "sub/x.rs"]]);
}
