//! From proved histories and the events they name to the list. Nothing is fetched here.

mod gaps;
mod given;

pub(super) use gaps::{Journal, NotProved};

use self::given::Given;
use super::known::{FalseNote, Known};
use super::{Erasure, PatientHistory, Quarter, QuarterProof};
use crate::access_list::{
    AccessEntry, AccessList, Basis, Gap, GapReason, KeyHolder, Origin, Person, ProvedAt, Review,
};
use crate::subject::Subject;
use medanchor_ledger::event::{
    AccessBreakGlass, AccessEmergency, AccessRequest, AccessReview, Destroyed, Event, EventBody,
    EventKind, RecordErase, Verdict,
};
use medanchor_ledger::rules::Decision;
use medanchor_ledger::rules::break_glass::REVIEW_MILLIS;
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{
    ClassHandle, Commitment, EventId, NetworkId, ParticipantName, RecordHandle, RequestHandle,
    Size, Time,
};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::collections::BTreeMap;

/// A quarter as it was fetched: its proof and the links with their events, in the order of the log.
pub(super) struct Fetched {
    pub(super) epoch: Epoch,
    pub(super) proof: QuarterProof,
    /// None for an event that no node could show.
    pub(super) events: Vec<(TagLink, Option<Event>)>,
}

/// What the list is about.
pub(super) struct About<'a> {
    pub(super) network: NetworkId,
    pub(super) owner: &'a ParticipantName,
    pub(super) patient: &'a str,
    /// The key that approves the subject's consents; none if the institution holds the subject's keys.
    pub(super) approver: Option<PublicKey>,
    /// The subject's opened card, where it is there.
    pub(super) card: Option<&'a Subject>,
    /// The subject's key at the owner.
    pub(super) subject: &'a SubjectKey,
    pub(super) known: &'a Known,
    /// Quarters that were not asked for, and under whose tags delegations of listed consents stand: nothing
    /// else is taken from them.
    pub(super) delegated: Vec<Fetched>,
    /// The quarter in which the network began.
    pub(super) began: Epoch,
    /// What was proved of the owner's emergency journal.
    pub(super) journal: Journal,
    pub(super) now: Time,
}

/// The list of these quarters; none if there is no proof of any.
pub(super) fn fold(
    about: &About<'_>,
    fetched: Vec<Fetched>,
    failed: Vec<(Epoch, String)>,
) -> Option<PatientHistory> {
    let all = fetched.iter().chain(&about.delegated);
    let oldest = all.map(|one| one.proof).min_by_key(|proof| proof.time);
    let oldest = oldest.filter(|_| !fetched.is_empty())?;
    let mut folding = Folding::new(about, oldest.time);
    for quarter in &about.delegated {
        for (link, event) in &quarter.events {
            folding.take_delegated((quarter.epoch, link), event.as_ref());
        }
    }
    for quarter in &fetched {
        for (link, event) in &quarter.events {
            folding.take((quarter.epoch, link), event.as_ref(), quarter.proof.size);
        }
    }
    Some(folding.finish(oldest, quarters(fetched, failed)))
}

fn quarters(fetched: Vec<Fetched>, failed: Vec<(Epoch, String)>) -> Vec<Quarter> {
    let proved = fetched.into_iter().map(|one| (one.epoch, Ok(one.proof)));
    let failed = failed.into_iter().map(|(epoch, why)| (epoch, Err(why)));
    let mut all: Vec<Quarter> = proved
        .chain(failed)
        .map(|(epoch, proved)| Quarter { epoch, proved })
        .collect();
    all.sort_by_key(|quarter| quarter.epoch);
    all
}

struct Folding<'a> {
    about: &'a About<'a>,
    until: Time,
    classes: BTreeMap<RecordHandle, ClassHandle>,
    /// Records that were sealed without custodians, and when.
    alone: BTreeMap<RecordHandle, Time>,
    /// Since when the owner has no part of a record's key.
    unreadable: BTreeMap<RecordHandle, Time>,
    /// What was found of each access, and when.
    reviews: BTreeMap<(ParticipantName, RequestHandle), (Verdict, Time)>,
    given: Given,
    entries: Vec<AccessEntry>,
    erasures: Vec<Erasure>,
    gaps: Vec<Gap>,
    unread: Vec<TagLink>,
    false_notes: Vec<EventId>,
}

