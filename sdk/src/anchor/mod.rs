//! From a signed event to its receipt, through crashes, lost answers and dead nodes.
//!
//! What always holds: an event is on this machine's disk before it is posted, and stays there until
//! its receipt was verified or a rule of the ledger refused it for good; a retry sends the same bytes.
//! When these can no longer be anchored because their time has passed, the same statement is signed
//! anew, and should the first have made it after all, that is found out and counts as success: nothing
//! happens twice, because the ledger refuses the second.

mod error;
mod flight;

pub use error::{AnchorError, Refusal};

use crate::client::{Client, ClientError};
use crate::custody::{Claims, Gathered};
use crate::domain::Looked;
use crate::error::SdkError;
use crate::identity::Identity;
use crate::receipt::Anchored;
use flight::Flight;
use medanchor_ledger::EventId;
use medanchor_ledger::event::Event;
use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an application embeds: an identity, and the nodes that it posts at.
///
/// It derefs to its [`Identity`], so `sdk.prescribe(..)` and the like work on it.
pub struct Sdk {
    identity: Identity,
    client: Client,
    /// Whether the ledger was seen to have the journal of the emergency key.
    journal_registered: AtomicBool,
    /// Documents of callers of one each, which go into custody together.
    gathered: Gathered,
    /// The records that calls are sealing into custody.
    claims: Claims,
    /// Held by whoever renews or revokes consents, so that none is renewed while it is revoked.
    looked: Mutex<Looked>,
}

impl Deref for Sdk {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

/// An event that was journalled and posted.
pub struct InFlight(Flight);

impl InFlight {
    /// The id under which it is posted now.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.0.event().id()
    }
}

impl Sdk {
    /// An identity that posts at these nodes and believes its own policy.
    ///
    /// # Errors
    /// [`ClientError::NoNode`].
    pub fn new<A: Into<String>>(
        identity: Identity,
        nodes: impl IntoIterator<Item = A>,
    ) -> Result<Self, ClientError> {
        let client = Client::new(nodes, identity.policy().clone())?;
        Ok(Self::with_client(identity, client))
    }

    /// An identity with a client of the caller's making.
    #[must_use]
    pub const fn with_client(identity: Identity, client: Client) -> Self {
        Self {
            identity,
            client,
            journal_registered: AtomicBool::new(false),
            gathered: Gathered::new(),
            claims: Claims::new(),
            looked: Mutex::new(Looked::new()),
        }
    }

