//! What a whole demo leaves behind and shows: not one personal value of its input stands there, in
//! any form in which it would be read at a glance.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use medanchor_tests::network::{binary, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);
/// Elements of FHIR whose texts say something of a person: names, numbers, addresses, drugs, doses.
const PERSONAL: [&str; 5] = ["text", "given", "value", "birthDate", "fullUrl"];
/// Elements that point at a person.
const POINTERS: [&str; 1] = ["reference"];
/// Shorter texts, such as a family name that all sample people share, occur by chance.
const MIN_BYTES: usize = 7;

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds")
}

/// Every file below a folder.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).with_context(|| inner.display().to_string())? {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    Ok(files)
}

/// The personal values of all FHIR seeds.
fn personal_values() -> Result<BTreeSet<String>> {
    let mut values = BTreeSet::new();
    for path in files(&seeds().join("fhir"))? {
        let text = fs::read_to_string(&path)?;
        if path.extension().is_some_and(|end| end == "ndjson") {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                collect(&serde_json::from_str(line)?, "", &mut values);
            }
        } else {
            collect(&serde_json::from_str(&text)?, "", &mut values);
        }
    }
    values.retain(|value| value.len() >= MIN_BYTES);
    Ok(values)
}

fn collect(value: &Value, element: &str, values: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                collect(member, name, values);
            }
            if members.get("resourceType") == Some(&"Patient".into())
                && let Some(id) = members.get("id").and_then(Value::as_str)
            {
                values.insert(id.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, element, values)),
        Value::String(text) => {
            let points = POINTERS.contains(&element) && !text.starts_with("Organization/");
            if PERSONAL.contains(&element) || points {
                values.insert(text.clone());
            }
        }
        _ => {}
    }
}

/// Finds any of many patterns, by their first four bytes.
struct Scanner {
    begins: Vec<bool>,
    patterns: HashMap<[u8; 4], Vec<(Vec<u8>, usize)>>,
    values: Vec<String>,
}

impl Scanner {
    fn new(values: BTreeSet<String>) -> Self {
        let mut scanner = Self {
            begins: vec![false; 1 << 16],
            patterns: HashMap::new(),
            values: values.into_iter().collect(),
        };
        for (number, value) in scanner.values.iter().enumerate() {
            for form in forms(value) {
                let first = *form.first_chunk::<4>().expect("a long pattern");
                let two = usize::from(u16::from_be_bytes([first[0], first[1]]));
                scanner.begins[two] = true;
                scanner
                    .patterns
                    .entry(first)
                    .or_default()
                    .push((form, number));
            }
        }
        scanner
    }

    /// Which values stand in these bytes, and where first.
    fn find(&self, bytes: &[u8]) -> BTreeMap<&str, usize> {
        let mut found = BTreeMap::new();
        for (at, two) in bytes.windows(2).enumerate() {
            if !self.begins[usize::from(two[0]) << 8 | usize::from(two[1])] {
                continue;
            }
            let rest = &bytes[at..];
            let candidates = rest
                .first_chunk::<4>()
                .and_then(|first| self.patterns.get(first));
            for (form, number) in candidates.into_iter().flatten() {
                if rest.starts_with(form) {
                    found.entry(&*self.values[*number]).or_insert(at);
                }
            }
        }
        found
    }
}

/// A value as UTF-8, UTF-16 of both orders, and each of them as hexadecimal and base64.
fn forms(value: &str) -> BTreeSet<Vec<u8>> {
    let utf16: Vec<u16> = value.encode_utf16().collect();
    let plain = [
        value.as_bytes().to_vec(),
        utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    ];
    let mut forms = BTreeSet::new();
    for bytes in plain {
        forms.insert(hex::encode(&bytes).into_bytes());
        forms.insert(hex::encode_upper(&bytes).into_bytes());
        for alignment in 0..3 {
            forms.insert(in_base64(&STANDARD_NO_PAD, &bytes, alignment));
            forms.insert(in_base64(&URL_SAFE_NO_PAD, &bytes, alignment));
        }
        forms.insert(bytes);
    }
    forms
}

/// The digits that these bytes have in base64 whatever stands before and behind them, if the bytes
/// before are so many more than a multiple of three.
fn in_base64(engine: &impl Engine, bytes: &[u8], before: usize) -> Vec<u8> {
    let padded = [&[0; 2][..before], bytes].concat();
    let digits = engine.encode(&padded).into_bytes();
    let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    digits[from..to].to_vec()
}

/// What a demo over the seeds left in its folder, printed and answered.
struct Demo {
    dir: tempfile::TempDir,
    shown: Vec<(String, Vec<u8>)>,
}

