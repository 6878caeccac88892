//! The source of a mirror: asked again where it fails or what it gives does not hold.
//!
//! What always holds: nothing is given back that the caller's check did not accept; a source is asked
//! a bounded number of times, with longer pauses between.

use crate::fault::{Failure, Fault, Trouble};
use crate::source::Source;
use crate::stop::Stop;
use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A source, and how patient the mirror is with it.
pub(crate) struct Remote {
    pub(crate) source: Box<dyn Source>,
    /// How often a request is repeated.
    pub(crate) retries: u32,
    pub(crate) stop: Stop,
}

impl Remote {
    /// Does `once` until it succeeds, at most as often as the user allows.
    pub(crate) fn attempt<T>(
        &self,
        mut once: impl FnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut pause = FIRST_PAUSE;
        for left in (0..=self.retries).rev() {
            let failure = match once() {
                Ok(found) => return Ok(found),
                Err(failure) => failure,
            };
            if left == 0 || !may_pass(&failure) {
                return Err(failure);
            }
            if self.stop.wait(pause) {
                return Err(Trouble::Stopped.into());
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(Trouble::Stopped.into())
    }

    /// A file that `check` accepts; `full` is the path of the file that replaces it some day.
    pub(crate) fn file<T>(
        &self,
        path: &str,
        full: &str,
        limit: u64,
        check: impl Fn(&[u8]) -> Result<T, Fault>,
    ) -> Result<T, Failure> {
        self.attempt(|| {
            let found = match self.source.read(path, limit)? {
                None if full != path => self.source.read(full, limit)?,
                found => found,
            };
            let missing = || Fault::Missing {
                path: path.to_owned(),
            };
            Ok(check(&found.ok_or_else(missing)?)?)
        })
    }
}

/// A fork stays one, and so does what the user asked for; all else may be a server's bad moment.
const fn may_pass(failure: &Failure) -> bool {
    !matches!(
        failure,
        Failure::Fault(
            Fault::Fork { .. }
                | Fault::Rollback { .. }
                | Fault::ChainsPart { .. }
                | Fault::OtherNetwork { .. }
        ) | Failure::Trouble(Trouble::Stopped | Trouble::Work(_) | Trouble::Mirror(_))
    )
}
