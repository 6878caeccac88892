//! Fetching what the ledger says of an access, every part of it proved at one height.

use super::{Refused, Standing, Terms};
use crate::client::{Client, ClientError};
use crate::custody::ask::{Access, AccessKind};
use medanchor_ledger::document::VerifiedState;
use medanchor_ledger::rules::{BreakGlass, Consent, Record, Request, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{Height, Time};
use std::time::Duration;

/// How often at least a request that is not known is looked for again, and after what pause.
const LATE: usize = 4;
const PAUSE: Duration = Duration::from_millis(150);

/// Why it is not known how an access stands.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandingError {
    /// The ledger says why nothing goes out.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No node gave a proof.
    #[error("the ledger cannot be asked: {0}")]
    Client(#[from] ClientError),
    /// What the ledger holds is of a newer release.
    #[error("the ledger holds what this release does not understand; install a newer one")]
    Unknown,
}

/// A value that was proved, and where.
pub(crate) struct Value<V> {
    pub(crate) at: (Height, Time),
    pub(crate) value: Option<V>,
}

/// What the state holds under a key, proved; at a given height, or at the newest that a node shows, which may
/// be of any age: [`fresh_value`] is for what is decided by it.
pub(crate) fn value<V: StateValue>(
    client: &Client,
    key: &StateKey,
    height: Option<Height>,
) -> Result<Value<V>, StandingError> {
    match height {
        Some(_) => read(client.state(key, height)?.proved()),
        None => newest(client, key, &Terms::default()),
    }
}

/// What the state holds under a key now, from a node whose proof is fresh if one is.
fn newest<V: StateValue>(
    client: &Client,
    key: &StateKey,
    terms: &Terms,
) -> Result<Value<V>, StandingError> {
    read(client.state_within(key, terms.freshness)?.proved())
}

/// What the state holds under a key now, for whoever decides something by it.
///
/// # Errors
/// [`Refused::Stale`] where no node's proof is as fresh as the terms ask for.
pub(crate) fn fresh_value<V: StateValue>(
    client: &Client,
    key: &StateKey,
    terms: &Terms,
) -> Result<Value<V>, StandingError> {
    let found = newest(client, key, terms)?;
    match client.is_within(terms.freshness, found.at.1) {
        true => Ok(found),
        false => Err(Refused::Stale.into()),
    }
}

fn read<V: StateValue>(state: &VerifiedState) -> Result<Value<V>, StandingError> {
    let value = state.value.as_deref().map(V::decode).transpose();
    Ok(Value {
        at: (state.height, state.time),
        value: value.map_err(|_| StandingError::Unknown)?,
    })
}

/// Asks again, and other nodes, while a request is not known.
pub(crate) fn until_known<T>(
    client: &Client,
    ask: impl Fn() -> Result<T, StandingError>,
) -> Result<T, StandingError> {
    let mut found = ask();
    for _ in 0..client.nodes().len().max(LATE) {
        match found {
            Err(StandingError::Refused(Refused::UnknownRequest)) => client.turn_to_next_node(),
            _ => return found,
        }
        client.context().pause(PAUSE);
        found = ask();
    }
    found
}

impl Standing {
    /// Asks the ledger how an access stands now, and checks every proof. A node may be a block behind
    /// whoever was just told that the access is anchored: one that does not know it is asked no more.
    ///
    /// # Errors
    /// [`StandingError`].
    pub fn fetch(client: &Client, access: &Access) -> Result<Self, StandingError> {
        Self::fetch_by(client, access, &Terms::default())
    }

    /// [`Standing::fetch`] by somebody's own terms: a node whose proof is older than these allow is
    /// passed over while another one's is not.
    ///
    /// # Errors
    /// [`StandingError`].
    pub fn fetch_by(
        client: &Client,
        access: &Access,
        terms: &Terms,
    ) -> Result<Self, StandingError> {
        until_known(client, || Self::fetch_once(client, access, terms))
    }

    fn fetch_once(client: &Client, access: &Access, terms: &Terms) -> Result<Self, StandingError> {
        match access.kind {
            AccessKind::Request => Self::fetch_request(client, access, terms),
            AccessKind::BreakGlass => Self::fetch_break_glass(client, access, terms),
        }
    }

    fn fetch_request(
        client: &Client,
        access: &Access,
        terms: &Terms,
    ) -> Result<Self, StandingError> {
        let key = Request::key(&access.requester, &access.request);
        let Value { at, value: found } = newest::<Request>(client, &key, terms)?;
        let request = found.ok_or(Refused::UnknownRequest)?;
        let height = Some(at.0);
        let key = Record::key(&request.owner, &request.record);
        // Only a denied request names no record.
        let state = value(client, &key, height)?.value.ok_or(Refused::Denied)?;
        let key = Consent::key(&request.owner, &request.consent);
        let consent: Option<Consent> = value(client, &key, height)?.value;
        let first = match consent.as_ref().and_then(|consent| consent.root) {
            None => None,
            Some(root) => value(client, &Consent::key(&request.owner, &root), height)?.value,
        };
        Ok(Self::of_request(
            at,
            request,
            state,
            consent.as_ref(),
            first.as_ref(),
        ))
    }

    fn fetch_break_glass(
        client: &Client,
        access: &Access,
        terms: &Terms,
    ) -> Result<Self, StandingError> {
        let key = BreakGlass::key(&access.requester, &access.request);
        let Value { at, value: found } = newest::<BreakGlass>(client, &key, terms)?;
        let request = found.ok_or(Refused::UnknownRequest)?;
        let key = Record::key(&request.owner, &request.record);
        let state = value(client, &key, Some(at.0))?;
        let state = state.value.ok_or(Refused::Denied)?;
        Ok(Self::of_break_glass(at, request, state))
    }
}