impl<'a> Folding<'a> {
    fn new(about: &'a About<'a>, until: Time) -> Self {
        Self {
            about,
            until,
            classes: BTreeMap::new(),
            alone: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            reviews: BTreeMap::new(),
            given: Given::default(),
            entries: Vec::new(),
            erasures: Vec::new(),
            gaps: Vec::new(),
            unread: Vec::new(),
            false_notes: Vec::new(),
        }
    }

    /// Takes who gave and ended consents, and nothing of accesses.
    fn take_consent(&mut self, (quarter, link): (Epoch, &TagLink), event: Option<&Event>) {
        let of_kind = event.filter(|event| event.kind() == link.kind);
        if let Some(event) = of_kind.filter(|_| link.time <= self.until) {
            self.given.take(self.about, (quarter, link), event);
        }
    }

    /// Takes the same of a quarter that was not asked for. What cannot be read there may be the end of a
    /// delegation.
    fn take_delegated(&mut self, (quarter, link): (Epoch, &TagLink), event: Option<&Event>) {
        self.take_consent((quarter, link), event);
        let of_consents = matches!(
            link.kind,
            EventKind::ConsentGrant | EventKind::ConsentRevoke | EventKind::ConsentEnd
        );
        let read = event.is_some_and(|event| event.kind() == link.kind);
        if of_consents && !read && link.time <= self.until {
            self.not_read(link);
        }
    }

    fn take(&mut self, (quarter, link): (Epoch, &TagLink), event: Option<&Event>, size: Size) {
        if link.time > self.until {
            return;
        }
        self.take_consent((quarter, link), event);
        let proved = ProvedAt {
            index: link.anchored.index,
            size,
        };
        let known = event.filter(|event| event.kind() == link.kind);
        known.into_iter().for_each(|event| self.given.ask(event));
        let taken = known.and_then(|event| self.take_event(link, event, proved));
        if taken.is_none() {
            self.not_read(link);
        }
    }

    fn not_read(&mut self, link: &TagLink) {
        self.unread.push(*link);
        self.gaps.push(Gap {
            from: link.time,
            until: Some(link.time),
            why: GapReason::NoProof,
            of: None,
        });
    }

    /// None if what the rules made of the event is not understood.
    fn take_event(&mut self, link: &TagLink, event: &Event, proved: ProvedAt) -> Option<()> {
        match event.body() {
            EventBody::RecordSeal(body) => {
                // A later version may be in custody, and this one stays with its owner's key.
                self.alone.entry(body.record).or_insert(link.time);
                self.class(body.record, body.class);
            }
            EventBody::RecordCustody(body) => self.class(body.seal.record, body.seal.class),
            EventBody::RecordSupersede(body) => self.class(body.record, body.class),
            EventBody::RecordErase(body) => self.erased(link.time, body, proved),
            EventBody::AccessRequest(body) => {
                let decision = Decision::from_code(link.outcome)?;
                let entry = self.asked(link, event, body, decision, proved);
                self.entries.push(entry);
            }
            EventBody::AccessBreakGlass(body) => {
                let decision = Decision::from_code(link.outcome)?;
                let entry = self.broken(link, event, body, decision, proved);
                self.entries.push(entry);
            }
            EventBody::AccessReview(body) => self.reviewed(body, link.time),
            EventBody::AccessEmergency(body) => self.opened(link, event, body, proved),
            // Consents, their ends and new shares open nothing.
            _ => {}
        }
        Some(())
    }

    fn class(&mut self, record: RecordHandle, class: ClassHandle) {
        self.classes.insert(record, class);
    }

    /// What is the same of every access.
    fn entry(
        &mut self,
        link: &TagLink,
        event: &Event,
        record: RecordHandle,
        commitment: &Commitment,
        basis: Basis,
        proved: ProvedAt,
    ) -> AccessEntry {
        let known = self.about.known;
        let category = self
            .classes
            .get(&record)
            .and_then(|class| known.class(class));
        AccessEntry {
            event: event.id(),
            request: None,
            time: link.time,
            by: event.issuer().clone(),
            owner: self.about.owner.clone(),
            record,
            document: known.document(&record).map(Into::into),
            category: category.map(Into::into),
            person: self.person(event, commitment),
            purpose: None,
            basis,
            decision: Decision::Permitted,
            origin: Origin::default(),
            proved,
        }
    }

    fn person(&mut self, event: &Event, commitment: &Commitment) -> Option<Person> {
        let known = self.about.known;
        match known.person(&event.id(), commitment) {
            Ok(person) => person,
            Err(FalseNote) => {
                self.false_notes.push(event.id());
                None
            }
        }
    }

