//! One event on its way, and many of them together.

use super::Sdk;
use super::error::{AnchorError, Refusal};
use crate::client::{Client, ClientError, Posted, Problem};
use crate::receipt::Anchored;
use medanchor_ledger::EventId;
use medanchor_ledger::event::{Event, EventKind};
use medanchor_ledger::rules::Rule;
use std::time::Duration;

/// How often one event is signed anew before the client gives up.
const MAX_RENEWALS: usize = 3;
/// After this long without news another node is asked.
const SILENCE_MILLIS: u64 = 15_000;
/// The pauses between rounds that bring no news.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// An event that is journalled, until it has a receipt or an error.
pub(super) struct Flight {
    event: Event,
    /// Ids under which the same statement was posted before.
    earlier: Vec<EventId>,
    stage: Stage,
    renewals: usize,
    /// The rule that it waits for, as a node said.
    waits_for: Option<String>,
}

enum Stage {
    /// To be posted, for the first time or again.
    ToPost,
    /// In a node's pool.
    Posted,
    /// At its end.
    Done(Box<Result<Anchored, AnchorError>>),
}

/// Posts the events that are to be posted. What goes wrong comes out when they are landed.
pub(super) fn post_all(flights: &mut [Flight], client: &Client) {
    let mut to_post: Vec<&mut Flight> = flights
        .iter_mut()
        .filter(|flight| matches!(flight.stage, Stage::ToPost))
        .collect();
    let events: Vec<&Event> = to_post.iter().map(|flight| &flight.event).collect();
    if events.is_empty() {
        return;
    }
    let results = client.post_batch(&events);
    for (flight, result) in to_post.iter_mut().zip(results) {
        flight.take_answer(result);
    }
}

