//! What an observer saw and signed: an observation with the observer's name to it (C2SP `signed-note`).
//!
//! What always holds: the signature covers what was seen, when, where, of which network, and by length and
//! hash every byte that was served; those bytes follow, whatever they are. It convinces whoever trusts the
//! observer, of what the observer says and of no more. It encodes to the very bytes it was parsed from.
//!
//! ```text
//! medanchor/attestation@v1
//! network <origin>
//! kind rollback
//! seconds 1763800000
//! of https://north.example
//! says one line of text
//! served <length> <SHA-256 in hex>   or `served nothing`
//! known <length> <SHA-256 in hex>    of the checkpoint that it was held against, if there is one
//!
//! — <observer> <base64>              one signature, type 0x01
//!
//! <the bytes that were served><the note of the known checkpoint>
//! ```
//!
//! Up to the second blank line it is a signed note, for any reader of such notes.

use crate::compare::Signed;
use crate::observation::{Kind, Observation, Seen, field};
use crate::watch::ObserverKey;
use medanchor_ledger::note::{KeyName, Note, NoteError, NoteSignature, VerifierKey};
use medanchor_ledger::sha256;
use medanchor_ledger::signature::BadSignature;

const HEADER: &str = "medanchor/attestation@v1\n";
const NOTHING: &str = "nothing";

/// What an observer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Of which network.
    pub(crate) network: KeyName,
    pub(crate) seen: Seen,
    /// The bytes that the place gave as its checkpoint, if it gave any.
    pub(crate) served: Option<Vec<u8>>,
    /// The checkpoint that was known besides, where the two together show it.
    pub(crate) known: Option<Note>,
}

/// What an observer signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attestation {
    pub(crate) statement: Statement,
    note: Note,
}

/// Bytes that are no attestation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AttestationError {
    #[error(
        "an attestation has at most {} bytes; get the file again",
        Attestation::MAX_BYTES
    )]
    Size,
    #[error(
        "an attestation is lines, one signature and what was served, a blank line between; get it again"
    )]
    Shape,
    #[error("an attestation begins with medanchor/attestation@v1; give the evidence file")]
    Header,
    #[error(
        "an attestation has the lines network, kind, seconds, of, says, served and perhaps known, in this order; get it again"
    )]
    Line,
    #[error("the bytes in the attestation are not those that were signed; get the file again")]
    Served,
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("the attestation is not in its one form; get it again")]
    Form,
}

impl Statement {
    /// The checkpoint that was served, if it is one.
    pub(crate) fn checkpoint(&self) -> Option<Signed> {
        Signed::parse(self.served.as_deref()?).ok()
    }

    /// The same without an observer's name to it.
    pub(crate) fn unsigned(self) -> Observation {
        let served = self.checkpoint().map(|signed| signed.note);
        let mut notes: Vec<Note> = served.into_iter().chain(self.known).collect();
        if self.seen.kind == Kind::Rollback {
            // What was known was there first.
            notes.reverse();
        }
        let seen = self.seen;
        Observation { seen, notes }
    }

    /// Signs it.
    ///
    /// # Errors
    ///
    /// [`NoteError`] if its lines are too long for a note.
    pub(crate) fn sign(self, key: &ObserverKey) -> Result<Attestation, NoteError> {
        let text = self.text();
        let note = Note::new(&text, vec![key.sign(&text)])?;
        let statement = self;
        Ok(Attestation { statement, note })
    }

    fn text(&self) -> String {
        let served = self.served.as_deref();
        let served = served.map_or_else(|| NOTHING.to_owned(), summary);
        let network = &self.network;
        let mut text = format!("{HEADER}network {network}\n{}served {served}\n", self.seen);
        if let Some(known) = &self.known {
            text += &format!("known {}\n", summary(known.to_string().as_bytes()));
        }
        text
    }
}

/// Length and hash, by which a text names bytes.
fn summary(bytes: &[u8]) -> String {
    format!("{} {}", bytes.len(), hex::encode(sha256(&[bytes])))
}

