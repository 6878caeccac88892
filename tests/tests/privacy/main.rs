//! What a whole demo leaves behind and shows: not one personal value of its input stands there, in
//! any form that this test can think of, and what can be linked is what `docs/privacy.md` admits.

mod balp;
mod care;
mod commands;
mod demo;
mod exports;
mod forms;
mod input;
mod links;
mod nodes;
mod planted;
mod services;
mod short;
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
        [_, "custodian" | "vault-service", "log.txt"] => "services' standard error",
        _ => "configuration and keys",
    }
}

/// What people and programs read as text: there short names stand as words.
fn is_text(place: &str) -> bool {
    !matches!(
        place,
        "receipts"
            | "published log"
            | "journals"
            | "state and indexes"
            | "vault"
            | "custodians' stores"
            | "configuration and keys"
            | "patient's files"
    )
}

/// The values in what stands at a place.
fn find<'s>(scanner: &'s Scanner, place: &str, bytes: &[u8]) -> BTreeMap<&'s str, usize> {
    match is_text(place) {
        true => scanner.find_in_text(bytes),
        false => scanner.find(bytes),
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

/// How many leaks of one kind of place are named.
const SHOWN: usize = 40;

/// What was searched, for the test's output.
#[derive(Default)]
struct Report {
    /// Files or answers, and their bytes, by kind of place.
    places: BTreeMap<&'static str, (usize, usize)>,
    /// What was found there.
    leaks: BTreeMap<&'static str, Vec<String>>,
}

impl Report {
    fn scan(&mut self, scanner: &Scanner, place: &'static str, name: &str, bytes: &[u8]) {
        let (count, total) = self.places.entry(place).or_default();
        *count += 1;
        *total += bytes.len();
        for (value, end) in find(scanner, place, bytes) {
            let leaks = self.leaks.entry(place).or_default();
            leaks.push(format!("{name}: {value:?} before byte {end}"));
        }
    }

    /// Nothing was found; else a few of each place are named.
    fn is_clean(&self) -> Result<()> {
        let few = self.leaks.iter().map(|(place, all)| {
            let shown = all.get(..SHOWN).unwrap_or(all);
            format!("{} in {place}: {shown:#?}", all.len())
        });
        let few: Vec<String> = few.collect();
        ensure!(few.is_empty(), "leaks: {}", few.join("\n"));
        Ok(())
    }

    fn print(&self, values: &Values, scanner: &Scanner) {
        let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
        for kind in values.long.values() {
            *kinds.entry(*kind).or_default() += 1;
        }
        println!(
            "{} values in {} forms: {kinds:?}; {} short ones: {:?}",
            values.long.len(),
            scanner.patterns(),
            values.short.len(),
            values.short
        );
        for (place, (count, bytes)) in &self.places {
            println!("{count:>6} x {place}: {bytes} bytes");
        }
    }
}

/// Runs a demo and looks for every personal value of its input in all that it left and showed.
fn demo_is_clean(input: &Path, least_values: usize) -> Result<()> {
    let input = input::completed(input)?;
    let input = input.path();
    let values = values::of_input(input)?;
    ensure!(values.long.len() >= least_values && values.short.len() >= 6);
    let scanner = Scanner::new(&values)?;
    let home = tempfile::tempdir()?;
    let demo = demo::run(input, &values, home.path())?;
    let mut report = Report::default();
    let mut left = left_behind(&demo, input)?;
    left.append(&mut care::at_home(home.path())?);
    for (place, name, bytes) in left.iter().chain(&demo.shown) {
        report.scan(&scanner, place, name, bytes);
    }
    report.print(&values, &scanner);
    report.is_clean()?;
    everything_was_looked_at(&report)?;
    let all: Vec<_> = left.into_iter().chain(demo.shown).collect();
    a_line_more_would_be_found_anywhere(&values, &scanner, &all)
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
        ("services' HTTP error", 10_000),
        ("command's complaint", 10_000),
        ("command's result", 1_000),
        ("patient's files", 1_000),
        ("standard output", 1_000),
    ] {
        let (count, bytes) = report.places.get(place).copied().unwrap_or_default();
        ensure!(bytes >= least, "{place}: only {count} with {bytes} bytes");
    }
    // A demo that complains of nothing is a good one.
    ensure!(report.places.contains_key("standard error"));
    Ok(())
}

/// The control: into something real of each kind of place a line is written, with a long value and, where
/// texts stand, with a short one.
fn a_line_more_would_be_found_anywhere(
    values: &Values,
    scanner: &Scanner,
    all: &[(&'static str, String, Vec<u8>)],
) -> Result<()> {
    let longest: BTreeMap<&str, &Vec<u8>> = all.iter().fold(BTreeMap::new(), |mut found, one| {
        let kept = found.entry(one.0).or_insert(&one.2);
        if one.2.len() > kept.len() {
            *kept = &one.2;
        }
        found
    });
    for (place, bytes) in longest {
        let short = values.short.keys().filter(|_| is_text(place));
        for value in values.long.keys().take(1).chain(short) {
            let line = format!("\nWARN no receipt for patient {value}\n").into_bytes();
            let half = bytes.len() / 2;
            let planted = [&bytes[..half], &line, &bytes[half..]].concat();
            let found = find(scanner, place, &planted);
            ensure!(
                found.contains_key(&**value),
                "{place}: {value} is not found"
            );
        }
    }
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
