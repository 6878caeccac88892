//! Others' holes (`docs/others-holes.md`): every attack of `vectors/attacks` through the public
//! verifiers, and through the code that fell for it, where that can be linked.

mod cases;
mod judge;
mod oracles;
mod world;

use cases::cases;
use judge::{Attack, judge};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/attacks")
}

fn files() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let json = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let mut files: Vec<_> = json
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_attack_gets_the_verdict_that_its_file_expects() {
    let files = files();
    assert!(files.len() >= 40, "{}", files.len());
    for (name, text) in files {
        let attack: Attack = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(judge(&attack.input), attack.expected, "{name}");
        assert_eq!(
            name.starts_with("control-"),
            attack.expected.error.is_none(),
            "{name}"
        );
    }
}

/// With `MEDANCHOR_WRITE_VECTORS` set a missing file is written; one that is there never changes.
#[test]
fn attacks_are_frozen() {
    let mut names = BTreeSet::new();
    for (name, attack) in cases() {
        let text = serde_json::to_string_pretty(&attack).unwrap() + "\n";
        let path = folder().join(format!("{name}.json"));
        if !path.exists() && std::env::var_os("MEDANCHOR_WRITE_VECTORS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let frozen = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(
            frozen, text,
            "{name} is frozen, and the code makes something else now"
        );
        assert!(names.insert(name.to_owned()), "{name} is made twice");
    }
    let there: BTreeSet<_> = files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(there, names);
}

/// The table of the folder and the page name each file, and the page names no other.
#[test]
fn the_table_and_the_page_name_every_attack() {
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let page = std::fs::read_to_string(folder().join("../../docs/others-holes.md")).unwrap();
    for (name, text) in files() {
        let attack: Attack = serde_json::from_str(&text).unwrap();
        let error = attack.expected.error.as_deref().unwrap_or("-");
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{name}.json` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the README's table"));
        assert!(
            row.ends_with(&format!("| {} | `{error}` |", attack.expected.verdict)),
            "{row}"
        );
        assert!(
            name.starts_with("control-") || page.contains(&format!("`{name}`")),
            "{name}"
        );
    }
}
