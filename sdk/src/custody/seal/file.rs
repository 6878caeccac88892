//! The deals of one record, kept until it is anchored: a CBOR array of byte strings, one a deal. They
//! are sealed to the custodians, so the file is no secret.

use super::CustodyError;
use crate::custody::kept::write_durably;
use medanchor_ledger::cbor::{CborError, Reader, Writer};
use medanchor_vault::custody::signed::MAX_MESSAGE;
use medanchor_vault::custody::{Deal, MAX_MEMBERS, Signed};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

const MAX_FILE: u64 = 256 << 10;

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CustodyError {
    |source| CustodyError::Io {
        path: path.into(),
        source,
    }
}

pub(super) fn write_deals(path: &Path, deals: &[Signed<Deal>]) -> Result<(), CustodyError> {
    let mut writer = Writer::new();
    writer.array(deals.len());
    for deal in deals {
        writer.bytes(&deal.encode());
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(io(folder))?;
    }
    // A share that was dealt must be dealt again after a power cut, so the deals are on disk before that.
    write_durably(path, writer.as_bytes()).map_err(io(path))
}

/// The deals of an earlier try, if there was one.
pub(super) fn read_deals(path: &Path) -> Result<Option<Vec<Signed<Deal>>>, CustodyError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io(path))?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE)
        .read_to_end(&mut bytes)
        .map_err(io(path))?;
    decode(&bytes)
        .map(Some)
        .ok_or_else(|| CustodyError::EarlierDeals {
            path: path.into(),
            why: "the file is damaged",
        })
}

fn decode(bytes: &[u8]) -> Option<Vec<Signed<Deal>>> {
    let mut reader = Reader::new(bytes);
    let read = |reader: &mut Reader<'_>| -> Result<Vec<Vec<u8>>, CborError> {
        let count = reader.array(1..=MAX_MEMBERS)?;
        let items = (0..count).map(|_| reader.bytes(MAX_MESSAGE).map(<[u8]>::to_vec));
        let items = items.collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(items)
    };
    let items = read(&mut reader).ok()?;
    items.iter().map(|item| Signed::decode(item).ok()).collect()
}

/// Removes the file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), CustodyError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io(path)(error)),
        _ => Ok(()),
    }
}
