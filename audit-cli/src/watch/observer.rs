//! The observer's key: it signs what a watcher saw.

use super::args::KeyCommand;
use crate::key_file::{KeyFileError, NamedKey, Purpose};
use crate::output;
use crate::{EXIT_GOOD, EXIT_UNREADABLE};
use medanchor_ledger::note::{NoteKey, NoteSignature, VerifierKey, sign_note};
use std::io::Write;
use std::path::Path;

/// An observer's name and key.
pub(crate) struct ObserverKey {
    named: NamedKey,
    verifier: VerifierKey,
}

impl ObserverKey {
    pub(crate) fn new(named: NamedKey) -> Self {
        let key = NoteKey::Ed25519(named.key.public_key());
        let verifier = VerifierKey::new(named.name.clone(), key);
        Self { named, verifier }
    }

    /// Reads a key file that nobody else can read.
    pub(super) fn read(path: &Path) -> Result<Self, KeyFileError> {
        NamedKey::read(Purpose::Observer, path).map(Self::new)
    }

    /// By which the signatures are judged.
    pub(crate) const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a text as a note.
    pub(crate) fn sign(&self, text: &str) -> NoteSignature {
        sign_note(&self.named.name, &self.named.key, text)
    }
}

/// Makes or shows a key, prints its verifier key, and gives the exit code.
pub(super) fn key(command: &KeyCommand) -> u8 {
    let key = match command {
        KeyCommand::New { name, out } => NamedKey::create(Purpose::Observer, name, out),
        KeyCommand::Show { key } => NamedKey::read(Purpose::Observer, key),
    };
    match key.map(ObserverKey::new) {
        Ok(key) => output::print(EXIT_GOOD, |out| writeln!(out, "{}", key.verifier())),
        Err(error) => {
            output::complain(&error);
            EXIT_UNREADABLE
        }
    }
}
