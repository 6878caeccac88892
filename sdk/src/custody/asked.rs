//! Asking custodians, all at once, and again while their nodes are a block behind.

use super::circle::{Circle, CircleError, Seat};
use super::standing::proved::fresh_value;
use super::standing::{StandingError, Terms};
use crate::anchor::Sdk;
use crate::client::ClientError;
use crate::direct::{AddressBook, Ask, Certificate, LinkError, MAX_ANSWER};
use medanchor_ledger::event::{Custody, EventBody};
use medanchor_ledger::rules::Record;
use medanchor_ledger::{Height, RecordHandle};
use std::time::Duration;

/// How often a custodian is asked whose node has not seen what was just anchored, and after what pause.
pub(super) const TRIES: usize = 20;
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// Why a custodian did not do what it was asked.
pub(super) struct Unanswered {
    /// The stable code of its refusal; empty if it did not refuse.
    pub(super) code: String,
    /// What happened.
    pub(super) why: String,
}

impl Unanswered {
    fn before(error: &impl ToString) -> Self {
        let (code, why) = (String::new(), error.to_string());
        Self { code, why }
    }

    fn by(error: &LinkError) -> Self {
        let code = match error {
            LinkError::Refused { problem, .. } => problem.code.clone(),
            _ => String::new(),
        };
        let why = error.to_string();
        Self { code, why }
    }
}

impl From<Unanswered> for String {
    fn from(no: Unanswered) -> Self {
        no.why
    }
}

/// Runs `work` for each, all at once; gives the results in their order.
pub(super) fn at_once<T: Sync, R: Send>(
    each: &[T],
    work: impl Fn(&T) -> Result<R, String> + Sync,
) -> Vec<Result<R, String>> {
    std::thread::scope(|scope| {
        let work = &work;
        let start = |one| scope.spawn(move || work(one));
        let working: Vec<_> = each.iter().map(start).collect();
        let broke_off = |_| Err("a thread broke off".to_owned());
        let ended = working.into_iter();
        ended
            .map(|one| one.join().unwrap_or_else(broke_off))
            .collect()
    })
}

impl Sdk {
    /// What the ledger says now of a record of this participant's, and at which height.
    pub(super) fn own_record(
        &self,
        record: RecordHandle,
    ) -> Result<Option<(Record, Height)>, StandingError> {
        let key = Record::key(self.participant(), &record);
        let found = fresh_value::<Record>(self.client(), &key, &Terms::default())?;
        Ok(found.value.map(|state| (state, found.at.0)))
    }

    /// The custodians of every epoch up to `last` from the one that the record's newest version was
    /// sealed in.
    pub(super) fn circles_of<E: From<CircleError> + From<ClientError>>(
        &self,
        state: &Record,
        last: u32,
        book: &AddressBook,
    ) -> Result<Vec<Circle>, E> {
        let first = match self.client().event(&state.newest().event)?.body() {
            EventBody::RecordCustody(body) => body.custody.epoch(),
            EventBody::RecordSupersede(body) => body.custody.as_ref().map_or(1, Custody::epoch),
            _ => 1,
        };
        let each = (first..=last).map(|epoch| Circle::of_epoch(self.client(), book, epoch));
        Ok(each.collect::<Result<_, _>>()?)
    }

    /// Asks a custodian; again, for a while, if it refuses with the code `not_yet`.
    pub(super) fn ask_seat(
        &self,
        seat: &Seat,
        own: &Certificate,
        ask: Ask,
        body: &[u8],
        not_yet: &str,
    ) -> Result<Vec<u8>, Unanswered> {
        let link = seat.link(own, self.client().config());
        let link = link.map_err(|error| Unanswered::before(&error))?;
        let mut tries = 0;
        loop {
            let statement = self.state_to(link.name(), own, ask, body.to_vec());
            let statement = statement.map_err(|error| Unanswered::before(&error))?;
            tries += 1;
            match link.ask(ask, &statement, MAX_ANSWER) {
                Err(LinkError::Refused { problem, .. })
                    if problem.code == not_yet && tries < TRIES =>
                {
                    self.context().pause(PAUSE);
                }
                other => return other.map_err(|error| Unanswered::by(&error)),
            }
        }
    }
}
