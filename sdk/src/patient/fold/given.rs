//! Who gave the consents of a list: the patient, a delegate whom the patient approved, or the institution;
//! and who can end them.
//!
//! What always holds: a consent counts as the patient's own only with an approval of exactly this grant, and
//! as a delegate's only where its root is a delegation of which the patient approved exactly what stands
//! on the ledger, and which had begun, had not ended and was not revoked when the access was decided. Grants
//! and their ends are taken from proved histories alone. A re-issue is listed with the consent that it renews
//! only where its handle is that of this re-issue, and period, approval and end are the same, and where it grants
//! as much: the same numbers of grantees and purposes, and of classes for each quarter. Which these are is in
//! words that no list has, so a re-issue that names another grantee in the place of one cannot be told.

use super::About;
use crate::access_list::{Delegate, KeyHolder, ProvedAt};
use crate::patient::consents::{Ended, EndedHow, Ending, ListedConsent, ListedRenewal};
use medanchor_ledger::event::{ConsentGrant, Event, EventBody};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::{ConsentHandle, Index, ParticipantName, Time};
use medanchor_vault::Epoch;
use medanchor_vault::secret::SubjectKey;
use std::collections::{BTreeMap, BTreeSet};

/// The consents of proved histories, as far as they tell who gave them and who can end them.
#[derive(Default)]
pub(super) struct Given {
    grants: BTreeMap<ConsentHandle, Granted>,
    ends: BTreeMap<ConsentHandle, End>,
    /// The consents of the quarters that were asked for.
    asked: BTreeSet<ConsentHandle>,
}

/// The one event that ended a consent.
struct End {
    at: Index,
    time: Time,
    by: ParticipantName,
    /// Whether its owner revoked it; otherwise the key that its grant names signed.
    revoked: bool,
}

/// A consent, as it was granted.
struct Granted {
    granted: Index,
    /// The quarter in whose history it stands.
    quarter: Epoch,
    /// The first consent of the chain, where it continues one.
    root: Option<ConsentHandle>,
    not_before: Time,
    not_after: Time,
    extent: Extent,
    /// Whether the patient approved exactly this grant of a consent.
    approved: bool,
    /// Who decides by it, where the patient approved exactly this grant of a delegation.
    delegate: Option<Delegate>,
    key: EndingKey,
}

/// How much a consent grants: the numbers of its grantees, purposes, classes and quarters.
struct Extent {
    grantees: usize,
    purposes: usize,
    classes: usize,
    quarters: usize,
}

impl Extent {
    fn of(grant: &ConsentGrant) -> Self {
        Self {
            grantees: grant.grantees.as_slice().len(),
            purposes: grant.purposes.as_slice().len(),
            classes: grant.classes.as_slice().len(),
            quarters: grant.tags.as_slice().len(),
        }
    }

    /// Whether a re-issue, which is for one quarter, says as much as what it renews: that has a handle for each
    /// class and quarter.
    const fn is_renewed_by(&self, renewal: &Self) -> bool {
        renewal.quarters == 1
            && renewal.grantees == self.grantees
            && renewal.purposes == self.purposes
            && renewal.classes.saturating_mul(self.quarters) == self.classes
    }
}

/// Whose the key is that ends a consent without the institution.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndingKey {
    /// There is none.
    None,
    Patients,
    /// Not the opened card's.
    Others,
    /// No card is there and no approval of this grant.
    Untold,
}

impl Given {
    /// Takes what an event of a history says of consents.
    pub(super) fn take(
        &mut self,
        about: &About<'_>,
        (quarter, link): (Epoch, &TagLink),
        event: &Event,
    ) {
        let by_owner = event.issuer() == about.owner;
        match event.body() {
            EventBody::ConsentGrant(body) if by_owner => {
                self.granted(about, (quarter, link), body);
            }
            EventBody::ConsentRevoke(body) if by_owner => {
                self.ended(link, event, body.consent, true);
            }
            EventBody::ConsentEnd(body) if body.owner == *about.owner => {
                self.ended(link, event, body.consent, false);
            }
            _ => {}
        }
    }

