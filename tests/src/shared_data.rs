//! Files that nobody here wrote, in a folder beside the checkout that a lone clone does not have.
//!
//! The tests of the other packages take this file in by its path.

use std::io::Write;
use std::path::{Path, PathBuf};

/// A file or folder of `../shared/data`; if it is absent, one line that begins with "skipped:" says
/// so past the test runner, which shows nothing that a passing test prints.
#[must_use]
pub fn shared_data(path: &str) -> Option<PathBuf> {
    // Every package stands in a folder of the checkout.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    let line = format!("skipped: ../shared/data/{path} is not beside the checkout\n");
    // A closed standard error only costs the count.
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}