/// Waits until every event has its receipt or its error, or patience ends.
pub(super) fn land(flights: &mut [Flight], sdk: &Sdk) {
    let client = sdk.client();
    let patience = u64::try_from(client.config().patience.as_millis()).unwrap_or(u64::MAX);
    let end = client.context().now().plus_millis(patience);
    let (mut pause, mut last_news) = (SHORTEST_PAUSE, client.context().now());
    loop {
        settle_refusals(flights, sdk);
        post_all(flights, client);
        let news = ask_round(flights, client);
        let now = client.context().now();
        if flights.iter().all(Flight::at_end) {
            return;
        }
        if now >= end {
            settle_refusals(flights, sdk);
            flights.iter_mut().for_each(Flight::give_up);
            return;
        }
        if news {
            (pause, last_news) = (SHORTEST_PAUSE, now);
            continue;
        }
        if now >= last_news.plus_millis(SILENCE_MILLIS) {
            // This node may be cut off, or keep what it accepted to itself.
            client.turn_to_next_node();
            last_news = now;
        }
        client.context().pause(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn settle_refusals(flights: &mut [Flight], sdk: &Sdk) {
    for flight in flights {
        flight.settle_refusal(sdk);
    }
}

/// Asks once for each receipt that is awaited; only one question waits at the node, since the others
/// are usually answered by then. True if one of them came to its end.
fn ask_round(flights: &mut [Flight], client: &Client) -> bool {
    let held = flights
        .iter()
        .position(|flight| flight.is_awaited() && flight.waits_for.is_none());
    let held = held.or_else(|| flights.iter().position(Flight::is_awaited));
    let awaited = flights
        .iter_mut()
        .enumerate()
        .skip(held.unwrap_or_default());
    let mut news = false;
    for (place, flight) in awaited.filter(|(_, flight)| flight.is_awaited()) {
        let answer = client.receipt(&flight.event, Some(place) == held);
        if matches!(answer, Err(ClientError::Unreachable(_))) {
            // It was accepted once: the node may come back as long as patience lasts.
            return news;
        }
        flight.take_answer(answer.map(|anchored| Posted::Anchored(Box::new(anchored))));
        news |= matches!(flight.stage, Stage::Done(_));
    }
    news
}

impl Flight {
    pub(super) const fn new(event: Event, earlier: Vec<EventId>) -> Self {
        Self {
            event,
            earlier,
            stage: Stage::ToPost,
            renewals: 0,
            waits_for: None,
        }
    }

    pub(super) const fn event(&self) -> &Event {
        &self.event
    }

    /// Posts the one event and lets the node hold its answer until there is a receipt.
    pub(super) fn post_waiting(&mut self, client: &Client) {
        let answer = client.post(&self.event, true);
        self.take_answer(answer);
    }

    fn take_answer(&mut self, answer: Result<Posted, ClientError>) {
        self.stage = match answer {
            Ok(Posted::Accepted { rule }) | Err(ClientError::Pending { rule }) => {
                self.waits_for = rule;
                Stage::Posted
            }
            Ok(Posted::Anchored(anchored)) => Stage::Done(Box::new(Ok(*anchored))),
            // The node lost its pool, or another node than before was asked: post it there too.
            Err(error) if error.has_code("not-found") => Stage::ToPost,
            Err(error) if error.problem().is_some_and(Problem::may_pass_later) => Stage::ToPost,
            Err(error) => Stage::Done(Box::new(Err(error.into()))),
        };
    }

    const fn is_awaited(&self) -> bool {
        matches!(self.stage, Stage::Posted)
    }

    fn at_end(&self) -> bool {
        match (&self.stage, self.node_error()) {
            (Stage::Done(_), Some(error)) => !self.has_remedy(error),
            (Stage::Done(_), None) => true,
            (Stage::ToPost | Stage::Posted, _) => false,
        }
    }

    fn node_error(&self) -> Option<&ClientError> {
        match &self.stage {
            Stage::Done(result) => match result.as_ref() {
                Err(AnchorError::Client(error)) => Some(error),
                _ => None,
            },
            Stage::ToPost | Stage::Posted => None,
        }
    }

    /// Whether `settle_refusal` will do something about this.
    fn has_remedy(&self, error: &ClientError) -> bool {
        let renewable = is_stale(error) && self.renewals < MAX_RENEWALS;
        renewable || error.problem().is_some_and(is_refusal)
    }

    fn give_up(&mut self) {
        if !self.at_end() {
            let (id, rule) = (self.event.id(), self.waits_for.take());
            self.stage = Stage::Done(Box::new(Err(AnchorError::Waiting { id, rule })));
        }
    }

    /// Looks behind a node's refusal: signs anew what came too late, and finds out whether what is
    /// refused as a repetition is this very statement.
    fn settle_refusal(&mut self, sdk: &Sdk) {
        let Some(error) = self.node_error().filter(|error| self.has_remedy(error)) else {
            return;
        };
        if is_stale(error) {
            self.renew(sdk);
        } else if let ClientError::Problem(problem) = error {
            let problem = Problem::clone(problem);
            self.stage = Stage::Done(Box::new(self.judge(problem, sdk.client())));
        }
    }

    fn renew(&mut self, sdk: &Sdk) {
        match sdk.renewed(&self.event) {
            Ok(Some(event)) => {
                self.earlier.push(self.event.id());
                self.event = event;
                self.renewals += 1;
                self.stage = Stage::ToPost;
            }
            // Another thread has taken it up; ask what became of it.
            Ok(None) => self.stage = Stage::Posted,
            Err(error) => self.stage = Stage::Done(Box::new(Err(error))),
        }
    }

    fn judge(&self, problem: Problem, client: &Client) -> Result<Anchored, AnchorError> {
        let winner = problem.winner.map(|id| winner(&id, client));
        match winner {
            Some(Ok(mut winner)) if self.is_mine(&winner) => {
                winner.earlier = true;
                Ok(winner)
            }
            // It is mine, and only its receipt is missing: nothing is settled yet.
            Some(Err(error)) if problem.winner.is_some_and(|id| self.has_id(&id)) => {
                Err(error.into())
            }
            winner => {
                let (event, winner) = (self.event.id(), winner.and_then(Result::ok));
                Err(AnchorError::Refused(Box::new(Refusal {
                    event,
                    problem,
                    winner,
                })))
            }
        }
    }

    fn has_id(&self, id: &EventId) -> bool {
        self.event.id() == *id || self.earlier.contains(id)
    }

    /// Whether `winner` is this statement: posted under an id it had before, or of a kind that is said
    /// once and the same from the same participant.
    fn is_mine(&self, winner: &Anchored) -> bool {
        let same = winner.event().issuer() == self.event.issuer()
            && winner.event().body() == self.event.body();
        self.has_id(&winner.id()) || is_said_once(self.event.kind()) && same
    }

    /// The id to be struck from the journal, if this needs no further work.
    pub(super) fn settled(&self) -> Option<EventId> {
        let Stage::Done(result) = &self.stage else {
            return None;
        };
        let settled = matches!(result.as_ref(), Ok(_) | Err(AnchorError::Refused(_)));
        settled.then(|| self.event.id())
    }

    /// Whether it is anchored, and the ledger takes it for what it is if it is posted again, however late. What
    /// was refused might be anchored then, after somebody was told that it never would be.
    pub(super) fn may_be_posted_again(&self) -> bool {
        let anchored = matches!(&self.stage, Stage::Done(result) if result.is_ok());
        anchored && is_said_once(self.event.kind())
    }

    pub(super) fn into_result(self) -> Result<Anchored, AnchorError> {
        let id = self.event.id();
        match self.stage {
            Stage::Done(result) => *result,
            Stage::ToPost | Stage::Posted => Err(AnchorError::Waiting {
                id,
                rule: self.waits_for,
            }),
        }
    }
}

/// Whether the event's time has passed, as the door says it or as the rules do.
fn is_stale(error: &ClientError) -> bool {
    let expired = |problem: &Problem| problem.rule.as_deref() == Some(Rule::EventExpired.code());
    error.has_code("stale") || error.problem().is_some_and(expired)
}

fn is_refusal(problem: &Problem) -> bool {
    problem.code == "rule-broken"
}

/// Whether two events of this kind with one body are one statement: it makes something, or names a
/// version, a request or a place in a journal of which there is one. Moving a unit twice is two
/// statements even if they read the same.
const fn is_said_once(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::GovernancePropose
            | EventKind::GovernanceApprove
            | EventKind::RecordSeal
            | EventKind::RecordCustody
            | EventKind::RecordSupersede
            | EventKind::RecordErase
            | EventKind::RecordReshare
            | EventKind::ConsentGrant
            | EventKind::ConsentEnd
            | EventKind::AccessRequest
            | EventKind::AccessBreakGlass
            | EventKind::AccessReview
            | EventKind::AccessEmergency
            | EventKind::PrescriptionIssue
            | EventKind::LotOpen
    )
}

/// The event that won, with its receipt.
fn winner(id: &EventId, client: &Client) -> Result<Anchored, ClientError> {
    let event = client.event(id)?;
    client.receipt(&event, true)
}
