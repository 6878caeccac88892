//! Fetching what the list rests on, from nodes that are not trusted.

use super::fold::{About, Fetched, fold};
use super::{FRESH_MILLIS, Known, PatientHistory, QuarterProof};
use crate::anchor::Sdk;
use crate::client::{Client, ClientError};
use crate::proof::History;
use crate::subject::{Subject, SubjectKeys};
use medanchor_ledger::event::{ConsentGrant, Event, EventBody, EventKind};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{ConsentHandle, EventId, Index, NetworkId, ParticipantName, Time};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::collections::{BTreeMap, BTreeSet};

/// How often a list is made at most, by newer proofs each time, while fetching what they name makes it old.
const ROUNDS: usize = 3;

/// Of whom, where and when a list is asked for.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The network.
    pub network: NetworkId,
    /// The institution that keeps the records.
    pub owner: &'a ParticipantName,
    /// The subject's key there.
    pub subject: &'a SubjectKey,
    /// The key that approves the subject's consents there; none if the institution holds the subject's
    /// keys. A consent counts as the subject's own, and a delegation as approved, only with an approval by
    /// it among `known`.
    pub approver: Option<PublicKey>,
    /// The patient's opened card, where one is there: by it the list tells which consents it can end, also
    /// where no approval is shown.
    pub card: Option<&'a Subject>,
    /// The quarter in which the network began. Of each since then that is not among `epochs` the list
    /// has a gap.
    pub began: Epoch,
    /// The quarters: those in which the records were sealed, whenever they were opened.
    pub epochs: &'a [Epoch],
    /// The patient's FHIR address, such as `Patient/7`.
    pub patient: &'a str,
    /// The words behind handles, and disclosed notes.
    pub known: &'a Known,
}

/// The quarters that were asked for, as far as they were proved.
struct Quarters {
    proved: Vec<Fetched>,
    failed: Vec<(Epoch, String)>,
}

/// What was fetched for a list that is made more than once: nothing of it is asked for again.
#[derive(Default)]
struct Seen {
    /// None for an event that no node could show.
    events: BTreeMap<EventId, Option<Event>>,
    /// For openings by the emergency key, when the journal was stated before, if that was found.
    stated: BTreeMap<Index, Option<Time>>,
    /// Whether the last proofs were fresh before anything that they name was fetched.
    were_fresh: bool,
}

impl Quarters {
    /// The consents that were granted in them, each once.
    fn consents(&self) -> BTreeSet<ConsentHandle> {
        self.grants().map(|grant| grant.consent).collect()
    }

    /// The first consents of the chains that they continue, each once.
    fn roots(&self) -> BTreeSet<ConsentHandle> {
        self.grants().filter_map(|grant| grant.root).collect()
    }

    fn grants(&self) -> impl Iterator<Item = &ConsentGrant> {
        let events = self.proved.iter().flat_map(|one| &one.events);
        events.filter_map(|(_, event)| match event.as_ref()?.body() {
            EventBody::ConsentGrant(grant) => Some(grant),
            _ => None,
        })
    }

    /// The openings by the owner's emergency key.
    fn openings(&self) -> impl Iterator<Item = &TagLink> {
        let links = self.proved.iter().flat_map(|one| &one.events);
        links.filter_map(|(link, _)| (link.kind == EventKind::AccessEmergency).then_some(link))
    }

    /// The time of their oldest proof: the list's.
    fn until(&self) -> Time {
        let times = self.proved.iter().map(|one| one.proof.time);
        times.min().unwrap_or(Time(0))
    }
}

impl Client {
    /// The list of who opened a subject's records at one institution: every access of these quarters,
    /// up to the moment that the list names, with its gaps. A node whose proof is older than a minute is
    /// passed over; where every node's is, the list is old and says so. Where the proofs become older than
    /// that while the events are fetched, the quarters are proved anew and the new events fetched, twice at
    /// most; a list that is old after that says so, too.
    ///
    /// # Errors
    /// [`ClientError`] when no quarter could be proved. A quarter that could not, while another could,
    /// is a gap of the list.
    pub fn patient_history(&self, asked: &Asked<'_>) -> Result<PatientHistory, ClientError> {
        self.fresh(|seen| {
            let quarters = self.quarters(asked, seen)?;
            self.folded(asked, quarters, seen)
        })
    }

