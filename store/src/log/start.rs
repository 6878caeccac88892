//! What is found in the folder when a log is opened, and what is removed from it.

use crate::StoreError;
use crate::files::{self, read_bounded, write_aside};
use crate::reader::{LogReader, MAX_GENESIS};
use medanchor_ledger::Size;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::note::Note;
use std::fs;
use std::path::Path;

/// How far the files of a log are durable, as the state database remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogMark {
    /// Entries below are in full bundles and tiles; a multiple of 256.
    pub(crate) settled: Size,
    /// Where the cosignatures end.
    pub(crate) cosignatures: u64,
}

impl LogMark {
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.settled.0, self.cosignatures]
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let [settled, cosignatures] = numbers else {
            return None;
        };
        rest.is_empty().then(|| Self {
            settled: Size(u64::from_be_bytes(*settled)),
            cosignatures: u64::from_be_bytes(*cosignatures),
        })
    }
}

pub(super) fn keep_genesis(path: &Path, genesis: &[u8]) -> Result<(), StoreError> {
    match read_bounded(path, MAX_GENESIS as u64)? {
        None => write_aside(path, genesis),
        Some(found) if found == genesis => Ok(()),
        Some(found) => Err(StoreError::OtherNetwork {
            path: path.to_owned(),
            expected: files::network_of(genesis),
            found: files::network_of(&found),
        }),
    }
}

/// The size in `checkpoint`, or 0.
pub(crate) fn checkpoint_size(reader: &LogReader) -> Result<Size, StoreError> {
    let Some(bytes) = reader.checkpoint()? else {
        return Ok(Size(0));
    };
    let note = Note::parse(&bytes).ok();
    let checkpoint = note.and_then(|note| note.text().parse::<Checkpoint>().ok());
    let damaged = || StoreError::Damaged {
        path: reader.folder().join("checkpoint"),
        position: 0,
        what: "it is no checkpoint",
    };
    checkpoint
        .map(|checkpoint| checkpoint.size)
        .ok_or_else(damaged)
}

pub(super) fn remove_folder(folder: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StoreError::io("delete", folder, error))
        }
        _ => Ok(()),
    }
}