impl Attestation {
    /// The longest file.
    pub(crate) const MAX_BYTES: usize = 2 * Note::MAX_BYTES + 8192;
    /// The bytes by which it is seen that a file is one, of whatever version.
    pub(crate) const START: &'static [u8] = b"medanchor/attestation";

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, AttestationError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(AttestationError::Size);
        }
        if !bytes.starts_with(HEADER.as_bytes()) {
            return Err(AttestationError::Header);
        }
        let (head, rest) = cut(bytes).ok_or(AttestationError::Shape)?;
        let note = Note::parse(head)?;
        let statement = parse_lines(note.text(), rest)?;
        let is_its_text = statement.text() == note.text();
        let attestation = Self { statement, note };
        if is_its_text && attestation.encode() == bytes {
            Ok(attestation)
        } else {
            Err(AttestationError::Form)
        }
    }

    /// The bytes of the file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = format!("{}\n", self.note).into_bytes();
        bytes.extend(self.statement.served.iter().flatten());
        let known = self.statement.known.iter();
        bytes.extend(known.flat_map(|note| note.to_string().into_bytes()));
        bytes
    }

    /// Whose signature it claims to have; nobody's is judged.
    pub(crate) fn signer(&self) -> Option<&NoteSignature> {
        self.note.signatures().first()
    }

    /// Which of these keys signed it; none if it was another key.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if it claims one of them and does not hold.
    pub(crate) fn signed_by<'k>(
        &self,
        keys: &'k [VerifierKey],
    ) -> Result<Option<&'k VerifierKey>, BadSignature> {
        for key in keys {
            if self.note.signed_by(key)?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

/// Cuts a file into its note, which has one signature, and what was served.
fn cut(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = bytes.windows(2).position(|two| two == b"\n\n")?;
    let signature = bytes.get(text.checked_add(2)?..)?;
    let length = signature.iter().position(|byte| *byte == b'\n')?;
    let end = text.checked_add(3)?.checked_add(length)?;
    let (head, rest) = bytes.split_at_checked(end)?;
    Some((head, rest.strip_prefix(b"\n")?))
}

fn parse_lines(text: &str, bytes: &[u8]) -> Result<Statement, AttestationError> {
    let line = AttestationError::Line;
    let rest = text.strip_prefix(HEADER).ok_or(AttestationError::Header)?;
    let (network, rest) = field(rest, "network ").ok_or(AttestationError::Line)?;
    let (seen, rest) = Seen::parse(rest).ok_or(AttestationError::Line)?;
    let (served, rest) = field(rest, "served ").ok_or(AttestationError::Line)?;
    let known = match rest {
        "" => None,
        rest => Some(
            field(rest, "known ")
                .filter(|(_, rest)| rest.is_empty())
                .ok_or(line)?
                .0,
        ),
    };
    let (served, bytes) = match served {
        NOTHING => (None, bytes),
        named => take(named, bytes).map(|(served, rest)| (Some(served.to_vec()), rest))?,
    };
    let (known, bytes) = match known {
        None => (None, bytes),
        Some(named) => take(named, bytes).map(|(known, rest)| (Some(known), rest))?,
    };
    if !bytes.is_empty() {
        return Err(AttestationError::Served);
    }
    Ok(Statement {
        network: network.parse()?,
        seen,
        served,
        known: known.map(Note::parse).transpose()?,
    })
}

/// The bytes of that length and hash, and what follows them.
fn take<'b>(named: &str, bytes: &'b [u8]) -> Result<(&'b [u8], &'b [u8]), AttestationError> {
    let (length, _) = named.split_once(' ').ok_or(AttestationError::Line)?;
    let length: usize = length.parse().map_err(|_| AttestationError::Line)?;
    let found = bytes.split_at_checked(length);
    found
        .filter(|(taken, _)| summary(taken) == named)
        .ok_or(AttestationError::Served)
}

#[cfg(test)]
mod tests;
