//! Random outputs for inspections: a validator's node gives its own by itself.
//!
//! What always holds: the node signs with its operational key, which the rules accept for this alone;
//! an output follows from the key and the ledger, and its event from the output, so that doing it
//! again after a crash posts the same bytes; while no draw runs, nothing is posted and no block is
//! made. The first keys are registered by an event that the institution signed beforehand; keys that
//! replace them are taken up when the ledger names them, and a draw is served by those that were there
//! before it.

pub(crate) mod keys;
pub mod registration;

pub use keys::DrawKeys;

use crate::admission::{Admission, Admitted};
use crate::chain::Shared;
use crate::home::Home;
use crate::keys::{KeyError, SecretKey};
use bytes::Bytes;
use keys::KeyRing;
use medanchor_ledger::event::{Event, InspectionOutput, UnsignedEvent};
use medanchor_ledger::execute::{Head, View};
use medanchor_ledger::rules::inspection::RunningDraw;
use medanchor_ledger::rules::{DrawKey, Inspection, RunningDraws, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::vrf::VrfSecretKey;
use medanchor_ledger::{Nonce, ReadFailed, Time, sha256};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// How often is looked what there is to do, beside after every block.
const LOOK: Duration = Duration::from_secs(1);

/// How old the newest block may be for the node to say that its keys are not those of the ledger: one that
/// catches up meets keys that were replaced since.
const RECENT_MILLIS: u64 = 60_000;

/// Gives this node's outputs.
pub struct Contributor {
    shared: Arc<Shared>,
    admission: Admission,
    home: Home,
    keys: Mutex<KeyRing>,
    /// Whether it was said that the home lacks the keys that are registered, or that they cannot be used.
    told: AtomicBool,
}

impl Contributor {
    /// A contributor with the keys of `home`.
    #[must_use]
    pub(crate) const fn new(
        shared: Arc<Shared>,
        admission: Admission,
        home: Home,
        keys: KeyRing,
    ) -> Self {
        Self {
            shared,
            admission,
            home,
            keys: Mutex::new(keys),
            told: AtomicBool::new(false),
        }
    }

    /// Gives outputs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let contributor = Arc::new(self);
        let mut blocks = contributor.shared.blocks.subscribe();
        let mut clock = tokio::time::interval(LOOK);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = clock.tick() => {}
                block = blocks.recv() => if matches!(block, Err(RecvError::Closed)) { return },
            }
            let looking = Arc::clone(&contributor);
            match tokio::task::spawn_blocking(move || looking.due()).await {
                Ok(Ok(events)) => contributor.post(events).await,
                Ok(Err(error)) => {
                    tracing::error!(%error, "the state cannot be read; no random outputs are given");
                    return;
                }
                // The runtime is going down.
                Err(_) => return,
            }
        }
    }

    async fn post(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let bytes = |event: &Event| Bytes::copy_from_slice(event.encoded());
        let Some(answers) = self
            .admission
            .submit(events.iter().map(bytes).collect())
            .await
        else {
            // Too much waits to be checked; the next look tries again.
            return;
        };
        for (event, answer) in events.iter().zip(answers) {
            match answer {
                Admitted::Pooled(id) => tracing::info!(kind = %event.kind(), %id, "posted"),
                Admitted::Refused(_, refused) => {
                    tracing::debug!(kind = %event.kind(), %refused, "not taken; tried again");
                }
                Admitted::Known(_) | Admitted::Anchored(..) => {}
            }
        }
    }

    /// What this node has to say now and is in no pool yet.
    fn due(&self) -> Result<Vec<Event>, ReadFailed> {
        let view = self.shared.store.view();
        let now = Shared::clock().max(view.head().time);
        let found = match read::<DrawKey>(&view, &DrawKey::key(&self.shared.name))? {
            Some(registered) => self.outputs(&view, now, &registered)?,
            None => registration::in_time(&self.home, now).into_iter().collect(),
        };
        let pool = self.shared.pool();
        Ok(found
            .into_iter()
            .filter(|event| !pool.contains(&event.id()))
            .collect())
    }

    fn outputs(
        &self,
        view: &impl View,
        now: Time,
        registered: &DrawKey,
    ) -> Result<Vec<Event>, ReadFailed> {
        let mut ring = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.follow(&mut ring, view.head().time, registered);
        let running: Option<RunningDraws> = read(view, &RunningDraws::key())?;
        let mut events = Vec::new();
        for draw in running.unwrap_or_default().0 {
            let key = Inspection::key(&draw.opener, &draw.inspection);
            let inspection: Option<Inspection> = read(view, &key)?;
            let inspection = inspection.filter(|inspection| {
                now <= inspection.outputs_by && !inspection.outputs.contains_key(&self.shared.name)
            });
            if let Some(inspection) = inspection {
                let serving = registered.serving(inspection.opened.index);
                let keys = serving.and_then(|serving| ring.find(serving));
                let given = keys.map(|keys| self.output(keys, view.head(), &draw, &inspection));
                events.extend(given.flatten());
            }
        }
        Ok(events)
    }

    /// Goes over to the keys that the ledger names at block time `time`, and says what stands against it.
    fn follow(&self, ring: &mut KeyRing, time: Time, registered: &DrawKey) {
        let recent = Shared::clock() < time.plus_millis(RECENT_MILLIS);
        match self.take_up(ring, time, registered) {
            Ok(true) => self.told.store(false, Ordering::Relaxed),
            _ if !recent || self.told.swap(true, Ordering::Relaxed) => {}
            Ok(false) => tracing::error!(
                keys = %self.home.keys().display(),
                "the ledger knows other keys for this node's random outputs; put vrf.key and inspection.key back from the back-up, or replace them with `medanchor key replace`"
            ),
            Err(error) => tracing::error!(%error, "the keys for random outputs cannot be used"),
        }
    }

    /// Reads the registered keys if the home has them, and puts them in their place when no draw takes an
    /// output under those before. Gives whether they are here.
    fn take_up(
        &self,
        ring: &mut KeyRing,
        time: Time,
        registered: &DrawKey,
    ) -> Result<bool, KeyError> {
        if ring.find(&registered.keys).is_none() {
            *ring = KeyRing::read(&self.home)?;
        }
        let replaced = registered.replaced.as_ref();
        let serves = replaced.is_some_and(|replaced| time <= replaced.until);
        if !serves && keys::settle(&self.home, &registered.keys)? {
            *ring = KeyRing::read(&self.home)?;
            let number = registered.number;
            tracing::info!(number, "the keys for random outputs were replaced");
        }
        Ok(ring.find(&registered.keys).is_some())
    }

    /// The event that carries this node's output: the same bytes whenever it is asked for.
    fn output(
        &self,
        (vrf, operational): (&VrfSecretKey, &SecretKey),
        head: &Head,
        draw: &RunningDraw,
        inspection: &Inspection,
    ) -> Option<Event> {
        let newest = (inspection.height == head.height).then_some(head.seal_hash);
        let seal = inspection.seal.or(newest)?;
        let input = inspection.input(head.network, &draw.opener, draw.inspection, seal);
        let input = input.of(&self.shared.name);
        let proof = vrf.prove(&input)?;
        let nonce = sha256(&[b"medanchor/output-nonce/v1", &input]);
        let event = UnsignedEvent {
            issuer: self.shared.name.clone(),
            network: head.network,
            nonce: Nonce::new(std::array::from_fn(|n| nonce[n])),
            not_after: inspection.outputs_by,
            body: InspectionOutput {
                opener: draw.opener.clone(),
                inspection: draw.inspection,
                proof,
            }
            .into(),
        };
        event.sign(operational.signing_key()).ok()
    }
}

fn read<T: StateValue>(view: &impl View, key: &StateKey) -> Result<Option<T>, ReadFailed> {
    let value = view.value(key)?;
    let decoded = value.map(|bytes| T::decode(&bytes)).transpose();
    decoded.map_err(|fault| ReadFailed(Box::new(fault)))
}
