//! Between two heights: what the next one waits for (ENGINE rule 5).
//!
//! What always holds: the next height never starts before the last one is committed, its candidate
//! prepared and the engine has finalized it (rule 17); a node that was behind does not pause at all,
//! since it would stay behind for ever.

use super::context::Medanchor;
use crate::HeightPlan;
use arc_malachitebft_app_channel::Reply;
use arc_malachitebft_app_channel::app::engine::host::Next;
use tokio::time::Instant;

/// See the module.
pub struct Pause {
    /// The plan of the next height, once the decided one is committed.
    pub plan: Option<HeightPlan>,
    /// Whether the next candidate is ready.
    pub prepared: bool,
    /// The engine's question what to do next.
    pub finalized: Option<Reply<Next<Medanchor>>>,
    /// Whether only work, a wake or the heartbeat is missing.
    pub idle: bool,
    /// The heartbeat.
    pub until: Instant,
    synced: bool,
}

impl Pause {
    /// Begins with a decision; `until` is when the next height starts whatever happens.
    pub fn new(synced: bool, until: Instant) -> Self {
        Self {
            plan: None,
            prepared: false,
            finalized: None,
            idle: false,
            until,
            synced,
        }
    }

    /// Whether the next height can start.
    pub fn ready(&self) -> bool {
        self.plan.is_some() && self.prepared && self.finalized.is_some()
    }

    /// Whether it must start even though nobody has work.
    pub fn due(&self, now: Instant) -> bool {
        self.synced || now >= self.until
    }

    /// What is needed to start it, once.
    pub fn take(&mut self) -> Option<(HeightPlan, Reply<Next<Medanchor>>)> {
        if !self.ready() {
            return None;
        }
        Some((self.plan.take()?, self.finalized.take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::Height;
    use std::time::Duration;
    use tokio::sync::oneshot;

    fn ready(synced: bool, until: Instant) -> Pause {
        let mut pause = Pause::new(synced, until);
        pause.plan = Some(HeightPlan {
            height: Height(2),
            proposers: Vec::new(),
        });
        pause.prepared = true;
        pause.finalized = Some(oneshot::channel().0);
        pause
    }

    #[tokio::test]
    async fn rule_5_a_pause_ends_with_the_heartbeat() {
        let now = Instant::now();
        let pause = ready(false, now + Duration::from_secs(10));
        assert!(!pause.due(now));
        assert!(pause.due(now + Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn rule_5_there_is_no_pause_after_a_height_that_was_synced() {
        let now = Instant::now();
        assert!(ready(true, now + Duration::from_secs(10)).due(now));
    }

    #[tokio::test]
    async fn rule_17_a_height_starts_only_after_commit_prepare_and_finalize() {
        let now = Instant::now();
        let mut missing = [ready(true, now), ready(true, now), ready(true, now)];
        missing[0].plan = None;
        missing[1].prepared = false;
        missing[2].finalized = None;
        assert!(missing.iter_mut().all(|pause| pause.take().is_none()));
        let mut pause = ready(true, now);
        assert!(pause.take().is_some());
        assert!(pause.take().is_none(), "once");
    }
}
