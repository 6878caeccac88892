//! Somebody who has copies of stores and of the keys beside them, and knows every format.

use anyhow::{Context, Result, anyhow};
use medanchor_ledger::sha256;
use medanchor_tests::files::{bytes_of, names};
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{Points, Share, ShareIndex, combine};
use medanchor_vault::secret::{CustodyPart, DataKey, VaultPart};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use std::path::Path;

mod emergency;

pub use emergency::{by_emergency, wraps_for_emergency};

const VAULT: u8 = 2;
const CUSTODY: u8 = 3;
const SHARE: u8 = 4;
const BLINDING: u8 = 5;
const EMERGENCY: u8 = 6;

/// A secret that was unwrapped, and how it stood in its file.
#[derive(Clone)]
pub struct Secret {
    kind: u8,
    name: Vec<u8>,
    note: Vec<u8>,
    secret: Vec<u8>,
    wrapped: Vec<u8>,
}

/// Every secret of `keys` that opens with the institution key of `key_file`.
pub fn unwrap(keys: &Path, key_file: &Path) -> Result<Vec<Secret>> {
    let file = std::fs::read(keys)?;
    let key = std::fs::read(key_file)?;
    let key = wrapping_key(key.get(28..60).context("an institution key in the clear")?)?;
    let (header, slots) = file.split_at_checked(128).context("a header")?;
    let held = slots.chunks_exact(128).filter(|slot| slot[0] == 1);
    Ok(held
        .filter_map(|slot| open_slot(header, slot, &key))
        .collect())
}

fn wrapping_key(institution: &[u8]) -> Result<LessSafeKey> {
    let key = Salt::new(HKDF_SHA256, b"medanchor/wrap/v1").extract(institution);
    let mut bytes = [0; 32];
    let filled = key
        .expand(&[], HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut bytes));
    filled.map_err(|_| anyhow!("HKDF gives 32 bytes"))?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes);
    Ok(LessSafeKey::new(key.map_err(|_| anyhow!("32 bytes"))?))
}

fn open_slot(header: &[u8], slot: &[u8], key: &LessSafeKey) -> Option<Secret> {
    let note = &slot[84..124];
    let bound = match note.iter().all(|byte| *byte == 0) {
        true => &[],
        false => note,
    };
    let context = [&header[..32], &slot[..24], bound].concat();
    let nonce = Nonce::try_assume_unique_for_key(&slot[24..36]).ok()?;
    let mut sealed = slot[36..84].to_vec();
    let secret = key
        .open_in_place(nonce, Aad::from(context), &mut sealed)
        .ok()?;
    Some(Secret {
        kind: slot[1],
        name: slot[8..24].to_vec(),
        note: note.to_vec(),
        secret: secret.to_vec(),
        wrapped: slot[24..84].to_vec(),
    })
}

/// The secrets that concern one record: its own, and every share of it.
pub fn of_record(loot: &[Secret], record: &RecordVersion, owner: &str) -> Vec<Secret> {
    let mut writer = medanchor_ledger::cbor::Writer::new();
    writer.array(3).text(owner);
    writer.bytes(record.record.as_bytes()).uint(1);
    let share = sha256(&[b"medanchor/custody-slot/v1", writer.as_bytes()]);
    let concerns = |one: &&Secret| match one.kind {
        VAULT | CUSTODY => one.name == record.record.as_bytes(),
        SHARE | BLINDING => one.name == share[..16],
        _ => false,
    };
    loot.iter().filter(concerns).cloned().collect()
}

/// What `loot` makes of a record, its secrets and every copy of its payload being there.
pub fn open(
    loot: &[Secret],
    record: &RecordVersion,
    points: &Points,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let part = |kind| loot.iter().find(|one| one.kind == kind);
    let vault = VaultPart::new(part(VAULT)?.secret.as_slice().try_into().ok()?);
    let custody = match part(CUSTODY) {
        Some(one) => CustodyPart::new(one.secret.as_slice().try_into().ok()?),
        None => put_together(loot, points)?,
    };
    let key = DataKey::derive(&custody, &vault, record);
    let opened = medanchor_vault::seal::open(record, &key, payload).ok()?;
    Some(opened.to_vec())
}

/// S, from enough shares.
pub fn put_together(loot: &[Secret], points: &Points) -> Option<CustodyPart> {
    let mut shares: Vec<(ShareIndex, Share)> = Vec::new();
    for first in loot.iter().filter(|one| one.kind == SHARE) {
        let second = (loot.iter()).find(|one| one.kind == BLINDING && one.note == first.note)?;
        let both = [first.secret.as_slice(), second.secret.as_slice()].concat();
        let share = Share::decode(both.as_slice().try_into().ok()?)?;
        shares.push((ShareIndex::new(first.note[4])?, share));
    }
    let shares: Vec<_> = shares
        .iter()
        .map(|(index, share)| (*index, share))
        .collect();
    combine(points, &shares).ok()
}

/// What must stand nowhere any more: the secrets in the clear, in hex, and as they were wrapped.
pub fn traces(loot: &[Secret]) -> Vec<Vec<u8>> {
    let clear = loot.iter().map(|one| one.secret.clone());
    let hex = loot.iter().map(|one| hex::encode(&one.secret).into_bytes());
    let wraps = loot.iter().map(|one| one.wrapped.clone());
    let whole: Vec<_> = clear.chain(hex).chain(wraps).collect();
    // A half is as bad.
    let halves = whole.iter().flat_map(|trace| trace.chunks_exact(16));
    halves.map(<[u8]>::to_vec).collect()
}

/// The files below a folder that hold one of the traces, byte for byte, whatever their format.
pub fn found_in(folder: &Path, traces: &[Vec<u8>]) -> Result<Vec<String>> {
    let search = aho_corasick::AhoCorasick::new(traces)?;
    let mut found = Vec::new();
    for name in names(folder)? {
        if bytes_of(folder, &name)?.is_some_and(|bytes| search.is_match(&bytes)) {
            found.push(name);
        }
    }
    Ok(found)
}
