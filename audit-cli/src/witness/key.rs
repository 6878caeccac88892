//! The witness's key.

use crate::key_file::{KeyFileError, NamedKey, Purpose};
use medanchor_ledger::note::{NoteKey, NoteSignature, VerifierKey, cosign_note};
use std::path::Path;

/// A witness's name and key.
pub(super) struct WitnessKey {
    named: NamedKey,
    verifier: VerifierKey,
}

impl WitnessKey {
    fn new(named: NamedKey) -> Self {
        let key = NoteKey::Cosigner(named.key.public_key());
        let verifier = VerifierKey::new(named.name.clone(), key);
        Self { named, verifier }
    }

    /// Draws a key and writes it to a new file.
    pub(super) fn create(name: &str, path: &Path) -> Result<Self, KeyFileError> {
        NamedKey::create(Purpose::Witness, name, path).map(Self::new)
    }

    /// Reads a key file that nobody else can read.
    pub(super) fn read(path: &Path) -> Result<Self, KeyFileError> {
        NamedKey::read(Purpose::Witness, path).map(Self::new)
    }

    /// By which the cosignatures are judged.
    pub(super) const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a checkpoint's text at a time in seconds since 1970; none for a time that no
    /// cosignature may have.
    pub(super) fn cosign(&self, time: u64, text: &str) -> Option<NoteSignature> {
        cosign_note(&self.named.name, &self.named.key, time, text).filter(|_| time > 0)
    }
}
