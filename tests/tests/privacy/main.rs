//! What a whole demo leaves behind and shows: not one personal value of its input stands there, in
//! any form that this test can think of, and what can be linked is what `docs/privacy.md` admits.

mod demo;
mod forms;
mod links;
mod planted;
mod values;

use anyhow::{Context, Result, ensure};
use demo::Demo;
use forms::Scanner;
use medanchor_tests::shared_data::shared_data;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use values::{Kind, Values};

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds")
}

/// Every file below a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let names = medanchor_tests::files::names(folder);
    let names = names.with_context(|| folder.display().to_string())?;
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

/// What kind of place a file in the demo's folder is.
fn place(name: &str) -> &'static str {
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        ["summary.json"] => "summary",
        ["receipts", ..] => "receipts",
        ["damaged-copy-of-log", ..] | [_, "log", ..] => "published log",
        [_, "data", "journal" | "wal" | "cosigned" | "marks", ..] => "journals",
        [_, "data", ..] => "state and indexes",
        [_, "run", "node.log", ..] => "nodes' standard error",
        [_, "identity", "vault", ..] => "vault",
        [_, "custodian", "store", ..] => "custodians' stores",
        [_, "custodian", "log.txt"] => "services' standard error",
        _ => "configuration and keys",
    }
}

/// The files of a demo by place, with their names.
fn left_behind(demo: &Demo, input: &Path) -> Result<Vec<(&'static str, String, Vec<u8>)>> {
    let mut left = Vec::new();
    for path in files(demo.dir.path())? {
        let name = path.strip_prefix(demo.dir.path())?.display().to_string();
        let mut bytes = fs::read(&path)?;
        if name == "summary.json" {
            bytes = without_file_names(&bytes, input)?;
        }
        left.push((place(&name), name, bytes));
    }
    Ok(left)
}

/// The summary says on purpose in which file of the input something stands that was not anchored.
/// The names of the files are the operator's own words, so they are taken out before the scan.
fn without_file_names(summary: &[u8], input: &Path) -> Result<Vec<u8>> {
    let mut text = String::from_utf8(summary.to_vec())?;
    for name in medanchor_tests::files::names(input)? {
        text = text.replace(&format!("\"{name}"), "\"FILE");
    }
    Ok(text.into_bytes())
}

/// What was searched, for the test's output.
#[derive(Default)]
struct Report {
    /// Files or answers, and their bytes, by kind of place.
    places: BTreeMap<&'static str, (usize, usize)>,
    leaks: Vec<String>,
}

impl Report {
    fn scan(&mut self, scanner: &Scanner, place: &'static str, name: &str, bytes: &[u8]) {
        let (count, total) = self.places.entry(place).or_default();
        *count += 1;
        *total += bytes.len();
        for (value, end) in scanner.find(bytes) {
            self.leaks
                .push(format!("{place}, {name}: {value:?} before byte {end}"));
        }
    }

    fn print(&self, values: &Values, scanner: &Scanner) {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for kind in values.values() {
            *kinds.entry(*kind).or_default() += 1;
        }
        println!(
            "{} values in {} forms: {kinds:?}",
            values.len(),
            scanner.patterns()
        );
        for (place, (count, bytes)) in &self.places {
            println!("{count:>6} x {place}: {bytes} bytes");
        }
    }
}

/// Runs a demo and looks for every personal value of its input in all that it left and showed.
fn demo_is_clean(input: &Path, least_values: usize) -> Result<()> {
    let values = values::of_input(input)?;
    ensure!(values.len() >= least_values, "{} values", values.len());
    let scanner = Scanner::new(values.keys())?;
    let demo = demo::run(input, scanner.values())?;
    let mut report = Report::default();
    let left = left_behind(&demo, input)?;
    for (place, name, bytes) in left.iter().chain(&demo.shown) {
        report.scan(&scanner, place, name, bytes);
    }
    report.print(&values, &scanner);
    let few = &report.leaks[..report.leaks.len().min(40)];
    ensure!(few.is_empty(), "{} leaks: {few:#?}", report.leaks.len());
    everything_was_looked_at(&report)?;
    a_line_more_in_a_nodes_log_would_be_found(&scanner, &left)
}

fn everything_was_looked_at(report: &Report) -> Result<()> {
    for (place, least) in [
        ("summary", 1_000),
        ("receipts", 100_000),
        ("published log", 100_000),
        ("journals", 50_000),
        ("state and indexes", 50_000),
        ("nodes' standard error", 100),
        ("vault", 100_000),
        ("custodians' stores", 1_000),
        ("services' standard error", 100),
        ("configuration and keys", 1_000),
        ("metrics", 1_000),
        ("HTTP answer", 10_000),
        ("HTTP error", 10_000),
        ("command's complaint", 100),
        ("standard output", 1_000),
    ] {
        let (count, bytes) = report.places.get(place).copied().unwrap_or_default();
        ensure!(bytes >= least, "{place}: only {count} with {bytes} bytes");
    }
    // A demo that complains of nothing is a good one.
    ensure!(report.places.contains_key("standard error"));
    Ok(())
}

/// The control: a real log of a node, into which one line with a value is written.
fn a_line_more_in_a_nodes_log_would_be_found(
    scanner: &Scanner,
    left: &[(&'static str, String, Vec<u8>)],
) -> Result<()> {
    let log = left
        .iter()
        .find(|(place, ..)| *place == "nodes' standard error");
    let (_, _, log) = log.context("no node's log")?;
    let value = scanner.values().first().context("no value")?;
    let mut planted = log.clone();
    planted.splice(
        log.len() / 2..log.len() / 2,
        format!("WARN no receipt for patient {value}\n").into_bytes(),
    );
    ensure!(
        scanner.find(&planted).contains_key(&**value),
        "{value} is not found"
    );
    Ok(())
}

#[test]
fn no_personal_value_of_the_sample_data_is_left_behind_or_shown() -> Result<()> {
    demo_is_clean(&seeds(), 300)
}

#[test]
fn no_personal_value_of_strangers_files_is_left_behind_or_shown() -> Result<()> {
    let Some(shared) = shared_data("") else {
        return Ok(());
    };
    demo_is_clean(&shared, 1_000)
}
