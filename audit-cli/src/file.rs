//! Files that the user names.
//!
//! What always holds: a file is read whole within a bound, and never waited for: a pipe or a folder
//! is refused.

use crate::fault::Trouble;
use std::fs::File;
use std::io::Read;
use std::path::Path;

fn unreadable(path: &str, cause: &dyn std::fmt::Display) -> Trouble {
    Trouble::File {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

/// The bytes of a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Trouble> {
    let shown = path.display().to_string();
    let failed = |cause: std::io::Error| unreadable(&shown, &cause);
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err(unreadable(&shown, &"it is no file"));
    }
    // Room for all of it at once: a file may hold secrets, of which what grows leaves copies.
    let room = usize::try_from(meta.len().min(limit)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(room.saturating_add(1));
    let file = File::open(path).map_err(failed)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        return Ok(bytes);
    }
    let cause = format!("it is longer than the {limit} bytes that it can have");
    Err(unreadable(&shown, &cause))
}

/// The first bytes of a file, `limit` of them if it has as many.
pub(crate) fn start(path: &Path, limit: u64) -> Result<Vec<u8>, Trouble> {
    let shown = path.display().to_string();
    let failed = |cause: std::io::Error| unreadable(&shown, &cause);
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(unreadable(&shown, &"it is no file"));
    }
    let (mut bytes, file) = (Vec::new(), File::open(path).map_err(failed)?);
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