fn run_demo() -> Result<Demo> {
    let (dir, out) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (said, complained) = (out.path().join("out"), out.path().join("err"));
    let mut demo = Command::new(binary("medanchor")?)
        .args(["demo", "--keep", "--dir"])
        .arg(dir.path())
        .arg("--input")
        .arg(seeds())
        .stdout(File::create(&said)?)
        .stderr(File::create(&complained)?)
        .stdin(Stdio::null())
        .spawn()?;
    let metrics = metrics_of_all(&mut demo, dir.path(), &said);
    kill(Pid::from_raw(i32::try_from(demo.id())?), Signal::SIGTERM)?;
    wait_for("the demo's end", PATIENCE, || {
        Ok(demo.try_wait()?.is_some())
    })?;
    let mut shown = metrics?;
    shown.push(("the demo's output".into(), fs::read(said)?));
    shown.push(("the demo's complaints".into(), fs::read(complained)?));
    Ok(Demo { dir, shown })
}

/// What every running node answers when asked for its metrics, once the demo has done everything.
fn metrics_of_all(demo: &mut Child, dir: &Path, said: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let start = Instant::now();
    while !fs::read_to_string(said)?.contains("Ctrl-C stops all of it") {
        ensure!(
            start.elapsed() < PATIENCE,
            "the demo does not come to its end"
        );
        ensure!(demo.try_wait()?.is_none(), "the demo ended before its end");
        std::thread::sleep(PAUSE);
    }
    let summary: Value = serde_json::from_slice(&fs::read(dir.join("summary.json"))?)?;
    let nodes = summary["nodes"].as_array().context("no nodes")?;
    let answer = |node: &Value| {
        let url = node["url"].as_str().context("no address")?;
        let answer = ureq::get(format!("{url}/metrics")).call()?;
        let text = answer.into_body().read_to_string()?;
        ensure!(text.contains("medanchor"), "no metrics: {text}");
        Ok((format!("{url}/metrics"), text.into_bytes()))
    };
    nodes.iter().map(answer).collect()
}

#[test]
fn no_personal_value_of_the_input_is_left_behind_or_shown() -> Result<()> {
    let scanner = Scanner::new(personal_values()?);
    ensure!(
        scanner.values.len() > 200,
        "{} values",
        scanner.values.len()
    );
    let demo = run_demo()?;
    let mut leaks = Vec::new();
    let (mut bytes, mut seen) = (0, BTreeSet::new());
    for path in files(demo.dir.path())? {
        let content = fs::read(&path)?;
        bytes += content.len();
        let name = path.strip_prefix(demo.dir.path())?.display().to_string();
        seen.extend(name.split('/').skip(1).map(str::to_owned));
        leaks.extend(
            scanner
                .find(&content)
                .into_iter()
                .map(|leak| format!("{name}: {leak:?}")),
        );
    }
    for (name, content) in &demo.shown {
        leaks.extend(
            scanner
                .find(content)
                .into_iter()
                .map(|leak| format!("{name}: {leak:?}")),
        );
    }
    assert!(
        leaks.is_empty(),
        "{} leaks: {:#?}",
        leaks.len(),
        &leaks[..leaks.len().min(20)]
    );
    for part in ["log", "data", "run", "node.log", "vault", "checkpoint"] {
        assert!(seen.contains(part), "no {part} was scanned: {seen:?}");
    }
    assert!(bytes > 1_000_000, "only {bytes} bytes were scanned");
    Ok(())
}

/// The same scanner finds every value in every form, wherever it stands.
#[test]
fn a_planted_value_is_found_in_each_form() -> Result<()> {
    let scanner = Scanner::new(personal_values()?);
    for value in &scanner.values {
        let utf16: Vec<u16> = value.encode_utf16().collect();
        let plain: [Vec<u8>; 3] = [
            value.as_bytes().to_vec(),
            utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
            utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        ];
        for before in 0..6 {
            for bytes in &plain {
                let hidden = [&b"\x93{\"n\":"[..before], bytes, b"\xfe\"}"].concat();
                let planted = [
                    hex::encode(&hidden).into_bytes(),
                    hex::encode_upper(&hidden).into_bytes(),
                    STANDARD_NO_PAD.encode(&hidden).into_bytes(),
                    URL_SAFE_NO_PAD.encode(&hidden).into_bytes(),
                    hidden,
                ];
                for leak in planted {
                    ensure!(
                        scanner.find(&leak).contains_key(&**value),
                        "{value} in {leak:?}"
                    );
                }
            }
        }
    }
    ensure!(scanner.find(&[0x5a; 4096]).is_empty(), "found in nothing");
    Ok(())
}
