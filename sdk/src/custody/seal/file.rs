//! The deals of one record, kept until it is anchored: the CBOR array `[quarter of the tag, deals]`, the
//! deals as a byte string that holds their list. They are sealed to the custodians, so the file is no secret.

use super::CustodyError;
use crate::custody::kept::{read_bounded, remove_file, write_durably};
use crate::custody::messages::{read_messages, write_messages};
use medanchor_ledger::cbor::{Reader, Writer};
use medanchor_vault::Epoch;
use medanchor_vault::custody::{Deal, MessageError, Signed};
use std::path::Path;

/// The most bytes of the file.
const MAX_FILE: u64 = 256 << 10;

/// The deals of one record, and the quarter of the year whose tag it is sealed under.
pub(super) struct Dealt {
    pub(super) quarter: Epoch,
    pub(super) deals: Vec<Signed<Deal>>,
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> CustodyError {
    |source| CustodyError::Io {
        path: path.into(),
        source,
    }
}

pub(super) fn write_deals(path: &Path, dealt: &Dealt) -> Result<(), CustodyError> {
    let mut writer = Writer::new();
    writer.array(2).uint(u64::from(dealt.quarter.0));
    writer.bytes(&write_messages(&dealt.deals));
    write_durably(path, writer.as_bytes()).map_err(io(path))
}

/// The deals of an earlier try, if there was one.
pub(super) fn read_deals(path: &Path) -> Result<Option<Dealt>, CustodyError> {
    let Some(bytes) = read_bounded(path, MAX_FILE).map_err(io(path))? else {
        return Ok(None);
    };
    let dealt = decode(&bytes).map_err(|_| CustodyError::EarlierDeals {
        path: path.into(),
        why: "the file is damaged",
    })?;
    Ok(Some(dealt))
}

fn decode(bytes: &[u8]) -> Result<Dealt, MessageError> {
    let mut reader = Reader::new(bytes);
    reader.array(2..=2)?;
    let dealt = Dealt {
        quarter: Epoch(reader.narrow()?),
        deals: read_messages(reader.bytes(bytes.len())?)?,
    };
    reader.finish()?;
    Ok(dealt)
}

/// Removes the file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), CustodyError> {
    remove_file(path).map_err(io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt() -> Dealt {
        let deal = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../vectors/custody/good-deal-x25519.cbor"
        );
        let deal = Signed::decode(&std::fs::read(deal).unwrap()).unwrap();
        Dealt {
            quarter: Epoch(224),
            deals: vec![deal],
        }
    }

    /// A retry in another quarter of the year signs under the tag of the first try.
    #[test]
    fn the_quarter_of_the_first_try_is_kept_with_its_deals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deals").join("record-1");
        assert!(read_deals(&path).unwrap().is_none());
        write_deals(&path, &dealt()).unwrap();
        let read = read_deals(&path).unwrap().unwrap();
        assert_eq!((read.quarter, read.deals), (Epoch(224), dealt().deals));
        let good = std::fs::read(&path).unwrap();
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            let refused = read_deals(&path);
            assert!(matches!(refused, Err(CustodyError::EarlierDeals { .. })));
        }
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
