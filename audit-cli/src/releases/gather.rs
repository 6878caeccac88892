//! What the blocks of a log say of releases.
//!
//! What always holds: only blocks that were found to hold are gathered from; of the requests, only those
//! that a log of releases names are kept, and what ended these, so that memory grows with these logs and
//! not with the ledger.

use super::source::Exported;
use crate::outcome::{Judged, judged};
use medanchor_ledger::event::{AccessRequest, EventBody};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::rules::{Consent, Record, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{
    ConsentHandle, EventId, Index, ParticipantName, ReadFailed, RecordHandle, Size, Time, TreeHash,
};
use medanchor_vault::custody::{Access, End, Ends};
use std::collections::BTreeMap;

/// The permitted requests that something of its owner's would end.
type Resting<H> = BTreeMap<(ParticipantName, H), Vec<EventId>>;

/// All of it.
pub(super) struct Gathered {
    /// What the ledger says of each request that a log names; none if it has no such request.
    accesses: BTreeMap<EventId, Option<Access>>,
    /// Those of them that are about a record.
    of_record: Resting<RecordHandle>,
    /// Those of them that rest on a consent, or on one that continues it.
    of_consent: Resting<ConsentHandle>,
    /// What each custodian anchored, in the order of the log.
    roots: BTreeMap<ParticipantName, Vec<(Index, Size, TreeHash)>>,
}

/// Where the blocks are read.
struct Turn<'b, V> {
    time: Time,
    /// After the block.
    state: &'b V,
}

impl<V: View> Turn<'_, V> {
    fn value<S: StateValue>(&self, key: &StateKey) -> Result<Option<S>, ReadFailed> {
        let value = self.state.value(key)?.map(|bytes| S::decode(&bytes));
        value
            .transpose()
            .map_err(|fault| ReadFailed(Box::new(fault)))
    }
}

impl Gathered {
    /// To be gathered for these logs.
    pub(super) fn of(exported: &[Exported]) -> Self {
        let entries = exported.iter().flat_map(|one| &one.entries);
        let custodians = exported.iter().map(|one| one.custodian.clone());
        Self {
            accesses: entries.map(|entry| (entry.request, None)).collect(),
            of_record: BTreeMap::new(),
            of_consent: BTreeMap::new(),
            roots: custodians
                .map(|custodian| (custodian, Vec::new()))
                .collect(),
        }
    }

    /// Takes what a block says; `state` is that after it.
    pub(super) fn visit(&mut self, block: &Executed, state: &impl View) -> Result<(), ReadFailed> {
        let time = block.seal.time;
        let turn = Turn { time, state };
        for one in judged(block) {
            let end = End {
                index: one.index,
                time,
            };
            let issuer = one.event.issuer();
            match one.event.body() {
                EventBody::CustodyLog(body) => {
                    if let Some(roots) = self.roots.get_mut(issuer) {
                        roots.push((one.index, body.size, body.root));
                    }
                }
                EventBody::AccessRequest(body) => self.requested(&turn, &one, body)?,
                EventBody::AccessBreakGlass(body) => {
                    let of = (body.owner.clone(), body.record);
                    self.decided(&turn, &one, of, Ends::default())?;
                }
                EventBody::ConsentRevoke(body) => self.revoked(issuer, body.consent, end),
                EventBody::ConsentEnd(body) => self.revoked(&body.owner, body.consent, end),
                EventBody::RecordErase(body) => {
                    let ended = self.of_record.get(&(issuer.clone(), body.record));
                    end_all(&mut self.accesses, ended, |ends| &mut ends.erased, end);
                }
                EventBody::RecordSupersede(body) => {
                    let ended = self.of_record.get(&(issuer.clone(), body.record));
                    end_all(&mut self.accesses, ended, |ends| &mut ends.superseded, end);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A consent ended, by its owner's revocation or by its patient.
    fn revoked(&mut self, owner: &ParticipantName, consent: ConsentHandle, end: End) {
        let ended = self.of_consent.get(&(owner.clone(), consent));
        end_all(&mut self.accesses, ended, |ends| &mut ends.revoked, end);
    }

    fn requested(
        &mut self,
        turn: &Turn<'_, impl View>,
        one: &Judged<'_>,
        body: &AccessRequest,
    ) -> Result<(), ReadFailed> {
        let id = one.event.id();
        if !self.accesses.contains_key(&id) {
            return Ok(());
        }
        let consent: Option<Consent> = turn.value(&Consent::key(&body.owner, &body.consent))?;
        // A consent that was granted behind the request in this block is none that it rests on.
        let consent = consent.filter(|consent| consent.granted.index < one.index);
        let root = consent.as_ref().and_then(|consent| consent.root);
        for handle in [Some(body.consent), root].into_iter().flatten() {
            let of = (body.owner.clone(), handle);
            self.of_consent.entry(of).or_default().push(id);
        }
        let ends = Ends {
            expired: consent.map(|consent| End {
                index: consent.granted.index,
                time: consent.not_after,
            }),
            ..Ends::default()
        };
        self.decided(turn, one, (body.owner.clone(), body.record), ends)
    }

    fn decided(
        &mut self,
        turn: &Turn<'_, impl View>,
        one: &Judged<'_>,
        of: (ParticipantName, RecordHandle),
        ends: Ends,
    ) -> Result<(), ReadFailed> {
        let id = one.event.id();
        let Some(access) = self.accesses.get_mut(&id) else {
            return Ok(());
        };
        let record: Option<Record> = turn.value(&Record::key(&of.0, &of.1))?;
        *access = Some(Access {
            index: one.index,
            owner: of.0.clone(),
            record: of.1,
            version: record.map_or(0, |record| version_at(&record, one.index)),
            permitted: one.outcome.lets_read(),
            time: turn.time,
            ends,
        });
        self.of_record.entry(of).or_default().push(id);
        Ok(())
    }

    /// What the ledger says of a request.
    pub(super) fn access(&self, request: &EventId) -> Option<Access> {
        self.accesses.get(request).cloned().flatten()
    }

    /// What a custodian anchored.
    pub(super) fn roots_of(&self, custodian: &ParticipantName) -> &[(Index, Size, TreeHash)] {
        self.roots.get(custodian).map_or(&[], Vec::as_slice)
    }
}

/// The newest version at a place of the block after which the record stands so; a block makes one
/// version at most.
fn version_at(record: &Record, index: Index) -> u32 {
    let later = u32::from(record.newest().index > index);
    record.version.saturating_sub(later)
}

/// Ends accesses, unless they had ended that way before.
fn end_all(
    accesses: &mut BTreeMap<EventId, Option<Access>>,
    ended: Option<&Vec<EventId>>,
    which: impl Fn(&mut Ends) -> &mut Option<End>,
    end: End,
) {
    for id in ended.into_iter().flatten() {
        if let Some(Some(access)) = accesses.get_mut(id) {
            which(&mut access.ends).get_or_insert(end);
        }
    }
}
