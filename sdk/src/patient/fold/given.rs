//! Who gave the consents of a list: the patient, a delegate whom the patient approved, or the institution.
//!
//! What always holds: a consent counts as the patient's own only with an approval of exactly this grant, and
//! as a delegate's only where its root is a delegation of which the patient approved exactly what stands
//! on the ledger, and which had begun, had not ended and was not revoked when the access was decided. Grants
//! and revocations are taken from proved histories alone.

use super::About;
use crate::access_list::{Delegate, KeyHolder, ProvedAt};
use medanchor_ledger::event::{ConsentGrant, ConsentRevoke, Event, EventBody};
use medanchor_ledger::rules::tag::TagLink;
use medanchor_ledger::{ConsentHandle, Index, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The consents of proved histories, as far as they tell who gave them.
#[derive(Default)]
pub(super) struct Given {
    approved: BTreeSet<ConsentHandle>,
    /// The first consent of the chain of each that continues one.
    roots: BTreeMap<ConsentHandle, ConsentHandle>,
    delegations: BTreeMap<ConsentHandle, Standing>,
    revoked: BTreeMap<ConsentHandle, Index>,
}

/// A delegation that the patient approved, and when it stands.
struct Standing {
    delegate: Delegate,
    granted: Index,
    not_before: Time,
    not_after: Time,
}

impl Given {
    /// Takes what an event of a history says of consents.
    pub(super) fn take(&mut self, about: &About<'_>, link: &TagLink, event: &Event) {
        if event.issuer() != about.owner {
            return;
        }
        match event.body() {
            EventBody::ConsentGrant(body) => self.granted(about, link, body),
            EventBody::ConsentRevoke(ConsentRevoke { consent }) => {
                self.revoked.insert(*consent, link.anchored.index);
            }
            _ => {}
        }
    }

    fn granted(&mut self, about: &About<'_>, link: &TagLink, body: &ConsentGrant) {
        if let Some(root) = body.root {
            self.roots.insert(body.consent, root);
        }
        let Some(approver) = &about.approver else {
            return;
        };
        let place = (about.network, about.owner);
        if about.known.is_approved(approver, place, body) {
            self.approved.insert(body.consent);
        }
        if let Some(words) = about.known.delegation(approver, place, body) {
            let delegate = Delegate {
                delegation: body.consent,
                id: words.delegate.clone(),
                name: words.called.clone(),
                relation: words.relation,
                since: link.time,
            };
            let standing = Standing {
                delegate,
                granted: link.anchored.index,
                not_before: body.not_before,
                not_after: body.not_after,
            };
            self.delegations.insert(body.consent, standing);
        }
    }

    /// With whose key a consent was given, for an access that was decided at this place and time.
    pub(super) fn key(&self, consent: &ConsentHandle, at: ProvedAt, time: Time) -> KeyHolder {
        if self.approved.contains(consent) {
            return KeyHolder::Subject;
        }
        let root = self.roots.get(consent);
        let standing = root.and_then(|root| self.delegations.get(root));
        let stood = standing.filter(|one| self.stood(one, at.index, time));
        stood.map_or(KeyHolder::Institution, |one| {
            KeyHolder::Delegate(one.delegate.clone())
        })
    }

    fn stood(&self, one: &Standing, at: Index, time: Time) -> bool {
        let revoked = self.revoked.get(&one.delegate.delegation);
        one.granted < at
            && (one.not_before..one.not_after).contains(&time)
            && revoked.is_none_or(|revoked| *revoked > at)
    }
}
