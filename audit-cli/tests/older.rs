//! Bundles and tiles of earlier sizes that a folder still has, and readers who close the pipe.

mod support;

use medanchor_ledger::merkle::bundle::BundleId;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Built, verify, write};

/// A log with the files of the sizes at which its blocks ended, and the paths of the older ones.
fn with_older_files(built: &Built) -> (tempfile::TempDir, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    let newest = files(folder.path());
    for checkpoint in built.checkpoints() {
        built.publish_tree_at(folder.path(), checkpoint.size.0);
    }
    let mut older = files(folder.path());
    older.retain(|path| !newest.contains(path));
    (folder, older)
}

fn files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![folder.join("tile")];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(inner).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(folder).expect("a path below");
                files.push(path.display().to_string());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn older_files_that_agree_are_counted() {
    let built = Built::busy(40);
    let (folder, older) = with_older_files(&built);
    assert!(older.len() > 70, "{older:?}");
    let (code, report) = verify(folder.path());
    assert_eq!(code, 0, "{report:#}");
    let found = &report["older_files"];
    assert_eq!(
        (&found["read"], &found["unknown"]),
        (&true.into(), &0.into())
    );
    assert_eq!(found["compared"], older.len());
}

#[test]
fn a_changed_byte_in_any_older_file_is_found_and_the_file_is_named() {
    let built = Built::busy(33);
    let (folder, older) = with_older_files(&built);
    for (number, name) in older.iter().enumerate() {
        let path = folder.path().join(name);
        let good = fs::read(&path).expect("a file");
        let mut flipped = good.clone();
        let middle = good.len() / 2;
        flipped[middle] ^= 0x41;
        let (cut, longer) = (good[..good.len() - 1].to_vec(), [&good[..], &[0]].concat());
        let changed = &[flipped, cut, longer][number % 3];
        fs::write(&path, changed).expect("a file");
        let (code, report) = verify(folder.path());
        assert_eq!(code, 1, "{name}: {report:#}");
        assert_eq!(report["fault"]["file"], name.as_str(), "{report:#}");
        if number % 3 == 0
            && let Ok(id) = name.parse::<BundleId>()
        {
            let entry = report["fault"]["entry"].as_u64().expect("an entry");
            let first = id.index() * 256;
            let beyond = first + u64::from(id.width().get());
            assert!((first..beyond).contains(&entry), "{name}: {report:#}");
        }
        fs::write(&path, &good).expect("a file");
    }
    assert_eq!(verify(folder.path()).0, 0, "the copy was put right again");
}

/// A running node writes the files of the next checkpoint before that checkpoint.
#[test]
fn files_beyond_the_checkpoint_must_begin_as_the_log_does() {
    let built = Built::busy(12);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    let mut longer = Built::busy(12);
    longer.block(Vec::new());
    longer.publish_tree_at(folder.path(), longer.size());
    let (code, report) = verify(folder.path());
    assert_eq!(
        (code, &report["older_files"]["compared"]),
        (0, &2.into()),
        "{report:#}"
    );

    let name = format!("tile/entries/000.p/{}", longer.size());
    let path = folder.path().join(&name);
    let mut bytes = fs::read(&path).expect("a file");
    bytes[30] ^= 1;
    fs::write(&path, bytes).expect("a file");
    let (code, report) = verify(folder.path());
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["fault"]["file"], name);
}

#[test]
fn a_file_that_no_log_has_is_told_and_no_fault() {
    let built = Built::busy(3);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    for name in [
        "tile/entries/000.p/098",
        "tile/0/000.p/7.new",
        "tile/readme",
    ] {
        write(folder.path(), name, b"x");
    }
    let (code, report) = verify(folder.path());
    assert_eq!(code, 0, "{report:#}");
    let found = &report["older_files"];
    assert_eq!(found["unknown"], 3);
    let names = found["first_unknown"].to_string();
    assert!(names.contains("tile/entries/000.p/098"), "{names}");
}

/// What `| head` does to the auditor.
#[test]
fn a_reader_that_closes_the_pipe_is_no_trouble() {
    let built = Built::busy(3);
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    for json in [&["--json"][..], &[]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let child = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_medanchor-audit")))
            .arg("verify")
            .args(json)
            .arg(folder.path())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn();
        let output = child.and_then(std::process::Child::wait_with_output);
        let output = output.expect("the auditor runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*said), (Some(0), ""));
    }
}