    fn asked(
        &mut self,
        link: &TagLink,
        event: &Event,
        body: &AccessRequest,
        decision: Decision,
        proved: ProvedAt,
    ) -> AccessEntry {
        // Who holds the key is looked up at the end: a consent may be of an earlier quarter's list.
        let (consent, key) = (body.consent, KeyHolder::Institution);
        let basis = Basis::Consent { consent, key };
        AccessEntry {
            request: Some(body.request),
            purpose: self.about.known.purpose(&body.purpose).map(Into::into),
            decision,
            ..self.entry(link, event, body.record, &body.commitment, basis, proved)
        }
    }

    fn broken(
        &mut self,
        link: &TagLink,
        event: &Event,
        body: &AccessBreakGlass,
        decision: Decision,
        proved: ProvedAt,
    ) -> AccessEntry {
        let review = match decision {
            Decision::Permitted => Review::Due(link.time.plus_millis(REVIEW_MILLIS)),
            Decision::Denied(_) => Review::NotNeeded,
        };
        let basis = Basis::BreakGlass(review);
        AccessEntry {
            request: Some(body.request),
            decision,
            ..self.entry(link, event, body.record, &body.commitment, basis, proved)
        }
    }

    /// The first one ended the record; what comes after says that more of it was destroyed.
    fn erased(&mut self, time: Time, body: &RecordErase, proved: ProvedAt) {
        if body.destroyed.contains(Destroyed::VAULT_PART) {
            self.unreadable.entry(body.record).or_insert(time);
        }
        if self.erasures.iter().all(|one| one.record != body.record) {
            self.erasures.push(Erasure {
                record: body.record,
                document: self.about.known.document(&body.record).map(Into::into),
                time,
                reason: body.reason,
                proved,
            });
        }
    }

    fn reviewed(&mut self, body: &AccessReview, time: Time) {
        let access = (body.requester.clone(), body.request);
        self.reviews.insert(access, (body.verdict, time));
    }

    /// An opening while the network was cut: its time is the owner's word, and nothing between the last
    /// word of the journal before it and the block that brought it is proved. An owner that claims to
    /// have opened it before that word takes the word back.
    fn opened(&mut self, link: &TagLink, event: &Event, body: &AccessEmergency, proved: ProvedAt) {
        let (about, claimed) = (self.about, body.claimed);
        let stated = about.journal.stated_before(link, about.began);
        let since = stated.min(claimed.max(about.began.begin()));
        let basis = Basis::Emergency { since, claimed };
        let entry = self.entry(link, event, body.record, &body.commitment, basis, proved);
        self.entries.push(entry);
        self.gaps.push(Gap {
            from: since,
            until: Some(link.time),
            why: GapReason::Unproven,
            of: None,
        });
    }

    fn finish(mut self, oldest: QuarterProof, quarters: Vec<Quarter>) -> PatientHistory {
        self.entries.sort_by_key(|entry| entry.proved.index);
        self.erasures.sort_by_key(|erasure| erasure.proved.index);
        self.unread.sort_by_key(|link| link.anchored.index);
        self.take_given();
        self.take_reviews();
        self.take_journal();
        self.take_failures(&quarters);
        self.take_unasked(&quarters);
        self.take_alone();
        self.gaps.sort_by_key(|gap| gap.from);
        let about = self.about;
        PatientHistory {
            owner: about.owner.clone(),
            list: AccessList {
                network: about.network,
                patient: about.patient.to_owned(),
                entries: self.entries,
                quarters,
                size: oldest.size,
                until: oldest.time,
                age: about.now.0.saturating_sub(oldest.time.0),
                gaps: self.gaps,
            },
            consents: self.given.listed(about.subject, oldest.time),
            erasures: self.erasures,
            unread: self.unread,
            false_notes: self.false_notes,
        }
    }

    fn take_given(&mut self) {
        for entry in &mut self.entries {
            if let Basis::Consent { consent, key } = &mut entry.basis {
                *key = self.given.key(consent, entry.proved, entry.time);
            }
        }
    }

    fn take_reviews(&mut self) {
        for entry in &mut self.entries {
            let Some(request) = entry.request else {
                continue;
            };
            let verdict = self.reviews.get(&(entry.by.clone(), request));
            if let (Basis::BreakGlass(Review::Due(due)), Some((verdict, time))) =
                (&entry.basis, verdict)
            {
                entry.basis = Basis::BreakGlass(Review::Done {
                    // A verdict of a later version counts as the worse one.
                    justified: *verdict == Verdict::Justified,
                    late: time > due,
                });
            }
        }
    }
}
