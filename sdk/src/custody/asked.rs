//! Asking custodians, all at once, and again while their nodes are a block behind.

use super::circle::Seat;
use crate::anchor::Sdk;
use crate::direct::{Ask, Certificate, LinkError, MAX_ANSWER};
use std::time::Duration;

/// How often a custodian is asked whose node has not seen what was just anchored, and after what pause.
pub(super) const TRIES: usize = 20;
pub(super) const PAUSE: Duration = Duration::from_millis(250);

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
    /// Asks a custodian; again, for a while, if it refuses with the code `not_yet`.
    pub(super) fn ask_seat(
        &self,
        seat: &Seat,
        own: &Certificate,
        ask: Ask,
        body: &[u8],
        not_yet: &str,
    ) -> Result<Vec<u8>, String> {
        let link = seat.link(own, self.client().config());
        let link = link.map_err(|error| error.to_string())?;
        let mut tries = 0;
        loop {
            let statement = self.state_to(link.name(), own, ask, body.to_vec());
            let statement = statement.map_err(|error| error.to_string())?;
            tries += 1;
            match link.ask(ask, &statement, MAX_ANSWER) {
                Err(LinkError::Refused { problem, .. })
                    if problem.code == not_yet && tries < TRIES =>
                {
                    self.context().pause(PAUSE);
                }
                other => return other.map_err(|error| error.to_string()),
            }
        }
    }
}
