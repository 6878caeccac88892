//! Files that must outlast a power cut before anything is said to others.

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Writes a file aside, synced, and gives it its name: whoever finds it finds it whole.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("part");
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
