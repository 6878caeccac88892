//! Receipts: check offline that an event is anchored, and say exactly what was checked.
//!
//! What always holds: an [`Anchored`] exists only after its receipt was verified against a policy: the
//! entry's hash, the way to the root, one log key at least, and the policy's quorum of cosigners. No
//! network is asked. A tool that reads plain signed notes checks one log key and no quorum; this says
//! which log keys and which cosigners counted.
//!
//! ```no_run
//! use medanchor_sdk::{Policy, verify_receipt};
//! let policy = Policy::parse(&std::fs::read("policy")?)?;
//! let event = std::fs::read("receipts/0a1b.event")?;
//! let receipt = std::fs::read("receipts/0a1b.tlog-proof")?;
//! println!("{}", verify_receipt(&policy, &event, &receipt)?.counted());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use medanchor_ledger::document::{DocumentError, NotProved};
use medanchor_ledger::event::{DecodeError, Event};
use medanchor_ledger::policy::{CheckpointPolicy, Policy, PolicyRange};
use medanchor_ledger::receipt::{Receipt, ReceiptError, Unproved, VerifiedReceipt};
use medanchor_ledger::{EventId, Index, Size};
use std::fmt;
use std::io::Write as _;
use std::path::Path;

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The event's bytes are not an event.
    #[error("the bytes are not an event: {0}")]
    Event(#[from] DecodeError),
    /// The receipt's bytes are not a receipt.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The receipt does not prove that the event is in the log.
    #[error(transparent)]
    Unproved(#[from] Unproved),
    /// The document's bytes are none of its kind.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The document proves nothing.
    #[error(transparent)]
    NotProved(#[from] NotProved),
    /// The document is about something else.
    #[error("the proof is about another {0} than the one that was asked for; ask again")]
    Other(&'static str),
    /// The last page of a history is missing.
    #[error("the last page of the history is missing, so it proves nothing; fetch it whole")]
    Unfinished,
    /// More events than are taken into memory.
    #[error("the history has more than a million events; check it page by page")]
    TooLong,
    /// A policy that asks for no quorum.
    #[error(
        "{0} of the policy's witnesses cosigned, and the policy asks for none; use the network's own policy"
    )]
    NoQuorum(usize),
}

/// An event that is in the ledger, as its receipt has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchored {
    event: Event,
    receipt: Vec<u8>,
    verified: VerifiedReceipt,
    /// Whether it stood there before it was posted this time.
    pub(crate) earlier: bool,
}

/// Checks a receipt of an event against a policy, without any network. The policy is taken to stand
/// for every size of the log; give [`verify_receipt_in`] a range once a network has had several.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_receipt(
    policy: &Policy,
    event: &[u8],
    receipt: &[u8],
) -> Result<Anchored, ProofError> {
    verify_receipt_in(&PolicyRange::from(policy.clone(), Size(0)), event, receipt)
}

/// Checks a receipt of an event against a policy and the sizes that it stands for, or the policies
/// of a network.
///
/// # Errors
/// [`ProofError`] says what does not hold.
pub fn verify_receipt_in(
    policy: &dyn CheckpointPolicy,
    event: &[u8],
    receipt: &[u8],
) -> Result<Anchored, ProofError> {
    let event = Event::decode(event)?;
    let verified = Receipt::parse(receipt)?.verify(event.encoded(), policy)?;
    match verified.checkpoint().cosigners().len() {
        0 => Err(ProofError::NoQuorum(0)),
        _ => Ok(Anchored {
            event,
            receipt: receipt.to_vec(),
            verified,
            earlier: false,
        }),
    }
}

impl Anchored {
    /// The event's id.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.event.id()
    }

    /// The event.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// The receipt's bytes, a C2SP tlog-proof.
    #[must_use]
    pub fn receipt(&self) -> &[u8] {
        &self.receipt
    }

    /// Where the event stands in the log.
    #[must_use]
    pub const fn index(&self) -> Index {
        self.verified.index()
    }

    /// What the receipt proved: checkpoint, log keys and cosigners.
    #[must_use]
    pub const fn verified(&self) -> &VerifiedReceipt {
        &self.verified
    }

    /// Whether the ledger held this before it was posted this time: the answer to an earlier post
    /// was lost, and nothing happened twice.
    #[must_use]
    pub const fn stood_already(&self) -> bool {
        self.earlier
    }

    /// What was checked, in words: the log, the log keys that signed and the cosigners that counted.
    #[must_use]
    pub fn counted(&self) -> Counted<'_> {
        Counted(&self.verified)
    }

    /// Writes `<event id>.tlog-proof` and `<event id>.event` into a folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let id = self.id();
        write_whole(&folder.join(format!("{id}.event")), self.event.encoded())?;
        write_whole(&folder.join(format!("{id}.tlog-proof")), &self.receipt)
    }
}