    /// Has a consent that was taken listed, where its time has not run out.
    pub(super) fn ask(&mut self, event: &Event) {
        if let EventBody::ConsentGrant(body) = event.body() {
            self.asked.insert(body.consent);
        }
    }

    fn ended(&mut self, link: &TagLink, event: &Event, consent: ConsentHandle, revoked: bool) {
        let end = End {
            at: link.anchored.index,
            time: link.time,
            by: event.issuer().clone(),
            revoked,
        };
        self.ends.insert(consent, end);
    }

    fn granted(
        &mut self,
        about: &About<'_>,
        (quarter, link): (Epoch, &TagLink),
        body: &ConsentGrant,
    ) {
        let place = (about.network, about.owner);
        let (known, approver) = (about.known, about.approver.as_ref());
        let approved = approver.is_some_and(|key| known.is_approved(key, place, body));
        let words = approver.and_then(|key| known.delegation(key, place, body));
        let delegate = words.map(|words| Delegate {
            delegation: body.consent,
            id: words.delegate.clone(),
            name: words.called.clone(),
            relation: words.relation,
            since: link.time,
        });
        let granted = Granted {
            granted: link.anchored.index,
            quarter,
            root: body.root,
            not_before: body.not_before,
            not_after: body.not_after,
            extent: Extent::of(body),
            approved,
            key: about.ending_key(body, approved || delegate.is_some()),
            delegate,
        };
        self.grants.insert(body.consent, granted);
    }

    /// With whose key a consent was given, for an access that was decided at this place and time.
    pub(super) fn key(&self, consent: &ConsentHandle, at: ProvedAt, time: Time) -> KeyHolder {
        let grant = self.grants.get(consent);
        if grant.is_some_and(|grant| grant.approved) {
            return KeyHolder::Subject;
        }
        let root = grant.and_then(|grant| grant.root);
        let first = root.and_then(|root| self.grants.get(&root));
        let stood = first.filter(|first| self.stood(first, at.index, time));
        let delegate = stood.and_then(|first| first.delegate.clone());
        delegate.map_or(KeyHolder::Institution, KeyHolder::Delegate)
    }

    /// Whether a delegation stood at this place and time.
    fn stood(&self, first: &Granted, at: Index, time: Time) -> bool {
        let delegation = first.delegate.as_ref().map(|by| by.delegation);
        let ended = delegation.and_then(|one| self.ends.get(&one));
        first.granted < at
            && (first.not_before..first.not_after).contains(&time)
            && ended.is_none_or(|ended| ended.at > at)
    }

    /// The consents of the quarters that were asked for, and the first ones of their chains, whose time
    /// has not run out at `until`, in the order in which they were granted, each with its re-issues.
    pub(super) fn listed(&self, subject: &SubjectKey, until: Time) -> Vec<ListedConsent> {
        let asked = self.asked.iter();
        let roots = asked.clone().filter_map(|one| self.grants.get(one)?.root);
        let wanted: BTreeSet<ConsentHandle> = roots.chain(asked.copied()).collect();
        let all = wanted.iter();
        let mut all: Vec<_> = all
            .filter_map(|one| self.grants.get_key_value(one))
            .collect();
        all.retain(|(_, grant)| grant.not_after > until);
        all.sort_by_key(|(_, grant)| grant.granted);
        let quarters: BTreeSet<Epoch> = all.iter().map(|(_, grant)| grant.quarter).collect();
        let renewals = |one: &ConsentHandle, grant: &Granted| -> Vec<ListedRenewal> {
            let named = quarters.iter().map(|quarter| ListedRenewal {
                quarter: *quarter,
                consent: subject.consent_key(*quarter).renewal(one),
            });
            let renews = |found: &ListedRenewal| {
                wanted.contains(&found.consent) && self.renews(found, *one, grant)
            };
            named.filter(renews).collect()
        };
        let all = all.iter();
        let all: Vec<_> = all
            .map(|(one, grant)| (**one, grant, renewals(one, grant)))
            .collect();
        let of_others = all.iter().flat_map(|(_, _, renewals)| renewals);
        let of_others: BTreeSet<ConsentHandle> = of_others.map(|one| one.consent).collect();
        let listed = all.into_iter().filter(|(one, ..)| !of_others.contains(one));
        listed
            .map(|(one, grant, renewals)| self.list(one, grant, renewals))
            .collect()
    }

