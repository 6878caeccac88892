//! The node as the ordering engine sees it: a door to the executing thread.

use super::executor::Executor;
use super::publish::Publisher;
use super::shared::Shared;
use crate::admission::Admission;
use bytes::Bytes;
use medanchor_ledger::cosignature::Cosignature;
use medanchor_ledger::{Height, Round};
use medanchor_network::{
    Application, Checked, Decided, DecidedBlock, Failure, HeightPlan, Misbehaviour, PeerKey,
    Proposal, Received, Stored, Twin,
};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

type Job = Box<dyn FnOnce(&mut Executor) + Send>;

/// What the ordering engine talks to.
pub struct Chain {
    shared: Arc<Shared>,
    admission: Admission,
    publisher: Publisher,
    /// None ends the thread.
    jobs: mpsc::UnboundedSender<Option<Job>>,
}

impl Chain {
    /// Starts the executing thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        shared: Arc<Shared>,
        admission: Admission,
        publisher: Publisher,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, mut waiting) = mpsc::unbounded_channel::<Option<Job>>();
        let mut executor = Executor::new(Arc::clone(&shared), publisher.clone());
        let thread = std::thread::Builder::new()
            .name("execute".into())
            .spawn(move || {
                while let Some(Some(job)) = waiting.blocking_recv() {
                    job(&mut executor);
                }
            })?;
        Ok((
            Self {
                shared,
                admission,
                publisher,
                jobs,
            },
            thread,
        ))
    }

    /// Ends the executing and the publishing thread once they have done what they were given.
    pub fn stop(&self) {
        let _ = self.jobs.send(None);
        self.publisher.stop();
    }

    /// Does `work` on the executing thread.
    async fn execute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Executor) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |executor| {
            // Nobody waits any more when the engine has stopped.
            let _ = reply.send(work(executor));
        });
        let ended = || Failure::new("the executing thread has ended");
        self.jobs.send(Some(job)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

impl Application for Chain {
    async fn start(&self) -> Result<HeightPlan, Failure> {
        self.execute(Executor::start).await
    }

    async fn propose(&self, height: Height, round: Round) -> Result<Option<Proposal>, Failure> {
        self.execute(move |executor| executor.propose(height, round))
            .await
    }

    async fn check(&self, received: Received) -> Result<Checked, Failure> {
        self.execute(move |executor| executor.check(&received))
            .await
    }

    async fn undecided(&self, height: Height) -> Result<Vec<Stored>, Failure> {
        self.execute(move |executor| executor.undecided(height))
            .await
    }

    async fn commit(&self, decided: Decided) -> Result<HeightPlan, Failure> {
        self.execute(move |executor| executor.commit(&decided))
            .await
    }

    async fn prepare(&self, height: Height) -> Result<(), Failure> {
        self.execute(move |executor| executor.prepare(height)).await
    }

    async fn decided(&self, first: Height, count: usize) -> Result<Vec<DecidedBlock>, Failure> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || {
            let mut blocks = Vec::new();
            for height in (first.0..).take(count) {
                let Some(block) = shared.store.block(Height(height))? else {
                    break;
                };
                blocks.push(DecidedBlock {
                    height: Height(height),
                    body: block.body.into(),
                    certificate: block.certificate.into(),
                });
            }
            Ok(blocks)
        });
        let ended = |_| Failure::new("the reading task has ended");
        read.await
            .map_err(ended)?
            .map_err(|error: medanchor_store::StoreError| {
                self.shared.fail(crate::run::storage_fatal(&error));
                Failure(Box::new(error))
            })
    }

    fn oldest(&self) -> Height {
        Height(1)
    }

    fn has_work(&self) -> bool {
        self.shared.pool().has_work()
    }

    async fn events(&self, from: PeerKey, events: Vec<Bytes>) {
        self.admission.submit_from(from, events).await;
    }

    async fn cosignature(&self, from: PeerKey, cosignature: Bytes) {
        let record = match Cosignature::decode(&cosignature) {
            Ok(record) => record,
            Err(error) => {
                tracing::warn!(peer = %from, %error, "a peer sent no cosignature");
                return;
            }
        };
        if record.validator == self.shared.name && self.shared.votes {
            // An echo of what this node signed is fine; what it never signed is not.
            let genesis = &self.shared.genesis;
            let (origin, set) = (genesis.origin(), genesis.validators());
            if self.shared.cosigners().is_of_twin(origin, set, &record) {
                self.shared.keep_evidence("own-key-elsewhere", &cosignature);
                self.shared.duplicate_key();
            }
            return;
        }
        let gathered = self.shared.cosigners().received(from, &record);
        self.shared.keep_forks(&gathered.forks);
        if let Some(quorum) = gathered.quorum {
            self.publisher.quorum(quorum);
        }
        if let Some(network) = self.shared.network.get() {
            for record in gathered.answer {
                // Whoever still lacks it asks again.
                let _ = network.send_cosignature_to(from, record.encode().into());
            }
        }
    }

    async fn peer_connected(&self, peer: PeerKey) {
        let Some(network) = self.shared.network.get() else {
            return;
        };
        let records = {
            let cosigners = self.shared.cosigners();
            let mut records = cosigners.latest_quorum();
            records.extend(cosigners.own_missing());
            records
        };
        for record in records {
            // Another tick sends again what finds no room.
            let _ = network.send_cosignature_to(peer, record.encode().into());
        }
        super::tasks::send_events_to(&self.shared, peer);
    }

    async fn twin(&self, proof: Twin) {
        let statement = [&proof.statement[..], &proof.signature].concat();
        self.shared.keep_evidence("own-key-elsewhere", &statement);
        self.shared.duplicate_key();
    }

    async fn misbehaviour(&self, proof: Misbehaviour) {
        tracing::error!(
            validator = %proof.validator, height = %proof.height, round = %proof.round,
            "a validator signed two things where it may sign one"
        );
        metrics::counter!("medanchor_misbehaviour_total").increment(1);
        for (signed, signature) in &proof.statements {
            let statement = [&signed[..], &signature[..]].concat();
            self.shared.keep_evidence("double-signed", &statement);
        }
        if proof.validator == self.shared.name && self.shared.votes {
            self.shared.duplicate_key();
        }
    }
}
