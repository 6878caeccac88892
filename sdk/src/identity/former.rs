//! The keys that an identity signed with before its present one: what it signed then stays its word.
//!
//! `FOLDER/former-keys` has their public halves, 64 hex digits a line, the first key first. A key stands
//! there before another takes its place, so a cut in between leaves the present key among them, which
//! changes nothing.

#[cfg(any(feature = "client", test))]
use super::write_new;
use super::{Identity, IdentityError, read_bounded};
use medanchor_ledger::signature::PublicKey;
use std::path::{Path, PathBuf};

/// More changes of key than a participant lives through.
const MAX_KEYS: usize = 1_000;

fn path(folder: &Path) -> PathBuf {
    folder.join("former-keys")
}

fn parse(text: &[u8]) -> Option<Vec<PublicKey>> {
    let lines = std::str::from_utf8(text).ok()?.split_terminator('\n');
    let keys: Option<Vec<_>> = lines.map(key_of).collect();
    // One meaning has one encoding: small digits, every line ended.
    keys.filter(|keys| keys.len() <= MAX_KEYS && encode(keys).as_bytes() == text)
}

fn key_of(line: &str) -> Option<PublicKey> {
    let mut raw = [0; 32];
    hex::decode_to_slice(line, &mut raw).ok()?;
    PublicKey::ed25519(raw).ok()
}

fn encode(keys: &[PublicKey]) -> String {
    let line = |key: &PublicKey| hex::encode(key.as_bytes()) + "\n";
    keys.iter().map(line).collect()
}

fn read(folder: &Path) -> Result<Vec<PublicKey>, IdentityError> {
    let path = path(folder);
    if !path.exists() {
        return Ok(Vec::new());
    }
    parse(&read_bounded(&path)?).ok_or(IdentityError::Content {
        path,
        what: "former signing keys",
    })
}

impl Identity {
    /// Every key that this identity has signed with, the first first and the present one last.
    pub(crate) fn own_keys(&self) -> Result<Vec<PublicKey>, IdentityError> {
        let mut keys = read(&self.folder)?;
        keys.push(self.public_key());
        Ok(keys)
    }

    /// Remembers the key that this identity signs with, before another takes its place.
    #[cfg(any(feature = "client", test))]
    pub(super) fn remember_key(&self) -> Result<(), IdentityError> {
        let mut keys = read(&self.folder)?;
        let present = self.public_key();
        if keys.contains(&present) {
            return Ok(());
        }
        keys.push(present);
        write_new(&path(&self.folder), encode(&keys).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::signature::SigningKey;

    #[test]
    fn a_file_is_read_in_one_way_alone() {
        let keys = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]).public_key());
        let good = encode(&keys);
        assert_eq!(parse(good.as_bytes()).unwrap(), keys);
        assert_eq!(parse(b"").unwrap(), []);
        let (one, many) = (encode(&keys[..1]), encode(&[keys[0]; MAX_KEYS + 1]));
        for bad in [
            one.trim_end(),
            &one.to_uppercase(),
            &one.replace('\n', "\r\n"),
            &one[2..],
            &format!("{one}\n"),
            "zz\n",
            &many,
        ] {
            assert!(
                parse(bad.as_bytes()).is_none(),
                "{}",
                &bad[..bad.len().min(80)]
            );
        }
    }
}
