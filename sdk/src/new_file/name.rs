//! How a file that was written gets its name.
//!
//! What always holds: a name that anything has is refused, and what is there stays as it is; the file that gets the
//! name is the one that was written, whatever stands beside it by now.

use super::is_at;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

/// A file that was written.
pub(super) enum Given<'a> {
    /// It has no name.
    Unnamed(&'a File),
    /// It has this name, or had it.
    Beside(&'a File, &'a Path),
}

/// Gives a file the name `to`, which is then its only one or one that the writer takes away.
pub(super) fn give_name(from: &Given<'_>, to: &Path) -> io::Result<()> {
    match from {
        Given::Unnamed(file) => link_unnamed(file, to),
        Given::Beside(file, beside) => {
            if !is_at(file, beside)? {
                return Err(replaced());
            }
            match fs::hard_link(beside, to) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    // A file system without such links.
                    rename_to_new(beside, to)?;
                }
                linked => linked?,
            }
            check_given(file, to)
        }
    }
}

/// Whoever put another file beside between the look and the link has given that one the name.
pub(super) fn check_given(file: &File, to: &Path) -> io::Result<()> {
    if is_at(file, to)? {
        return Ok(());
    }
    fs::remove_file(to)?;
    Err(replaced())
}

fn replaced() -> io::Error {
    io::Error::new(
        io::ErrorKind::ResourceBusy,
        "somebody removed or replaced what was written before it had its name",
    )
}

/// Renames to a name that nothing has.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename_if_free(from, to) {
        Err(error) if is_unknown(&error) => rename_over_own(from, to),
        renamed => renamed,
    }
}

/// Whether the system, or the file system, cannot do it at all.
fn is_unknown(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
    )
}

/// Renames to a name that an empty file of ours takes first; a power cut between leaves that one.
fn rename_over_own(from: &Path, to: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(to)?;
    fs::rename(from, to).inspect_err(|_| {
        let _ = fs::remove_file(to);
    })
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
    Ok(renameat2(
        AT_FDCWD,
        from,
        AT_FDCWD,
        to,
        RenameFlags::RENAME_NOREPLACE,
    )?)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn rename_if_free(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file in this folder that has no name, for its owner's eyes only; none where there are no such files, or one
/// could not be given a name.
#[cfg(target_os = "linux")]
pub(super) fn unnamed(folder: &Path) -> Option<File> {
    use nix::fcntl::OFlag;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options.custom_flags(OFlag::O_TMPFILE.bits());
    let file = options.open(folder).ok()?;
    let (own, shown) = (file.metadata().ok()?, fs::metadata(by_number(&file)).ok()?);
    super::is_same(&own, &shown).then_some(file)
}

/// A name of whatever is open under this number, as long as it is.
#[cfg(target_os = "linux")]
fn by_number(file: &File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(target_os = "linux")]
fn link_unnamed(file: &File, to: &Path) -> io::Result<()> {
    use nix::fcntl::{AT_FDCWD, AtFlags};
    Ok(nix::unistd::linkat(
        AT_FDCWD,
        &by_number(file),
        AT_FDCWD,
        to,
        AtFlags::AT_SYMLINK_FOLLOW,
    )?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn unnamed(_: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn link_unnamed(_: &File, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_no_links_a_name_is_still_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        for (number, rename) in [rename_to_new, rename_over_own].into_iter().enumerate() {
            let at = |name: &str| folder.path().join(format!("{name}-{number}"));
            fs::write(at("from"), b"a document").unwrap();
            rename(&at("from"), &at("to")).unwrap();
            assert_eq!(fs::read(at("to")).unwrap(), b"a document");
            fs::write(at("from"), b"another").unwrap();
            let refused = rename(&at("from"), &at("to")).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(at("to")).unwrap(), b"a document");
        }
    }

    /// A crash left an empty file under the name, which is in the way of the next try.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_rename_takes_the_name_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("from"), b"a document").unwrap();
        rename_if_free(&at("from"), &at("to")).unwrap();
        assert!(!at("from").exists());
        rename_if_free(&at("nothing"), &at("free")).unwrap_err();
        assert!(!at("free").exists());
    }
}
