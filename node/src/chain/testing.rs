//! The chain of a network with one validator, without engine, publishing thread and HTTP.

use super::executor::Executor;
use super::publish::{Inbox, Publisher};
use super::shared::{Part, Shared, Stop};
use crate::config::Config;
use crate::cosign::{Cosigners, CosigningKeys};
use crate::keys::{Purpose, SecretKey};
use crate::network::{Founding, Institution, Part as Runs, Ports};
use crate::pool::{Limits, Pool};
use bytes::Bytes;
use medanchor_ledger::rules::Role;
use medanchor_ledger::{Height, Round, Time};
use medanchor_network::Decided;
use medanchor_store::{Options, Store};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// The one validator.
pub(crate) struct Lone {
    pub(super) executor: Executor,
    pub(crate) shared: Arc<Shared>,
    pub(super) inbox: Inbox,
    pub(super) stopped: mpsc::UnboundedReceiver<Stop>,
    _folder: TempDir,
}

impl Lone {
    /// Founds the network and starts its executor.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (shared, stopped) = found(&folder);
        let (publisher, inbox) = Publisher::new();
        let mut executor = Executor::new(Arc::clone(&shared), publisher);
        executor.start().expect("started");
        Self {
            executor,
            shared,
            inbox,
            stopped,
            _folder: folder,
        }
    }

    /// Proposes an empty block and commits it.
    pub(crate) fn decide(&mut self, height: Height) {
        let round = Round(0);
        let proposal = self.executor.propose(height, round).expect("proposed");
        let proposal = proposal.expect("a block");
        let decided = Decided {
            height,
            round,
            value_id: proposal.value_id,
            body: proposal.body,
            certificate: Bytes::from_static(b"nobody reads it here"),
            synced: false,
        };
        self.executor.commit(&decided).expect("committed");
    }
}

fn found(folder: &TempDir) -> (Arc<Shared>, mpsc::UnboundedReceiver<Stop>) {
    let founding = Founding {
        name: "test".parse().expect("a name"),
        institutions: vec![Institution {
            name: "lone".parse().expect("a name"),
            roles: vec![Role::Hospital],
            part: Runs::Validator,
        }],
        publisher: None,
        ports: Ports::From(20_000),
        time: Time(1),
    };
    let layout = founding.found(folder.path()).expect("founded");
    let home = &layout.nodes[0].home;
    let config = Config::read(&home.config()).expect("read");
    let key = |purpose| SecretKey::read(&home.keys(), purpose).expect("a key");
    let keys = CosigningKeys {
        name: config.name.clone(),
        log: key(Purpose::Log),
        cosigner: key(Purpose::Cosigner),
        cose: key(Purpose::Cose),
    };
    let data = folder.path().join("lone");
    let replay = |_: &_, _: &_| Err("nothing was decided yet".into());
    let store = Store::open(&data, &layout.genesis, Options::default(), replay).expect("opened");
    let pool = Pool::new(Limits {
        events: 10,
        bytes: 10_000,
        participant_bytes: 10_000,
        peer_bytes: 10_000,
    });
    let (stop, stopped) = mpsc::unbounded_channel();
    let shared = Shared::new(
        layout.genesis,
        &config,
        Arc::new(store),
        pool,
        Cosigners::new(Some(keys)),
        Part::Votes,
        watch::channel(None).0,
        stop,
    );
    (Arc::new(shared), stopped)
}
