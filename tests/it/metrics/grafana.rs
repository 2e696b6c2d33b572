//! The dashboard of the bank names only metrics and labels that there are: those of `docs/observability.md`, which is held
//! against what is recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{POOL, conventions::chapter};

const DASHBOARD: &str = include_str!("../../../examples/bank/grafana.json");

/// The words of PromQL, and of Grafana, that the dashboard uses.
const WORDS: [&str; 9] =
    ["sum", "max", "by", "le", "rate", "histogram_quantile", "label_values", "__rate_interval", "pool"];

fn exported(name: &str) -> String {
    name.replace('.', "_")
}

/// The series of the page, as Prometheus has them, each with its labels.
pub(crate) fn series() -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for row in chapter().lines().filter(|line| line.starts_with("| `db.client.") || line.starts_with("| `nestling.")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let coded = |cell: &str| cell.split('`').skip(1).step_by(2).map(exported).collect::<BTreeSet<_>>();
        let name = coded(cells[1]).pop_first().expect("a name");
        let mut labels = coded(cells[4]);
        labels.extend([exported(POOL), exported("db.system.name")]);
        match cells[2] {
            "histogram" => {
                for part in ["bucket", "sum", "count"] {
                    all.insert(format!("{name}_{part}"), labels.clone());
                }
            }
            _ => drop(all.insert(name, labels)),
        }
    }
    all
}

/// The names in a query, without what stands in quotes.
fn names(query: &str) -> Vec<&str> {
    let outside = query.split('"').step_by(2);
    let names = outside.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    names.filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')).collect()
}

fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str() {
                    Some(text) if key == "expr" || (key == "query" && text.contains('(')) => {
                        found.push(text.to_owned());
                    }
                    // A legend is a label in braces, or a text of its own.
                    Some(text) if key == "legendFormat" => {
                        let label = text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}"));
                        found.extend(label.map(|(label, _)| label.to_owned()));
                    }
                    _ => queries(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| queries(value, found)),
        _ => {}
    }
}

/// rule 77
#[test]
fn the_dashboard_names_only_what_there_is() {
    let (series, mut found) = (series(), Vec::new());
    queries(&serde_json::from_str(DASHBOARD).unwrap(), &mut found);
    assert!(found.len() > 20, "{found:?}");
    for query in &found {
        let used: Vec<&str> = names(query).into_iter().filter(|name| !WORDS.contains(name)).collect();
        let metric = used.iter().find_map(|name| series.get(*name));
        for name in &used {
            let is_label = match metric {
                Some(labels) => labels.contains(*name),
                // A legend: the query beside it has the label.
                None => series.values().any(|labels| labels.contains(*name)),
            };
            assert!(series.contains_key(*name) || is_label, "{name} in {query}");
        }
        assert!(metric.is_some() || used.len() == 1, "no metric in {query}");
    }
    // What is worth looking at is looked at: each metric but the limits of idle connections.
    let all = found.concat();
    let parts = ["_bucket", "_sum", "_count"];
    let whole = |name: &String| parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned();
    let unseen: BTreeSet<String> = series.keys().map(whole).filter(|name| !all.contains(name)).collect();
    let unseen: Vec<&String> = unseen.iter().collect();
    assert_eq!(unseen, ["db_client_connection_idle_max", "db_client_connection_idle_min", "nestling_transaction_open"]);
}

#[test]
fn names_are_found_in_queries() {
    let query = "sum by (le) (rate(a_count{b=~\"$pool\", c!=\"\"}[$__rate_interval]))";
    assert_eq!(names(query), ["sum", "by", "le", "rate", "a_count", "b", "c", "__rate_interval"]);
}
