//! What comes of those who cheat: the reader's error, and the verdict of the auditor's program.

use crate::city::{City, OWNER};
use crate::files::text;
use crate::network::binary;
use anyhow::{Result, bail};
use medanchor_sdk::custody::{Opened, OpenedError};
use medanchor_vault::custody::EvidenceFile;
use std::path::Path;
use std::process::Command;

/// What the auditor's program prints, whatever its verdict.
///
/// # Errors
/// If it is not built.
pub fn audit(arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary("medanchor-audit")?)
        .args(arguments)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8(said)?)
}

/// What it says of a file of evidence, with the genesis alone.
///
/// # Errors
/// If it is not built.
pub fn judged(city: &City, file: &Path) -> Result<String> {
    let genesis = city.dir.join(OWNER).join("identity/genesis");
    audit(&["evidence", text(file)?, "--genesis", text(&genesis)?])
}

/// [`judged`], of evidence that is not in a file yet.
///
/// # Errors
/// If it is not built, or the file cannot be written.
pub fn convicted(city: &City, file: &EvidenceFile) -> Result<String> {
    let path = city.dir.join("found.evidence");
    std::fs::write(&path, file.encode())?;
    judged(city, &path)
}

/// The error of a read that must fail.
///
/// # Errors
/// If it did not.
pub fn failed(read: Result<Opened, OpenedError>) -> Result<OpenedError> {
    match read {
        Err(error) => Ok(error),
        Ok(_) => bail!("it was opened"),
    }
}