    /// Makes a list, and makes it again while fetching is what made it old. Its age is what it is then.
    fn fresh(
        &self,
        mut make: impl FnMut(&mut Seen) -> Result<PatientHistory, ClientError>,
    ) -> Result<PatientHistory, ClientError> {
        let mut seen = Seen::default();
        let mut history = self.aged(make(&mut seen)?);
        for _ in 1..ROUNDS {
            if !(history.is_stale() && seen.were_fresh) {
                break;
            }
            // Where nothing can be proved any more, an old list is better than none.
            let newer = make(&mut seen).unwrap_or(history);
            history = self.aged(newer);
        }
        Ok(history)
    }

    fn aged(&self, mut history: PatientHistory) -> PatientHistory {
        let list = &mut history.list;
        list.age = self.context().now().0.saturating_sub(list.until.0);
        history
    }

    fn quarters(&self, asked: &Asked<'_>, seen: &mut Seen) -> Result<Quarters, ClientError> {
        let (mut histories, mut failed, mut first) = (Vec::new(), Vec::new(), None);
        let mut epochs = asked.epochs.iter().copied();
        for epoch in epochs.by_ref() {
            match self.history_within(asked.owner, &asked.subject.tag(epoch), FRESH_MILLIS) {
                Ok(history) => histories.push((epoch, history)),
                Err(error) => {
                    let gone = matches!(error, ClientError::Unreachable(_));
                    failed.push((epoch, error.to_string()));
                    first.get_or_insert(error);
                    if gone {
                        break;
                    }
                }
            }
        }
        // Every node was tried for the one before; each of the rest would take as long again.
        let rest = epochs.map(|epoch| (epoch, "no node could be reached any more".to_owned()));
        failed.extend(rest);
        if histories.is_empty() {
            return Err(first.unwrap_or(ClientError::Nonsense("no quarter was asked for")));
        }
        // Thousands of events take minutes, in which the proofs become old.
        let mut times = histories.iter().map(|(_, history)| history.proved().time);
        seen.were_fresh = times.all(|time| self.is_within(FRESH_MILLIS, time));
        let histories = histories.iter();
        let proved = histories.map(|(epoch, history)| self.fetched(*epoch, history, seen));
        Ok(Quarters {
            proved: proved.collect(),
            failed,
        })
    }

    fn folded(
        &self,
        asked: &Asked<'_>,
        from: Quarters,
        seen: &mut Seen,
    ) -> Result<PatientHistory, ClientError> {
        let (until, openings) = (from.until(), from.openings());
        let about = About {
            network: asked.network,
            owner: asked.owner,
            patient: asked.patient,
            approver: asked.approver,
            card: asked.card,
            subject: asked.subject,
            known: asked.known,
            delegated: self.delegated(asked, &from, seen),
            began: asked.began,
            journal: self.emergency_journal(asked.owner, until, openings, &mut seen.stated),
            now: self.context().now(),
        };
        let folded = fold(&about, from.proved, from.failed);
        folded.ok_or(ClientError::Nonsense("no quarter was asked for"))
    }

    /// The quarters that were not asked for and in which delegations of listed consents were approved. A
    /// consent below one of which none is proved counts as the institution's.
    fn delegated(&self, asked: &Asked<'_>, from: &Quarters, seen: &mut Seen) -> Vec<Fetched> {
        let (now, until) = (self.context().now(), from.until());
        let last = Epoch::of(now);
        let of_roots = asked.known.quarters_of(from.roots().into_iter());
        let wanted: BTreeSet<Epoch> = of_roots
            .filter(|epoch| (asked.began..=last).contains(epoch) && !asked.epochs.contains(epoch))
            .collect();
        let proved = wanted.into_iter().filter_map(|epoch| {
            let tag = asked.subject.tag(epoch);
            let history = self.history_within(asked.owner, &tag, FRESH_MILLIS).ok()?;
            Some(self.fetched(epoch, &history, seen))
        });
        // One that every node shows as it was long ago would make the whole list as old.
        let serves = |one: &Fetched| {
            one.proof.time >= until || now.0.saturating_sub(one.proof.time.0) <= FRESH_MILLIS
        };
        proved.filter(serves).collect()
    }

