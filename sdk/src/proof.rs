//! Proofs about the state: check offline what the ledger holds, that a history is whole, and what was
//! decided on a request for access.
//!
//! What always holds: a [`Proved`] exists only after its document was verified against a policy and is
//! about what was asked for. No network is asked. It speaks of one height, and says which: what came
//! after it is not in it.
//!
//! ```no_run
//! use medanchor_sdk::{Policy, PolicyRange, Size, verify_history};
//! let policy = PolicyRange::from(Policy::parse(&std::fs::read("policy")?)?, Size(0));
//! let (owner, tag) = ("north-hospital".parse()?, "00112233445566778899aabbccddeeff".parse()?);
//! let history = verify_history(&policy, &owner, &tag, &std::fs::read("tag.history")?)?;
//! println!("exactly {} events up to height {}", history.links().len(), history.proved().height);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::receipt::ProofError;
use medanchor_ledger::document::{
    AccessReceipt, HistoryPage, HistoryVerifier, StateDocument, VerifiedAccess, VerifiedHistory,
    VerifiedState,
};
use medanchor_ledger::policy::{CheckpointPolicy, VerifiedCheckpoint};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{EventId, ParticipantName, Tag};
use std::path::Path;

/// The most events of a history that are taken into memory; a longer one is checked page by page with
/// [`HistoryVerifier`].
pub const MAX_LINKS: usize = 1 << 20;

/// A document that was verified, and what it proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved<T> {
    document: Vec<u8>,
    proved: T,
}

impl<T> Proved<T> {
    /// What the document proved.
    #[must_use]
    pub const fn proved(&self) -> &T {
        &self.proved
    }

    /// The document's bytes, for whoever wants to check it again.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.document
    }

    /// Writes the document.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, file: &Path) -> std::io::Result<()> {
        crate::receipt::write_whole(file, &self.document)
    }
}

/// The whole history of a tag: every event that bears it up to a height, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pages: Proved<VerifiedHistory>,
    links: Vec<TagLink>,
}

impl History {
    /// The events.
    #[must_use]
    pub fn links(&self) -> &[TagLink] {
        &self.links
    }

    /// Up to which height they are all, and by which checkpoint.
    #[must_use]
    pub const fn proved(&self) -> &VerifiedHistory {
        &self.pages.proved
    }

    /// The pages' bytes, one after the other.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.pages.document
    }

    /// Writes the pages into one file.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, file: &Path) -> std::io::Result<()> {
        self.pages.save(file)
    }
}

/// Checks a state document of `key`: a value, or its absence, at the height it names.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_state(
    policy: &dyn CheckpointPolicy,
    key: &StateKey,
    document: &[u8],
) -> Result<Proved<VerifiedState>, ProofError> {
    let read = StateDocument::decode(document)?;
    if read.key != *key {
        return Err(ProofError::Other("state key"));
    }
    let proved = read.verify(policy)?;
    require_quorum(&proved.checkpoint)?;
    let document = document.to_vec();
    Ok(Proved { document, proved })
}

/// Checks the history of a tag: all of its pages, one after the other.
///
/// # Errors
/// [`ProofError`] says what does not hold; [`ProofError::Unfinished`] when the last page is missing.
pub fn verify_history(
    policy: &dyn CheckpointPolicy,
    owner: &ParticipantName,
    tag: &Tag,
    pages: &[u8],
) -> Result<History, ProofError> {
    let mut reading = HistoryReader::new(owner, tag);
    let mut rest = pages;
    let mut whole = None;
    while !rest.is_empty() {
        let (page, length) = HistoryPage::decode_first(rest)?;
        whole = reading.add(page, policy)?;
        rest = rest.get(length..).unwrap_or_default();
    }
    let proved = whole.ok_or(ProofError::Unfinished)?;
    Ok(reading.finish(proved, pages.to_vec()))
}

/// Checks an access receipt of an event: what was decided on it, and why.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_access(
    policy: &dyn CheckpointPolicy,
    event: &EventId,
    document: &[u8],
) -> Result<Proved<VerifiedAccess>, ProofError> {
    let read = AccessReceipt::decode(document)?;
    if read.event.id() != *event {
        return Err(ProofError::Other("event"));
    }
    let proved = read.verify(policy)?;
    require_quorum(&proved.checkpoint)?;
    let document = document.to_vec();
    Ok(Proved { document, proved })
}

/// A policy may ask for no quorum at all; such a proof would be worth nothing.
fn require_quorum(checkpoint: &VerifiedCheckpoint) -> Result<(), ProofError> {
    match checkpoint.cosigners().len() {
        0 => Err(ProofError::NoQuorum(0)),
        _ => Ok(()),
    }
}

