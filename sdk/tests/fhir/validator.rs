//! What is written, held against models of FHIR that others made (Python's fhir.resources).

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long the models may take to load and to check a handful of files.
const PATIENCE: Duration = Duration::from_secs(150);

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// The Python that has the models; if it is not there, one line says so past the test runner, which
/// shows nothing that a passing test prints.
fn python() -> Option<PathBuf> {
    let program = checkout("target/strangers/venv/bin/python");
    let has_models = || {
        let imported = Command::new(&program)
            .args(["-c", "import fhir.resources"])
            .stderr(Stdio::null())
            .status();
        imported.is_ok_and(|status| status.success())
    };
    if program.exists() && has_models() {
        return Some(program);
    }
    let line = "skipped: fhir.resources is not installed; run .ci/strangers-install\n";
    // A closed standard error only costs the count.
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}

/// Whether all files fit the models, and what was said of them.
fn fits(python: &Path, release: &str, files: &[PathBuf]) -> (bool, String) {
    let mut command = Command::new(python);
    command
        .arg(checkout("strangers/python/fhir_models.py"))
        .arg(release)
        .args(files);
    ended(command)
}

/// The elements that the models have in a Consent of this release, if the models are there.
pub(crate) fn elements_of_others(release: &str) -> Option<BTreeSet<String>> {
    let mut command = Command::new(python()?);
    command
        .arg(checkout("strangers/python/fhir_elements.py"))
        .arg(release);
    let (succeeded, said) = ended(command);
    assert!(succeeded, "{said}");
    Some(said.lines().map(str::to_owned).collect())
}

/// Whether it succeeded, and what it said.
fn ended(mut command: Command) -> (bool, String) {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let id = child.id();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let output = receiver
        .recv_timeout(PATIENCE)
        .unwrap_or_else(|_| panic!("process {id} took too long"));
    let output = output.expect("its output is read");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn vectors(prefix: &str) -> Vec<PathBuf> {
    let files = crate::vectors::files(prefix).into_iter();
    files
        .map(|(name, _)| checkout("vectors/fhir").join(name))
        .collect()
}

/// How many resources a file holds: itself and, where it is a bundle, its entries.
fn resources(file: &Path) -> usize {
    let bytes = std::fs::read(file).expect("the file is read");
    let resource: serde_json::Value = serde_json::from_slice(&bytes).expect("the file is JSON");
    1 + resource["entry"].as_array().map_or(0, Vec::len)
}

/// The golden files are what this crate writes, by the tests beside this one.
#[test]
fn what_is_written_fits_the_models_of_others_and_what_lacks_a_field_does_not() {
    let Some(python) = python() else { return };
    for (release, prefix) in [
        ("r4", "good-r4-"),
        ("r5", "good-r5-"),
        ("r4", "access-list-bundle"),
    ] {
        let files = vectors(prefix);
        let (fit, said) = fits(&python, release, &files);
        assert!(fit, "{said}");
        let fitting = said.lines().filter(|line| line.starts_with("ok ")).count();
        let written: usize = files.iter().map(|file| resources(file)).sum();
        assert!(written > 0, "no file {prefix}");
        assert_eq!(fitting, written, "{said}");
    }
    for wrong in ["rejected-r4-no-scope", "rejected-r4-no-actor-role"] {
        let (fit, said) = fits(&python, "r4", &vectors(wrong));
        assert!(!fit, "{wrong}: {said}");
    }
}
