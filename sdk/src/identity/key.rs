//! The participant's signing key in its file: one line, for its owner's eyes only.
//!
//! What always holds: the file is made once and never overwritten; one that others can read is
//! refused with the command that closes it; the key is wiped from memory when dropped. The line is
//! that of a node's key files, `medanchor-ed25519-v1 participant <64 hex digits>`.

use super::IdentityError;
use crate::context::Context;
use medanchor_ledger::signature::SigningKey;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

const LABEL: &str = "medanchor-ed25519-v1 participant ";
const LENGTH: usize = LABEL.len() + 64 + 1;

/// Draws a key and writes it to a new file.
pub(super) fn create(path: &Path, context: &dyn Context) -> Result<SigningKey, IdentityError> {
    let mut seed = Zeroizing::new([0; 32]);
    context.fill(seed.as_mut())?;
    let mut digits = hex::encode(seed.as_ref());
    let mut text = Zeroizing::new(String::with_capacity(LENGTH));
    text.push_str(LABEL);
    text.push_str(&digits);
    text.push('\n');
    digits.zeroize();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options
        .open(path)
        .map_err(|source| IdentityError::io(path, source))?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|source| IdentityError::io(path, source))?;
    Ok(SigningKey::from_seed(&seed))
}

/// Reads the key.
pub(super) fn read(path: &Path) -> Result<SigningKey, IdentityError> {
    let io = |source| IdentityError::io(path, source);
    let file = File::open(path).map_err(io)?;
    refuse_readable_by_others(&file, path)?;
    let mut text = Zeroizing::new(String::with_capacity(LENGTH + 2));
    file.take(LENGTH as u64 + 1)
        .read_to_string(&mut text)
        .map_err(io)?;
    parse(&text).ok_or_else(|| IdentityError::Content {
        path: path.to_owned(),
        what: "a signing key",
    })
}

fn parse(text: &str) -> Option<SigningKey> {
    let digits = text.strip_prefix(LABEL)?.strip_suffix('\n')?;
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, seed.as_mut()).ok()?;
    Some(SigningKey::from_seed(&seed))
}

#[cfg(unix)]
fn refuse_readable_by_others(file: &File, path: &Path) -> Result<(), IdentityError> {
    use std::os::unix::fs::MetadataExt;
    let mode = file
        .metadata()
        .map_err(|source| IdentityError::io(path, source))?
        .mode()
        & 0o777;
    if mode & 0o077 == 0 {
        Ok(())
    } else {
        Err(IdentityError::Open {
            path: path.to_owned(),
            mode,
        })
    }
}

#[cfg(not(unix))]
fn refuse_readable_by_others(_: &File, _: &Path) -> Result<(), IdentityError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::System;

    #[test]
    fn a_key_survives_its_file_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = create(&path, &System).unwrap();
        assert_eq!(read(&path).unwrap().public_key(), key.public_key());
        assert!(create(&path, &System).is_err());
        assert_eq!(read(&path).unwrap().public_key(), key.public_key());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, &System).unwrap();
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(&path, open).unwrap();
        let error = read(&path).err().unwrap();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn anything_but_the_one_line_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, &System).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for wrong in [
            format!("{text}\n"),
            text.replace("participant", "log"),
            text.replace('\n', ""),
            text[1..].into(),
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(matches!(read(&path), Err(IdentityError::Content { .. })));
        }
    }
}
