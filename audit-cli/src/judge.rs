//! Judges blocks one after another: certificate, rules, state, seal.
//!
//! What always holds: a block is applied only if a quorum of its height's validators decided this
//! very block and its execution gives this very seal.

use crate::accesses::Accesses;
use crate::fault::{Failure, Fault, Trouble};
use crate::prepare::Prepared;
use crate::records::{Beyond, Certificates};
use crate::replay::Replayed;
use crate::state::{AuditState, Room};
use medanchor_ledger::block::Block;
use medanchor_ledger::event::{Event, EventKind, Verified};
use medanchor_ledger::execute::{
    BlockFault, CheckedBlock, Executed, SignerKeys, execute_block, execute_genesis,
};
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{Height, Index, Round, ValueId};
use medanchor_store::ScratchView;
use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// What was found to hold so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) blocks: u64,
    pub(crate) events: u64,
    pub(crate) by_kind: BTreeMap<&'static str, u64>,
    pub(crate) event_signatures: u64,
    pub(crate) accesses: Accesses,
    pub(crate) certificates: u64,
    pub(crate) certificate_signatures: u64,
    pub(crate) certificates_beyond: Beyond,
}

impl Counts {
    /// Counts a block that holds, whose certificate has `signatures`.
    pub(crate) fn block<E: Borrow<Event>>(&mut self, events: &[E], signatures: u64) {
        for event in events.iter().map(Borrow::borrow) {
            *self.by_kind.entry(event.kind().name()).or_default() += 1;
            let carries = [EventKind::PrescriptionRedeem, EventKind::ConsentEnd];
            self.event_signatures += 1 + u64::from(carries.contains(&event.kind()));
        }
        self.blocks += 1;
        self.events += events.len() as u64;
        self.certificates += 1;
        self.certificate_signatures += signatures;
    }
}

/// Judges the blocks of a log in order.
pub(crate) struct Judge<'g> {
    genesis: &'g Genesis,
    room: Room,
    certificates: Certificates,
    state: Option<AuditState>,
    pub(crate) counts: Counts,
}

impl<'g> Judge<'g> {
    pub(crate) fn new(genesis: &'g Genesis, room: Room, certificates: Certificates) -> Self {
        Self {
            genesis,
            room,
            certificates,
            state: None,
            counts: Counts::default(),
        }
    }

    /// The state after the last block that was judged.
    pub(crate) const fn state(&self) -> Option<&AuditState> {
        self.state.as_ref()
    }

    /// What was found, the state, and what is left of the certificates after the last height.
    pub(crate) fn finish(self) -> Replayed {
        Replayed {
            counts: self.counts,
            state: self.state,
            certificates: self.certificates,
        }
    }

    /// Judges the next block and applies it.
    pub(crate) fn judge(&mut self, block: Prepared) -> Result<Executed, Failure> {
        let Some(state) = &mut self.state else {
            let executed = first(self.genesis, &block)?;
            self.state = Some(AuditState::new(&self.room, &executed)?);
            self.counts.blocks += 1;
            return Ok(executed);
        };
        let height = block.height;
        let executed = execute(state.view(), block)?;
        let (round, value) = (executed.seal.round, executed.value_id);
        let certificates = &mut self.certificates;
        let signatures = decided(self.genesis, certificates, height, round, value)?;
        state.apply(&executed)?;
        self.counts.accesses.count(&executed);
        let events: Vec<&Event> = executed.events.iter().map(|event| &**event).collect();
        self.counts.block(&events, signatures);
        Ok(executed)
    }
}

/// Height 0 has no certificate: its seal is what genesis lays down.
fn first(genesis: &Genesis, block: &Prepared) -> Result<Executed, Failure> {
    let executed = execute_genesis(genesis).map_err(Trouble::from)?;
    if *block.seal_entry.as_bytes() != *executed.seal_entry || !block.events.is_empty() {
        return Err(Fault::FirstSeal.into());
    }
    Ok(executed)
}

fn execute(state: &ScratchView, block: Prepared) -> Result<Executed, Failure> {
    let Prepared {
        height,
        first,
        seal,
        events,
        known,
        ..
    } = block;
    let seal_index = Index(first.0 + events.len() as u64);
    let at = |cause: BlockFault| {
        let index = match &cause {
            BlockFault::UnknownKey { place }
            | BlockFault::Signature { place, .. }
            | BlockFault::Event { place, .. } => Index(first.0.saturating_add(*place as u64)),
            _ => seal_index,
        };
        Failure::from(Fault::Block {
            height,
            index,
            cause,
        })
    };
    let known = Known::new(state, known);
    let block = Block { seal, events };
    let checked = CheckedBlock::check(block, state, |event| known.take(event));
    let checked = checked.map_err(Trouble::from)?.map_err(at)?;
    execute_block(state, &checked)
        .map_err(Trouble::from)?
        .map_err(at)
}

/// Signatures that were checked beforehand, under keys that are held against the state now.
struct Known<'v> {
    keys: RefCell<SignerKeys<'v>>,
    left: RefCell<std::vec::IntoIter<Option<(PublicKey, Verified)>>>,
}

impl<'v> Known<'v> {
    fn new(state: &'v ScratchView, known: Vec<Option<(PublicKey, Verified)>>) -> Self {
        let keys = RefCell::new(SignerKeys::new(state));
        Self {
            keys,
            left: RefCell::new(known.into_iter()),
        }
    }

    /// What is known of the next event: it is asked for each in order.
    fn take(&self, event: &Event) -> Option<Verified> {
        let (key, verified) = self.left.borrow_mut().next()??;
        let registered = self
            .keys
            .borrow_mut()
            .get(event.issuer(), &event.key_id())
            .ok()?;
        (registered == Some(key)).then_some(verified)
    }
}

/// Checks that the height's certificate decides this block; how many signatures it has.
pub(crate) fn decided(
    genesis: &Genesis,
    certificates: &mut Certificates,
    height: Height,
    sealed: Round,
    value: ValueId,
) -> Result<u64, Failure> {
    let certificate = certificates
        .of(height)?
        .ok_or_else(|| certificates.missing(height))?;
    if certificate.height() != height || certificate.value() != value {
        return Err(Fault::OtherValue { height }.into());
    }
    let decided = certificate.round();
    if sealed > decided {
        return Err(Fault::Rounds {
            height,
            sealed,
            decided,
        }
        .into());
    }
    let verdict = certificate.verify(genesis.validators(), genesis.network_id());
    verdict.map_err(|cause| Fault::Certificate { height, cause })?;
    Ok(certificate.signatures().len() as u64)
}
