//! Checkpoints: the signed head of a log in three lines (C2SP `tlog-checkpoint`).
//!
//! What always holds: a checkpoint is origin, size and root and nothing else, extension lines are
//! refused; its text is the only text for these three values. Each validator signs it twice, as
//! the log (type 0x01, key name = origin) and as a cosigner with a time (type 0x04, key name =
//! origin/validator), with a key for each.

use crate::note::{
    KeyName, NoteError, NoteKey, NoteSignature, VerifierKey, cosign_note, sign_note,
};
use crate::signature::SigningKey;
use crate::validator::Validator;
use crate::{Size, Time, TreeHash};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fmt, str::FromStr};

/// The head of a log.
///
/// ```
/// # use medanchor_ledger::checkpoint::Checkpoint;
/// let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
/// let checkpoint: Checkpoint = text.parse().unwrap();
/// assert_eq!(checkpoint.size.0, 20_852_163);
/// assert_eq!(checkpoint.to_string(), text);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    /// Which log.
    pub origin: KeyName,
    /// How many entries it has.
    pub size: Size,
    /// The root over them.
    pub root: TreeHash,
}

/// Text that is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Not three lines with a newline each.
    #[error("a checkpoint is exactly three lines, without extension lines; fetch it again")]
    Lines,
    /// The origin is not a key name.
    #[error("the origin of a checkpoint is a name without spaces and plus signs; fetch it again")]
    Origin,
    /// The size is not a decimal number below 2^64 without leading zeros.
    #[error("the size of a checkpoint is a decimal number without leading zeros; fetch it again")]
    Size,
    /// The root is not the base64 of 32 bytes.
    #[error("the root of a checkpoint is base64 of 32 bytes; fetch it again")]
    Root,
}

impl Checkpoint {
    /// Signs the checkpoint as the log.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> NoteSignature {
        sign_note(&self.origin, key, &self.to_string())
    }

    /// Cosigns the checkpoint as validator `name` at a time, of which the whole seconds count.
    ///
    /// # Errors
    ///
    /// [`NoteError::KeyName`] if origin and name together are too long for a key name.
    pub fn cosign(
        &self,
        name: &crate::ParticipantName,
        key: &SigningKey,
        time: Time,
    ) -> Result<NoteSignature, NoteError> {
        let name = self.origin.join(name.as_str())?;
        // A thousandth of any u64 is below 2^63, so there is always a signature.
        cosign_note(&name, key, time.0 / 1000, &self.to_string()).ok_or(NoteError::Size)
    }
}

/// The key by which a validator's signatures as the log are judged.
#[must_use]
pub fn log_key(origin: &KeyName, validator: &Validator) -> VerifierKey {
    VerifierKey::new(origin.clone(), NoteKey::Ed25519(validator.log))
}

/// The key by which a validator's cosignatures are judged.
///
/// # Errors
///
/// [`NoteError::KeyName`] if origin and name together are too long for a key name.
pub fn cosigner_key(origin: &KeyName, validator: &Validator) -> Result<VerifierKey, NoteError> {
    let name = origin.join(validator.name.as_str())?;
    Ok(VerifierKey::new(
        name,
        NoteKey::Cosigner(validator.cosigner),
    ))
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root.as_bytes());
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        Ok(Self {
            origin: origin.parse().map_err(|_| CheckpointError::Origin)?,
            size: Size(parse_decimal(size).ok_or(CheckpointError::Size)?),
            root: parse_hash(root).ok_or(CheckpointError::Root)?,
        })
    }
}

/// A decimal number without sign or leading zeros.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|number: &u64| number.to_string() == text)
}

/// The base64 of a hash.
pub(crate) fn parse_hash(text: &str) -> Option<TreeHash> {
    STANDARD.decode(text).ok()?.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_is_not_exactly_a_checkpoint_is_refused() {
        let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        for (text, error) in [
            (String::new(), CheckpointError::Lines),
            (format!("a\n1\n{root}"), CheckpointError::Lines),
            (format!("a\n1\n{root}\nextension\n"), CheckpointError::Lines),
            (format!("a\n1\n{root}\n\n"), CheckpointError::Lines),
            (format!("\n1\n{root}\n"), CheckpointError::Origin),
            (format!("a b\n1\n{root}\n"), CheckpointError::Origin),
            (format!("a\n01\n{root}\n"), CheckpointError::Size),
            (format!("a\n+1\n{root}\n"), CheckpointError::Size),
            (format!("a\n-1\n{root}\n"), CheckpointError::Size),
            (format!("a\n\n{root}\n"), CheckpointError::Size),
            (
                format!("a\n18446744073709551616\n{root}\n"),
                CheckpointError::Size,
            ),
            (
                format!("a\n1\n{}\n", root.trim_end_matches('=')),
                CheckpointError::Root,
            ),
            (
                format!("a\n1\n{}\n", root.replace("I=", "J=")),
                CheckpointError::Root,
            ),
            ("a\n1\nCsUY\n".to_owned(), CheckpointError::Root),
            (format!("a\n1\n{root} \n"), CheckpointError::Root),
        ] {
            assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_checkpoint_survives_its_text(size: u64, root: [u8; 32], origin in "[a-z./]{1,40}") {
            let root = TreeHash::new(root);
            let checkpoint = Checkpoint { origin: origin.parse().unwrap(), size: Size(size), root };
            prop_assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
        }

        #[test]
        fn an_accepted_text_is_the_only_one(text in "[a+ ]{0,2}\n[0-9+-]{0,3}\n[A-Za-z0-9+/]{43}=\n") {
            if let Ok(checkpoint) = text.parse::<Checkpoint>() {
                prop_assert_eq!(checkpoint.to_string(), text);
            }
        }
    }
}
