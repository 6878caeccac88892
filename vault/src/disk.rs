//! What files need beyond the standard library: names that are durable, and bytes that are gone.

use std::fs::File;
#[cfg(feature = "keep")]
use std::fs::{self, OpenOptions};
use std::io;
#[cfg(feature = "keep")]
use std::io::{BufWriter, Read, Write};
use std::path::Path;
#[cfg(test)]
use std::sync::atomic::Ordering::Relaxed;

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// How often a file was waited for, and whether the next time fails.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Syncs {
    count: std::sync::atomic::AtomicUsize,
    fails: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl Syncs {
    /// Counts one; fails where a test said so, once.
    pub(crate) fn next(&self) -> io::Result<()> {
        self.count.fetch_add(1, Relaxed);
        match self.fails.swap(false, Relaxed) {
            true => Err(io::Error::other("a test lets the disk fail")),
            false => Ok(()),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub(crate) fn fail_next(&self) {
        self.fails.store(true, Relaxed);
    }
}

/// Writes zeros over all of a file in place; nothing to do if there is no such file.
#[cfg(feature = "keep")]
pub(crate) fn overwrite(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let length = file.metadata()?.len();
    let mut writer = BufWriter::with_capacity(1 << 16, &file);
    io::copy(&mut io::repeat(0).take(length), &mut writer)?;
    writer.flush()?;
    drop(writer);
    file.sync_all()
}

/// Writes zeros over all of a file in place and then removes it; nothing to do if there is none.
#[cfg(feature = "keep")]
pub(crate) fn wipe(path: &Path) -> io::Result<()> {
    overwrite(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_parent(path)),
    }
}

#[cfg(all(test, feature = "keep"))]
mod tests {
    use super::*;

    /// A second name shows what became of the bytes behind the first.
    #[test]
    fn wiped_bytes_are_gone_from_the_disk_and_not_only_from_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&path, [7; 100_000]).unwrap();
        fs::hard_link(&path, &other).unwrap();
        wipe(&path).unwrap();
        wipe(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read(&other).unwrap(), [0; 100_000]);
    }
}
