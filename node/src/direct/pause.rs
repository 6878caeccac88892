//! How a service waits between what it does by itself.

use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often the end of the service is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// Waits so long, or until `stop`.
pub(super) fn pause(length: Duration, stop: &CancellationToken) {
    let began = Instant::now();
    while began.elapsed() < length && !stop.is_cancelled() {
        std::thread::sleep(LOOK.min(length));
    }
}