    /// Whether what has the name of a re-issue says of itself what the consent does, grants no more and no less, and
    /// was not ended alone.
    fn renews(&self, found: &ListedRenewal, one: ConsentHandle, grant: &Granted) -> bool {
        let same = |renewal: &Granted| {
            renewal.root == Some(grant.root.unwrap_or(one))
                && (renewal.not_before, renewal.not_after) == (grant.not_before, grant.not_after)
                && (renewal.approved, renewal.key) == (grant.approved, grant.key)
                && renewal.quarter == found.quarter
                && grant.extent.is_renewed_by(&renewal.extent)
        };
        self.grants.get(&found.consent).is_some_and(same) && !self.ends.contains_key(&found.consent)
    }

    fn list(
        &self,
        consent: ConsentHandle,
        grant: &Granted,
        renewals: Vec<ListedRenewal>,
    ) -> ListedConsent {
        let first = grant.root.map(|root| self.grants.get(&root));
        let root_unseen = matches!(first, Some(None));
        ListedConsent {
            consent,
            root: grant.root,
            root_unseen,
            not_before: grant.not_before,
            not_after: grant.not_after,
            ending: ending(
                grant.key,
                first.flatten().map(|first| first.key),
                root_unseen,
            ),
            ended: self.first_end(consent, grant.root),
            renewals,
        }
    }

    /// The first of a consent's own end and its root's: a consent may be revoked that ended with its root.
    fn first_end(&self, consent: ConsentHandle, root: Option<ConsentHandle>) -> Option<Ended> {
        let of_chain = [Some(consent), root].into_iter().flatten();
        let ends = of_chain.filter_map(|one| Some((one, self.ends.get(&one)?)));
        let (ended, end) = ends.min_by_key(|(_, end)| end.at)?;
        let key = self.grants.get(&ended).map(|grant| grant.key);
        let how = match (end.revoked, key) {
            (true, _) => EndedHow::Revoked,
            (false, Some(EndingKey::Patients)) => EndedHow::ByPatient,
            (false, _) => EndedHow::ByNamedKey,
        };
        Some(Ended {
            time: end.time,
            by: end.by.clone(),
            how,
        })
    }
}

impl About<'_> {
    /// Whose the key is that ends a consent. What the patient approved has the ender that the patient
    /// signed; any other ender may be anybody's, the institution's as well.
    fn ending_key(&self, grant: &ConsentGrant, approved: bool) -> EndingKey {
        let Some(ender) = grant.ender else {
            return EndingKey::None;
        };
        let of_card = self.card.map(|card| card.ender(self.owner, &grant.consent));
        match (approved, of_card) {
            (true, _) => EndingKey::Patients,
            (false, Some(own)) if own == ender => EndingKey::Patients,
            (false, Some(_)) => EndingKey::Others,
            (false, None) => EndingKey::Untold,
        }
    }
}

/// Who ends a consent of which these are its own key and its root's.
fn ending(own: EndingKey, root: Option<EndingKey>, root_unseen: bool) -> Ending {
    let of_chain = [own, root.unwrap_or(EndingKey::None)];
    match of_chain.map(|key| key == EndingKey::Patients) {
        [false, false] if root_unseen || of_chain.contains(&EndingKey::Untold) => Ending::Untold,
        [false, false] if of_chain.contains(&EndingKey::Others) => Ending::OtherKey,
        [false, false] => Ending::Institution,
        [own, root] => Ending::Patient { own, root },
    }
}
