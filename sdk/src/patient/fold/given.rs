//! Who gave the consents of a list: the patient, a delegate whom the patient approved, or the institution;
//! and who can end them.
//!
//! What always holds: a consent counts as the patient's own only with an approval of exactly this grant, and
//! as a delegate's only where its root is a delegation of which the patient approved exactly what stands
//! on the ledger, and which had begun, had not ended and was not revoked when the access was decided. Grants
//! and their ends are taken from proved histories alone.

use super::About;
use crate::access_list::{Delegate, KeyHolder, ProvedAt};
use crate::patient::consents::{Ended, ListedConsent};
use medanchor_ledger::event::{ConsentGrant, Event, EventBody};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::{ConsentHandle, Index, Time};
use std::collections::BTreeMap;

/// The consents of proved histories, as far as they tell who gave them and who can end them.
#[derive(Default)]
pub(super) struct Given {
    grants: BTreeMap<ConsentHandle, Granted>,
    ends: BTreeMap<ConsentHandle, (Index, Ended)>,
}

/// A consent, as it was granted.
struct Granted {
    granted: Index,
    /// The first consent of the chain, where it continues one.
    root: Option<ConsentHandle>,
    not_before: Time,
    not_after: Time,
    /// Whether the patient approved exactly this grant of a consent.
    approved: bool,
    /// Who decides by it, where the patient approved exactly this grant of a delegation.
    delegate: Option<Delegate>,
    /// Whether the patient has a key that ends it.
    endable: bool,
}

impl Given {
    /// Takes what an event of a history says of consents.
    pub(super) fn take(&mut self, about: &About<'_>, link: &TagLink, event: &Event) {
        let by_owner = event.issuer() == about.owner;
        match event.body() {
            EventBody::ConsentGrant(body) if by_owner => self.granted(about, link, body),
            EventBody::ConsentRevoke(body) if by_owner => {
                self.ended(link, event, body.consent, false);
            }
            EventBody::ConsentEnd(body) if body.owner == *about.owner => {
                self.ended(link, event, body.consent, true);
            }
            _ => {}
        }
    }

    fn ended(&mut self, link: &TagLink, event: &Event, consent: ConsentHandle, by_patient: bool) {
        let ended = Ended {
            time: link.time,
            by: event.issuer().clone(),
            by_patient,
        };
        self.ends.insert(consent, (link.anchored.index, ended));
    }

    fn granted(&mut self, about: &About<'_>, link: &TagLink, body: &ConsentGrant) {
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
        let of_card = about
            .card
            .is_some_and(|card| body.ender == Some(card.ender(about.owner, &body.consent)));
        let granted = Granted {
            granted: link.anchored.index,
            root: body.root,
            not_before: body.not_before,
            not_after: body.not_after,
            approved,
            // What was approved has the ender that the patient signed.
            endable: body.ender.is_some() && (approved || delegate.is_some() || of_card),
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
            && ended.is_none_or(|(ended, _)| *ended > at)
    }

    /// The consents whose time has not run out at `until`, in the order in which they were granted.
    pub(super) fn listed(&self, until: Time) -> Vec<ListedConsent> {
        let mut all: Vec<_> = self.grants.iter().collect();
        all.retain(|(_, grant)| grant.not_after > until);
        all.sort_by_key(|(_, grant)| grant.granted);
        let listed = all.into_iter().map(|(consent, grant)| ListedConsent {
            consent: *consent,
            not_before: grant.not_before,
            not_after: grant.not_after,
            patient_ends: Self::first_of(consent, grant, |one| {
                self.grants
                    .get(one)
                    .is_some_and(|grant| grant.endable)
                    .then_some(*one)
            }),
            ended: Self::first_of(consent, grant, |one| {
                self.ends.get(one).map(|(_, ended)| ended.clone())
            }),
        });
        listed.collect()
    }

    /// What holds of a consent, or else of the first one of its chain.
    fn first_of<T>(
        consent: &ConsentHandle,
        grant: &Granted,
        of: impl Fn(&ConsentHandle) -> Option<T>,
    ) -> Option<T> {
        of(consent).or_else(|| grant.root.as_ref().and_then(of))
    }
}
