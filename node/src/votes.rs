//! Whether a home still knows what its keys have voted.
//!
//! What always holds: the write-ahead log of votes is the first file that a node makes in `data/`, so
//! a home with anything else there and without it has lost votes. A validator's home in that state
//! is refused, unless it was started with `--restored`: the log that is made then is the record that
//! its signing waited for the network, and later starts need no exemption.

use crate::exit::{Exit, Fatal};
use crate::home::Home;
use medanchor_network::WalFile;
use std::fs::File;
use std::io;

/// Makes the write-ahead log of a home that never took part, or refuses a home that lost it.
///
/// # Errors
/// [`Fatal`] if the votes of a validator's home are lost and it was not said to be restored.
pub fn require(home: &Home, validator: bool) -> Result<(), Fatal> {
    let wal = WalFile::of(home.wal());
    let restored = home.restored().exists();
    let require = || {
        if !wal.is_missing()? {
            return Ok(true);
        }
        if validator && !restored && has_taken_part(home)? {
            return Ok(false);
        }
        wal.make().map(|()| true)
    };
    match require() {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused(&wal)),
        Err(error) => Err(unusable(&wal, &error)),
    }
}

fn has_taken_part(home: &Home) -> io::Result<bool> {
    let entries = match std::fs::read_dir(home.data()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        if home.data().join(entry?.file_name()) != home.wal() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refused(wal: &WalFile) -> Fatal {
    let message = format!(
        "{} is missing, although this home has taken part: what its keys have voted is not known, and voting again could sign twice; put the file back, or start with --restored, which follows without voting until the network is past it (docs/operate.md)",
        wal.path().display()
    );
    Fatal::new(Exit::Damaged, message)
}

/// What to probe with: more than a file system has left over in the blocks of small files.
static PROBE: [u8; 64 * 1024] = [0; 64 * 1024];

/// The end of a node whose engine could not go on with its log. The engine does not say why, so it is
/// tried whether there is room for votes.
pub fn failed(home: &Home, said: &dyn std::fmt::Display) -> Fatal {
    let wal = WalFile::of(home.wal());
    let probe = home.wal().join("probe");
    let written = std::fs::write(&probe, PROBE).and_then(|()| File::open(&probe)?.sync_all());
    // A probe that stays behind is written over by the next.
    let _ = std::fs::remove_file(&probe);
    match written {
        Err(error) if is_full(&error) => unusable(&wal, &error),
        _ => Fatal::new(Exit::Damaged, said.to_string()),
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn unusable(wal: &WalFile, error: &io::Error) -> Fatal {
    if is_full(error) {
        let path = wal.path();
        let message = format!(
            "the disk is full at {}; make room and start again",
            path.display()
        );
        return Fatal::new(Exit::DiskFull, message);
    }
    let message = format!(
        "the write-ahead log {} cannot be used: {error}; check the disk and the file's permissions, then start again",
        wal.path().display()
    );
    Fatal::new(Exit::Failure, message)
}