    /// The identity.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The client.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) const fn gathered(&self) -> &Gathered {
        &self.gathered
    }

    pub(crate) const fn claims(&self) -> &Claims {
        &self.claims
    }

    pub(crate) const fn journal_registered(&self) -> &AtomicBool {
        &self.journal_registered
    }

    pub(crate) fn looked(&self) -> MutexGuard<'_, Looked> {
        // What is remembered saves asking the ledger; a panic elsewhere spoils nothing.
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Journals an event, posts it, and waits for its receipt.
    ///
    /// # Errors
    /// [`AnchorError::Refused`] with the rule and the winning event when the ledger refuses it;
    /// [`AnchorError::Waiting`] when patience ends first: [`Sdk::resume`] goes on.
    pub fn anchor(&self, event: Event) -> Result<Anchored, AnchorError> {
        let mut flights = self.journalled(vec![event])?;
        for flight in &mut flights {
            flight.post_waiting(&self.client);
        }
        // One event gives one result.
        let mut results = self.wait_flights(flights);
        results
            .pop()
            .unwrap_or(Err(AnchorError::Client(ClientError::NoNode)))
    }

    /// Journals events, posts them together, and waits for their receipts; gives one result for
    /// each, in their order. Events that build on one another may come together, in their order.
    ///
    /// # Errors
    /// In the results, as [`Sdk::anchor`].
    pub fn anchor_batch(&self, events: Vec<Event>) -> Vec<Result<Anchored, AnchorError>> {
        let posted = self.post_batch(events);
        self.wait_all(posted)
    }

    /// Journals events and posts them together, without waiting: give all to [`Sdk::wait_all`].
    ///
    /// # Errors
    /// In the results: only the journal's, after which nothing was posted. What a node refuses comes
    /// out when it is waited for.
    pub fn post_batch(&self, events: Vec<Event>) -> Vec<Result<InFlight, AnchorError>> {
        let count = events.len();
        let mut flights = match self.journalled(events) {
            Ok(flights) => flights,
            Err(error) => return (0..count).map(|_| Err(error.clone())).collect(),
        };
        flight::post_all(&mut flights, &self.client);
        flights
            .into_iter()
            .map(|flight| Ok(InFlight(flight)))
            .collect()
    }

    /// Waits for the receipts of events that were posted; gives one result for each, in their order.
    pub fn wait_all(
        &self,
        posted: Vec<Result<InFlight, AnchorError>>,
    ) -> Vec<Result<Anchored, AnchorError>> {
        let mut failed = Vec::new();
        let mut flights = Vec::with_capacity(posted.len());
        for (place, one) in posted.into_iter().enumerate() {
            match one {
                Ok(InFlight(flight)) => flights.push(flight),
                Err(error) => failed.push((place, error)),
            }
        }
        let mut results = self.wait_flights(flights);
        // Places ascend, so each insertion restores the order up to there.
        for (place, error) in failed {
            results.insert(place.min(results.len()), Err(error));
        }
        results
    }

    /// Takes up every event that was signed and is not settled, such as after a crash: posts the same
    /// bytes again and waits for their receipts, in the order of signing.
    ///
    /// # Errors
    /// In the results, as [`Sdk::anchor`].
    pub fn resume(&self) -> Vec<Result<Anchored, AnchorError>> {
        self.resume_such(|_| true)
    }

    /// [`Sdk::resume`] of such events alone.
    pub(crate) fn resume_such(
        &self,
        such: impl Fn(&Event) -> bool,
    ) -> Vec<Result<Anchored, AnchorError>> {
        let pending = self.identity.unsettled();
        // The journal was read with the same decoder, so no event drops out here.
        let flights = pending.into_iter().filter_map(|one| {
            Event::decode(&one.event)
                .ok()
                .filter(&such)
                .map(|event| Flight::new(event, one.earlier))
        });
        let mut flights: Vec<Flight> = flights.collect();
        flight::post_all(&mut flights, &self.client);
        self.wait_flights(flights)
    }

    /// [`Sdk::anchor`] of what the caller can say anew: what did not come to an end leaves the journal, and no
    /// `resume` posts it again. A node that has it may anchor it still, until its time has passed.
    ///
    /// # Errors
    /// As [`Sdk::anchor`].
    pub fn anchor_or_abandon(&self, event: Event) -> Result<Anchored, AnchorError> {
        let id = event.id();
        self.anchor(event).inspect_err(|_| {
            // Where the journal cannot be written the event stays, and that it is not anchored is said anyway.
            let _ = self.abandon(&id);
        })
    }

    /// Gives up on an event that is not settled, by an id that it has or had: it is not posted again. It may
    /// still be anchored.
    ///
    /// # Errors
    /// [`AnchorError::Journal`].
    pub fn abandon(&self, id: &EventId) -> Result<(), AnchorError> {
        let mut journal = self.identity.journal();
        let now = journal.now_as(id);
        Ok(journal.settle(now.as_slice()).map_err(Arc::new)?)
    }

    fn journalled(&self, events: Vec<Event>) -> Result<Vec<Flight>, AnchorError> {
        let bytes: Vec<&[u8]> = events.iter().map(Event::encoded).collect();
        self.identity.journal().sign(&bytes).map_err(Arc::new)?;
        Ok(events
            .into_iter()
            .map(|event| Flight::new(event, Vec::new()))
            .collect())
    }

    fn wait_flights(&self, mut flights: Vec<Flight>) -> Vec<Result<Anchored, AnchorError>> {
        flight::land(&mut flights, self);
        let settled = flights.iter().filter(|flight| flight.settled().is_some());
        let (again, once): (Vec<&Flight>, Vec<&Flight>) =
            settled.partition(|flight| flight.may_be_posted_again());
        let ids = |flights: Vec<&Flight>| flights.into_iter().filter_map(Flight::settled).collect();
        let (again, once): (Vec<EventId>, Vec<EventId>) = (ids(again), ids(once));
        // After a failure here the events are pending again once the journal is opened anew: `resume` finds
        // what was anchored, and asks once more for what was refused.
        let mut journal = self.identity.journal();
        let _ = journal.settle_soon(&again);
        if !once.is_empty() {
            let _ = journal.settle(&once);
        }
        drop(journal);
        flights.into_iter().map(Flight::into_result).collect()
    }

    /// Signs what an event says anew and journals that; `None` if it was settled meanwhile.
    fn renewed(&self, event: &Event) -> Result<Option<Event>, AnchorError> {
        let renewed = self
            .identity
            .sign(event.body().clone())
            .map_err(sign_error)?;
        let journalled = self
            .identity
            .journal()
            .renew(&event.id(), renewed.encoded());
        Ok(journalled.map_err(Arc::new)?.then_some(renewed))
    }
}

fn sign_error(error: SdkError) -> AnchorError {
    AnchorError::Sign(Arc::new(error))
}

#[cfg(test)]
mod tests;
