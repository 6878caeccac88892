//! Files that the user names.
//!
//! What always holds: a file is read whole within a bound, and never waited for: a pipe or a folder
//! is refused.

use crate::fault::Trouble;
use crate::source::unreadable;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The bytes of a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Trouble> {
    let shown = path.display().to_string();
    let failed = |cause: std::io::Error| unreadable(&shown, &cause);
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        return Err(unreadable(&shown, &"it is no file"));
    }
    let mut bytes = Vec::new();
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
