//! What a run was made on: the machine, the date, and the versions of all crates that are compared.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result};

/// The crates whose versions are told, by the lock file that has them.
const CRATES: [(&str, &[&str]); 3] = [
    (
        "Cargo.lock",
        &[
            "nestling",
            "tokio",
            "tokio-postgres",
            "bb8",
            "deadpool-postgres",
            "diesel",
            "diesel-async",
            "mysql_async",
            "rusqlite",
        ],
    ),
    ("sqlx/Cargo.lock", &["sqlx", "sea-orm"]),
    ("others/Cargo.lock", &["tokio-rusqlite", "toasty"]),
];

/// Versions of the crates.
pub(crate) fn crates(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (lock, names) in CRATES {
        let path = folder.join(lock);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for package in text.split("[[package]]") {
            let field = |name: &str| {
                let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
                line.map(|value| value.trim_matches('"').to_owned())
            };
            if let (Some(name), Some(version)) = (field("name"), field("version"))
                && names.contains(&name.as_str())
            {
                // The one that the agents name: where there are two, the higher.
                let known = found.entry(name).or_insert_with(|| version.clone());
                if *known < version {
                    *known = version;
                }
            }
        }
    }
    Ok(found)
}

/// The machine: nothing that tells whose it is.
pub(crate) fn machine() -> BTreeMap<String, String> {
    let mut about = BTreeMap::new();
    let of = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
        line.and_then(|line| line.split_once([':', '=']).map(|(_, value)| value.trim().trim_matches('"').to_owned()))
    };
    about.extend(of("/proc/cpuinfo", "model name").map(|model| ("processor".to_owned(), model)));
    if let Ok(cores) = std::thread::available_parallelism() {
        about.insert("cores".into(), cores.to_string());
    }
    let kib = of("/proc/meminfo", "MemTotal").and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
    about.extend(kib.map(|kib| ("memory".to_owned(), format!("{} GiB", (kib + (1 << 19)) >> 20))));
    about.extend(of("/etc/os-release", "PRETTY_NAME").map(|name| ("system".to_owned(), name)));
    about.extend(said("uname", &["-sr"]).map(|kernel| ("kernel".to_owned(), kernel)));
    about.extend(said("rustc", &["--version"]).map(|rustc| ("compiler".to_owned(), rustc)));
    about
}

/// Today, as the machine knows it.
pub(crate) fn date() -> String {
    said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_else(|| "unknown".into())
}

/// The version of a package of a Python.
pub(crate) fn python_package(python: &Path, package: &str) -> Option<String> {
    let code = format!("import importlib.metadata as m; print(m.version('{package}'))");
    said(python.to_str()?, &["-c", &code])
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