/// A history that is being read.
pub(crate) struct HistoryReader {
    verifier: HistoryVerifier,
    links: Vec<TagLink>,
}

impl HistoryReader {
    pub(crate) fn new(owner: &ParticipantName, tag: &Tag) -> Self {
        Self {
            verifier: HistoryVerifier::new(owner.clone(), *tag),
            links: Vec::new(),
        }
    }

    /// Takes the next page; gives the verdict once it was the last one.
    pub(crate) fn add(
        &mut self,
        page: HistoryPage,
        policy: &dyn CheckpointPolicy,
    ) -> Result<Option<VerifiedHistory>, ProofError> {
        if self.links.len() + page.links.len() > MAX_LINKS {
            return Err(ProofError::TooLong);
        }
        let proved = self.verifier.add(&page, policy)?;
        if let Some(proved) = &proved {
            require_quorum(&proved.checkpoint)?;
        }
        self.links.extend(page.links);
        Ok(proved)
    }

    /// How many events were read: the client asks for the next page from there.
    #[cfg(feature = "client")]
    pub(crate) const fn len(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn finish(self, proved: VerifiedHistory, document: Vec<u8>) -> History {
        History {
            pages: Proved { document, proved },
            links: self.links,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::policy::{Policy, PolicyRange};
    use medanchor_ledger::{Height, Size};
    use std::path::PathBuf;

    fn vector(name: &str) -> Vec<u8> {
        let vectors = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors");
        let digits = std::fs::read_to_string(vectors.join(name)).unwrap();
        hex::decode(digits.split_whitespace().collect::<String>()).unwrap()
    }

    fn policy(folder: &str) -> PolicyRange {
        let policy = Policy::parse(&vector(&format!("{folder}/policy.hex"))).unwrap();
        PolicyRange::from(policy, Size(0))
    }

    fn owner() -> ParticipantName {
        "north-hospital".parse().unwrap()
    }

    #[test]
    fn a_state_document_is_about_the_key_that_was_asked_for() {
        let document = vector("state-proof/good-value.hex");
        let key = StateDocument::decode(&document).unwrap().key;
        let policy = policy("state-proof");
        let proved = verify_state(&policy, &key, &document).unwrap();
        assert_eq!(proved.proved().height, Height(1));
        assert_eq!(proved.document(), document);
        let other = StateKey::single(9);
        let error = verify_state(&policy, &other, &document).unwrap_err();
        assert_eq!(error, ProofError::Other("state key"));
    }

    #[test]
    fn a_history_is_whole_or_refused() {
        let pages = [1, 2].map(|n| vector(&format!("history/good-page-{n}-of-2.hex")));
        let tag = Tag::new([1; 16]);
        let policy = policy("history");
        let check = |bytes: &[u8]| verify_history(&policy, &owner(), &tag, bytes);
        let history = check(&pages.concat()).unwrap();
        assert_eq!((history.links().len(), history.proved().count), (6, 6));
        assert_eq!(check(&pages[0]), Err(ProofError::Unfinished));
        assert_eq!(check(b""), Err(ProofError::Unfinished));
        assert!(matches!(check(&pages[1]), Err(ProofError::NotProved(_))));
        let folder = tempfile::tempdir().unwrap();
        history.save(&folder.path().join("tag.history")).unwrap();
        let saved = std::fs::read(folder.path().join("tag.history")).unwrap();
        assert_eq!(check(&saved).unwrap(), history);
    }

    #[test]
    fn an_access_receipt_is_about_the_event_that_was_asked_for() {
        let document = vector("access-receipt/good-permitted.hex");
        let id = AccessReceipt::decode(&document).unwrap().event.id();
        let policy = policy("access-receipt");
        let proved = verify_access(&policy, &id, &document).unwrap();
        assert_eq!(proved.proved().decision(), crate::Decision::Permitted);
        let other = EventId::new([0; 32]);
        let error = verify_access(&policy, &other, &document).unwrap_err();
        assert_eq!(error, ProofError::Other("event"));
    }

    #[test]
    fn a_policy_without_a_quorum_proves_nothing() {
        let document = vector("state-proof/good-value.hex");
        let key = StateDocument::decode(&document).unwrap().key;
        let whole = policy("state-proof");
        let log = whole.policy().logs().first().unwrap();
        let none = Policy::parse(format!("log {log}\nquorum none\n").as_bytes()).unwrap();
        let none = PolicyRange::from(none, Size(0));
        let error = verify_state(&none, &key, &document).unwrap_err();
        assert!(matches!(error, ProofError::NoQuorum(0)), "{error}");
    }
}