/// Writes aside and renames, so that a file under its final name is whole.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("part");
    let mut file = std::fs::File::create(&aside)?;
    file.write_all(bytes)?;
    std::fs::rename(&aside, path)
}

/// What a receipt's verification counted. Log keys go by their key ids, as a signed note has them;
/// cosigners by their names within the network.
pub struct Counted<'a>(&'a VerifiedReceipt);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checkpoint = self.0.checkpoint();
        let head = checkpoint.checkpoint();
        let within = |name: &str| {
            let inner = name.strip_prefix(head.origin.as_str());
            inner
                .and_then(|inner| inner.strip_prefix('/'))
                .unwrap_or(name)
                .to_owned()
        };
        let logs = checkpoint.logs().iter().map(|key| key.id().to_string());
        let cosigners = checkpoint.cosigners().iter();
        let cosigners = cosigners.map(|cosigner| within(cosigner.key.name().as_str()));
        let (logs, cosigners): (Vec<_>, Vec<_>) = (logs.collect(), cosigners.collect());
        write!(
            f,
            "entry {} of {} in {}, signed by {} log key(s) of the policy ({}), cosigned by {} of its witnesses ({})",
            self.0.index(),
            head.size,
            head.origin,
            logs.len(),
            logs.join(", "),
            cosigners.len(),
            cosigners.join(", "),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::network_with;
    use medanchor_ledger::event::ConsentRevoke;
    use medanchor_ledger::policy::Distrust;
    use medanchor_ledger::rules::Role;

    #[test]
    fn a_receipt_proves_its_event_and_says_which_keys_counted() {
        let root = tempfile::tempdir().unwrap();
        let mut network = network_with(root.path(), &[("hospital", Role::Hospital)]);
        let identity = crate::Identity::open(&root.path().join("hospital")).unwrap();
        let consent = identity.consent_handle("c");
        let event = identity.sign(ConsentRevoke { consent }).unwrap();
        let receipt = network.append(event.encoded());
        let anchored = verify_receipt(identity.policy(), event.encoded(), &receipt).unwrap();
        assert_eq!(anchored.id(), event.id());
        let said = anchored.counted().to_string();
        assert!(said.starts_with("entry 1 of 2 in test/"), "{said}");
        assert!(said.contains("signed by 1 log key(s)"), "{said}");
        assert!(
            said.contains("cosigned by 3") && said.contains("validator-1, validator-2)"),
            "{said}"
        );
    }

    #[test]
    fn another_event_a_missing_cosignature_and_another_network_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let mut network = network_with(root.path(), &[("hospital", Role::Hospital)]);
        let identity = crate::Identity::open(&root.path().join("hospital")).unwrap();
        let (one, other) = (identity.revoke("c").unwrap(), identity.revoke("d").unwrap());
        let receipt = network.append(one.encoded());
        let policy = identity.policy();
        let error = verify_receipt(policy, other.encoded(), &receipt).unwrap_err();
        assert!(
            matches!(error, ProofError::Unproved(Unproved::Inclusion(_))),
            "{error}"
        );
        let error = verify_receipt(policy, one.encoded(), &network.receipt(1, 2)).unwrap_err();
        let few = Unproved::Checkpoint(Distrust::NoQuorum { cosigners: 2 });
        assert_eq!(error, ProofError::Unproved(few));
        let log = policy.logs().first().unwrap();
        let none = Policy::parse(format!("log {log}\nquorum none\n").as_bytes()).unwrap();
        let error = verify_receipt(&none, one.encoded(), &network.receipt(1, 0)).unwrap_err();
        assert!(matches!(error, ProofError::NoQuorum(0)), "{error}");
    }
}
