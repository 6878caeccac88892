//! A release that stands in a custodian's own anchored log and that the ledger never permitted, or not
//! before that log was anchored.
//!
//! What always holds: nothing here rests on a clock. The custodian signed the `custody.log` that names size
//! and root of its log; a receipt proves where on the ledger it stands; inclusion hashes lead from the entry
//! to that root (RFC 9162 2.1.3). A custodian that releases only what it saw permitted, however late it
//! asked, whatever its clock said and however far behind its node was, logs no request that was denied or
//! was for another record, and anchors no log with a request that comes after it: the request's decision
//! was behind it when it logged, and its root was signed later still. So the order of the ledger itself
//! speaks against whoever did.
//!
//! Five items of a CBOR array that begins with 9:
//!
//! | item | |
//! |---|---|
//! | anchoring | the `custody.log`, as it stands on the ledger (byte string) |
//! | receipt | of that entry, without an extra line (byte string) |
//! | place | of the release in the custodian's log |
//! | release | the entry of that log (byte string, see `log.rs`) |
//! | path | its inclusion hashes, from the leaf upwards, at most 64 of 32 bytes |

use super::convict::{Breach, Known, Unconvincing};
use super::log::Released;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::{CustodyLog, Event, EventBody, MAX_EVENT_BYTES};
use medanchor_ledger::merkle::{leaf_hash, verify_inclusion};
use medanchor_ledger::policy::CheckpointPolicy;
use medanchor_ledger::receipt::{Receipt, Unproved, VerifiedReceipt};
use medanchor_ledger::{EventId, Index, KeyId, ParticipantName, TreeHash};

/// The most bytes of an entry of a log of releases.
const MAX_ENTRY: usize = 192;

/// A release in a log that its custodian anchored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRelease {
    anchoring: Event,
    log: CustodyLog,
    receipt: Receipt,
    place: Index,
    released: Released,
    path: Vec<TreeHash>,
}

impl LoggedRelease {
    /// The most bytes of evidence of this kind.
    pub const MAX_BYTES: usize =
        MAX_EVENT_BYTES + Receipt::MAX_BYTES + MAX_ENTRY + 34 * Receipt::MAX_HASHES + 64;

    /// How evidence of this kind begins.
    pub(super) const START: [u8; 2] = [0x86, 9];

    /// The release at `place` of the log whose root this event anchored, with its inclusion hashes there;
    /// none if the event is no `custody.log`. The receipt is that of the event; its extra line is dropped.
    #[must_use]
    pub fn new(
        anchoring: Event,
        receipt: Receipt,
        (place, released): (Index, Released),
        path: Vec<TreeHash>,
    ) -> Option<Self> {
        Some(Self {
            log: anchored_by(&anchoring)?,
            anchoring,
            receipt: Receipt {
                extra: None,
                ..receipt
            },
            place,
            released,
            path,
        })
    }

    /// Who keeps the log.
    #[must_use]
    pub fn custodian(&self) -> &ParticipantName {
        self.anchoring.issuer()
    }

    /// The id of the event that anchored its root.
    #[must_use]
    pub fn anchoring(&self) -> EventId {
        self.anchoring.id()
    }

    /// The key that signed its root.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.anchoring.key_id()
    }

    /// Where the release stands in that log.
    #[must_use]
    pub const fn place(&self) -> Index {
        self.place
    }

    /// What was released, by the custodian's own words.
    #[must_use]
    pub const fn released(&self) -> &Released {
        &self.released
    }

    /// Where the ledger has the log's root, as the receipt says; [`Self::prove`] says whether that holds.
    #[must_use]
    pub const fn anchored(&self) -> Index {
        self.receipt.index
    }

    /// Checks that the root stands on the ledger where the receipt says.
    ///
    /// # Errors
    /// [`Unproved`].
    pub fn prove(&self, policy: &dyn CheckpointPolicy) -> Result<VerifiedReceipt, Unproved> {
        self.receipt.verify(self.anchoring.encoded(), policy)
    }

    /// What the release convicts of, by what the ledger says.
    pub(super) fn judge(&self, known: &impl Known) -> Result<Breach, Unconvincing> {
        let anchored = known.place_of(&self.anchoring.id());
        let anchored = anchored.ok_or(Unconvincing::Unknown)?;
        let (leaf, log) = (leaf_hash(&self.released.encode()), &self.log);
        verify_inclusion(self.place, log.size, &leaf, &self.path, &log.root)
            .map_err(|_| Unconvincing::NotLogged)?;
        let decided = known.decided(&self.released.request);
        let decided = decided.ok_or(Unconvincing::Unknown)?;
        let record = &self.released.record;
        if !decided.permitted {
            return Ok(Breach::ReleasedDenied);
        }
        if decided.owner != record.owner || decided.record != record.record.record {
            return Ok(Breach::ReleasedOther);
        }
        match anchored < decided.place {
            true => Ok(Breach::ReleasedEarly),
            false => Err(Unconvincing::Accounted),
        }
    }

    /// Writes the items.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer
            .bytes(self.anchoring.encoded())
            .bytes(self.receipt.to_string().as_bytes())
            .uint(self.place.0)
            .bytes(&self.released.encode())
            .array(self.path.len());
        for hash in &self.path {
            writer.bytes(hash.as_bytes());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, CborError> {
        let value = reader.fault(CborFault::Value);
        let anchoring = reader.bytes(MAX_EVENT_BYTES)?;
        let anchoring = Event::decode(anchoring).map_err(|_| value)?;
        let log = anchored_by(&anchoring).ok_or(value)?;
        let value = reader.fault(CborFault::Value);
        let receipt = reader.bytes(Receipt::MAX_BYTES)?;
        let receipt = Receipt::parse(receipt).map_err(|_| value)?;
        if receipt.extra.is_some() {
            return Err(value);
        }
        let place = Index(reader.uint()?);
        let released = Released::decode(reader.bytes(MAX_ENTRY)?)?;
        let hashes = reader.array(0..=Receipt::MAX_HASHES)?;
        let path = (0..hashes).map(|_| Ok(TreeHash::new(reader.fixed()?)));
        Ok(Self {
            path: path.collect::<Result<_, CborError>>()?,
            anchoring,
            log,
            receipt,
            place,
            released,
        })
    }
}

fn anchored_by(event: &Event) -> Option<CustodyLog> {
    match event.body() {
        EventBody::CustodyLog(log) => Some(*log),
        _ => None,
    }
}