    fn fetched(&self, epoch: Epoch, history: &History, seen: &mut Seen) -> Fetched {
        let proved = history.proved();
        let events = history.links().iter().map(|link| {
            let id = link.anchored.event;
            // The chain is proved, so an event that cannot be had is a gap and not a failure.
            let event = seen
                .events
                .entry(id)
                .or_insert_with(|| self.event(&id).ok());
            (*link, event.clone())
        });
        Fetched {
            epoch,
            events: events.collect(),
            proof: QuarterProof {
                count: proved.count,
                height: proved.height,
                time: proved.time,
                size: proved.checkpoint.checkpoint().size,
            },
        }
    }
}

impl Sdk {
    /// The list of a patient of this institution under `keys`, of records sealed since the network began,
    /// or in the last `quarters` quarters with the one that runs. Consents that the patient did not approve with a key of their own could have been
    /// given by the institution alone: the list says so of each access under one. Approvals are taken
    /// from the vault. Where something stands under another key that this institution has used for the
    /// patient, the list has a gap.
    ///
    /// # Errors
    /// As [`Client::patient_history`].
    pub fn patient_history(
        &self,
        subject: &str,
        keys: &SubjectKeys,
        quarters: Option<u32>,
        known: impl FnOnce(&SubjectKey, &[Epoch]) -> Known,
    ) -> Result<PatientHistory, ClientError> {
        let (now, began) = (self.context().now(), Epoch::of(self.began()));
        let epochs = match quarters {
            Some(count) => last_quarters(now, count),
            None => all_quarters(began, now),
        };
        let known = known(&keys.key, &epochs);
        let asked = Asked {
            network: self.network(),
            owner: self.participant(),
            subject: &keys.key,
            approver: keys.approver,
            card: None,
            began,
            epochs: &epochs,
            patient: subject,
            known: &known,
        };
        self.client().fresh(|seen| {
            let quarters = self.client().quarters(&asked, seen)?;
            let known = &self.with_approvals(known.clone(), &quarters);
            let asked = Asked { known, ..asked };
            let mut history = self.client().folded(&asked, quarters, seen)?;
            let list = &mut history.list;
            let others = self.under_other_keys(subject, &keys.key, &epochs, list.until);
            list.gaps.extend(others);
            list.gaps.sort_by_key(|gap| gap.from);
            Ok(history)
        })
    }

    /// Adds the approvals that the vault has of what was granted. One that cannot be read shows nothing, and
    /// the list says the worse of the two.
    fn with_approvals(&self, mut known: Known, quarters: &Quarters) -> Known {
        let (consents, mut delegations) = (quarters.consents(), quarters.roots());
        delegations.extend(&consents);
        for consent in consents {
            let approvals = self.approvals(consent).unwrap_or_default();
            let add = |one| known.add_approval(one);
            approvals.into_iter().for_each(add);
        }
        for delegation in delegations {
            let approvals = self.delegation_approvals(delegation).unwrap_or_default();
            let add = |one| known.add_delegation_approval(one);
            approvals.into_iter().for_each(add);
        }
        known
    }
}

/// The most quarters that are asked for unasked: 64 years.
pub const MAX_QUARTERS: u32 = 256;

/// Every quarter from the network's first to the one of `now`, the last [`MAX_QUARTERS`] at most.
#[must_use]
pub fn all_quarters(began: Epoch, now: Time) -> Vec<Epoch> {
    let since = Epoch::of(now).0.saturating_sub(began.0);
    last_quarters(now, since.saturating_add(1).min(MAX_QUARTERS))
}

/// The last `count` quarters of a year, the one of `now` among them.
#[must_use]
pub fn last_quarters(now: Time, count: u32) -> Vec<Epoch> {
    let last = Epoch::of(now);
    let first = last.0.saturating_sub(count.max(1) - 1);
    (first..=last.0).map(Epoch).collect()
}
