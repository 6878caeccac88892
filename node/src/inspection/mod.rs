//! Random outputs for inspections: a validator's node gives its own by itself.
//!
//! What always holds: the node signs with its operational key, which the rules accept for this alone;
//! an output follows from the key and the ledger, and its event from the output, so that doing it
//! again after a crash posts the same bytes; while no draw runs, nothing is posted and no block is
//! made. The keys are registered once, by an event that the institution signed beforehand.

pub mod registration;

use crate::admission::{Admission, Admitted};
use crate::chain::Shared;
use crate::home::Home;
use crate::keys::{KeyError, Purpose, SecretKey};
use bytes::Bytes;
use medanchor_ledger::event::{Event, InspectionKey, InspectionOutput, UnsignedEvent};
use medanchor_ledger::execute::{Head, View};
use medanchor_ledger::rules::inspection::RunningDraw;
use medanchor_ledger::rules::{DrawKey, Inspection, RunningDraws, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::vrf::VrfSecretKey;
use medanchor_ledger::{Nonce, ReadFailed, Time, sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// How often is looked what there is to do, beside after every block.
const LOOK: Duration = Duration::from_secs(1);

/// The keys with which a node gives random outputs.
pub struct DrawKeys {
    vrf: VrfSecretKey,
    operational: SecretKey,
}

impl DrawKeys {
    /// Reads the keys in a home; none if it was made without.
    ///
    /// # Errors
    /// [`KeyError`] if one of the two is missing or a file cannot be used.
    pub fn read(home: &Home) -> Result<Option<Self>, KeyError> {
        let keys = home.keys();
        let purposes = [Purpose::Vrf, Purpose::Inspection];
        if purposes.iter().all(|purpose| !purpose.path(&keys).exists()) {
            return Ok(None);
        }
        let seed = SecretKey::read(&keys, Purpose::Vrf)?.seed();
        Ok(Some(Self {
            vrf: VrfSecretKey::from_seed(&seed),
            operational: SecretKey::read(&keys, Purpose::Inspection)?,
        }))
    }

    /// Makes the keys that a home lacks.
    ///
    /// # Errors
    /// [`KeyError`] if the system refuses.
    pub fn make(home: &Home) -> Result<(), KeyError> {
        for purpose in [Purpose::Vrf, Purpose::Inspection] {
            if !purpose.path(&home.keys()).exists() {
                SecretKey::generate(purpose)?.write(&home.keys())?;
            }
        }
        Ok(())
    }

    /// The public halves, as they are registered.
    #[must_use]
    pub fn public(&self) -> InspectionKey {
        InspectionKey {
            vrf: self.vrf.public_key(),
            operational: self.operational.public(),
        }
    }
}

/// Gives this node's outputs.
pub struct Contributor {
    shared: Arc<Shared>,
    admission: Admission,
    home: Home,
    keys: DrawKeys,
    /// Whether it was said that other keys are registered than those in the home.
    told: AtomicBool,
}

impl Contributor {
    /// A contributor with the keys of `home`.
    #[must_use]
    pub const fn new(
        shared: Arc<Shared>,
        admission: Admission,
        home: Home,
        keys: DrawKeys,
    ) -> Self {
        Self {
            shared,
            admission,
            home,
            keys,
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
        let own = self.keys.public();
        if (registered.vrf, registered.operational) != (own.vrf, own.operational) {
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    keys = %self.home.keys().display(),
                    "the ledger knows other keys for this node's random outputs; put vrf.key and inspection.key back from the back-up"
                );
            }
            return Ok(Vec::new());
        }
        let running: Option<RunningDraws> = read(view, &RunningDraws::key())?;
        let mut events = Vec::new();
        for draw in running.unwrap_or_default().0 {
            let key = Inspection::key(&draw.opener, &draw.inspection);
            let inspection: Option<Inspection> = read(view, &key)?;
            let inspection = inspection.filter(|inspection| {
                now <= inspection.outputs_by
                    && registered.registered.index < inspection.opened.index
                    && !inspection.outputs.contains_key(&self.shared.name)
            });
            if let Some(inspection) = inspection {
                events.extend(self.output(view.head(), &draw, &inspection));
            }
        }
        Ok(events)
    }

    /// The event that carries this node's output: the same bytes whenever it is asked for.
    fn output(&self, head: &Head, draw: &RunningDraw, inspection: &Inspection) -> Option<Event> {
        let newest = (inspection.height == head.height).then_some(head.seal_hash);
        let seal = inspection.seal.or(newest)?;
        let input = inspection.input(head.network, &draw.opener, draw.inspection, seal);
        let input = input.of(&self.shared.name);
        let proof = self.keys.vrf.prove(&input)?;
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
        event.sign(self.keys.operational.signing_key()).ok()
    }
}

fn read<T: StateValue>(view: &impl View, key: &StateKey) -> Result<Option<T>, ReadFailed> {
    let value = view.value(key)?;
    let decoded = value.map(|bytes| T::decode(&bytes)).transpose();
    decoded.map_err(|fault| ReadFailed(Box::new(fault)))
}
