//! The demo's network: a folder, four node processes, seven institutions with their SDKs.
//!
//! What always holds: every node is a process of its own, and none outlives the [`World`].

use super::audit;
use super::cast::{self, CAST, Player};
use super::interrupt::Running;
use super::stage::Stage;
use crate::home::Home;
use crate::network::{Founding, Layout, Ports};
use crate::process::{Addresses, NodeProcess, ProcessError, start_again};
use anyhow::{Context, bail};
use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::{Client, Identity, Sdk};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a node may take to start or to catch up.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often the founders look for other ports when somebody else was quicker.
const PORT_TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The network of the demo.
pub struct World {
    /// Its folder.
    pub layout: Layout,
    binary: PathBuf,
    running: Running,
    nodes: Mutex<BTreeMap<ParticipantName, NodeProcess>>,
    urls: BTreeMap<ParticipantName, String>,
    sdks: BTreeMap<ParticipantName, Arc<Sdk>>,
}

impl World {
    /// Founds the network in `dir`, starts its nodes and opens every institution's SDK.
    pub fn found(dir: &Path, now: Time, running: Running, stage: &Stage) -> anyhow::Result<Self> {
        let founding = Founding {
            name: "medanchor.demo".parse()?,
            institutions: cast::institutions()?,
            publisher: None,
            ports: Ports::Free,
            time: now,
        };
        let layout = founding.found(dir)?;
        let binary = std::env::current_exe().context("cannot find this program's own file")?;
        let mut world = Self {
            layout,
            binary,
            running,
            nodes: Mutex::default(),
            urls: BTreeMap::new(),
            sdks: BTreeMap::new(),
        };
        world.start_all(stage)?;
        world.open_sdks()?;
        Ok(world)
    }

    fn start_all(&mut self, stage: &Stage) -> anyhow::Result<()> {
        for _ in 0..PORT_TRIES {
            match self.try_start_all(stage) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_port_in_use() => {
                    self.stop_all();
                    self.layout.choose_other_ports()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        bail!(
            "somebody takes the free ports of this machine faster than the demo can use them; try again"
        )
    }

    fn try_start_all(&mut self, stage: &Stage) -> Result<(), ProcessError> {
        stage.reach(0);
        for node in &self.layout.nodes {
            let process = self.start(&node.home)?;
            self.lock().insert(node.name.clone(), process);
        }
        for (name, process) in self.nodes.get_mut().unwrap_or_else(PoisonError::into_inner) {
            let addresses = process.wait_until_listening(PATIENCE)?;
            self.urls.insert(name.clone(), addresses.url());
            stage.step();
        }
        Ok(())
    }

    fn start(&self, home: &Home) -> Result<NodeProcess, ProcessError> {
        let start = || NodeProcess::spawn(&self.binary, home, &[]);
        self.running.start(start, NodeProcess::pid)
    }

    fn open_sdks(&mut self) -> anyhow::Result<()> {
        CAST.iter().try_for_each(|player| self.open_sdk(player))
    }

    fn open_sdk(&mut self, player: &Player) -> anyhow::Result<()> {
        let (own, host) = (cast::name(player.name)?, cast::name(player.posts_at)?);
        let identity = Identity::open(&self.identity(player))?;
        let url = self.urls.get(&host).context("a member has no node")?;
        let sdk = Sdk::new(identity, [url.as_str()])?;
        self.sdks.insert(own, Arc::new(sdk));
        Ok(())
    }

    fn identity(&self, player: &Player) -> PathBuf {
        self.layout.dir.join(player.name).join("identity")
    }

    /// Gives an institution's vault a fresh key, as `medanchor vault erase` does at its end: back-ups of
    /// wrapped keys that were made before do not open with it.
    pub fn renew_vault_key(&mut self, name: &str) -> anyhow::Result<()> {
        let player = CAST.iter().find(|one| one.name == name);
        let player = player.context("no such institution")?;
        // The vault is renewed while nobody has it open.
        self.sdks.remove(&cast::name(name)?);
        Identity::renew_vault_key(&self.identity(player))?;
        self.open_sdk(player)
    }

    /// An institution's SDK.
    pub fn sdk(&self, name: &ParticipantName) -> anyhow::Result<&Sdk> {
        let sdk = self.sdks.get(name).map(AsRef::as_ref);
        sdk.with_context(|| format!("{name} does not take part"))
    }

    /// An institution's SDK, for a service that answers beside the story.
    pub fn shared_sdk(&self, name: &ParticipantName) -> anyhow::Result<Arc<Sdk>> {
        let sdk = self.sdks.get(name).cloned();
        sdk.with_context(|| format!("{name} does not take part"))
    }

    /// This program, which is every process of the demo.
    pub fn program(&self) -> &Path {
        &self.binary
    }

    /// The processes that a signal to the demo stops.
    pub const fn running(&self) -> &Running {
        &self.running
    }

    /// An institution's SDK, by the name in the cast.
    pub fn player(&self, name: &str) -> anyhow::Result<&Sdk> {
        self.sdk(&cast::name(name)?)
    }

    /// The nodes' base URLs.
    pub const fn urls(&self) -> &BTreeMap<ParticipantName, String> {
        &self.urls
    }

    /// One node's base URL.
    pub fn url(&self, node: &str) -> anyhow::Result<&str> {
        let url = self.urls.get(&cast::name(node)?);
        Ok(url.context("no such node")?)
    }

    /// Lets go of every institution's SDK: one process at a time may hold an identity.
    pub fn close_identities(&mut self) {
        self.sdks.clear();
    }

    /// A client of one node that believes the network's policy.
    pub fn client(&self, node: &str) -> anyhow::Result<Client> {
        Ok(Client::new(
            [self.url(node)?],
            self.player(cast::HOSPITAL)?.policy().clone(),
        )?)
    }

    /// Ends a node at once, as a power cut would.
    pub fn kill(&self, node: &str) -> anyhow::Result<()> {
        let process = self
            .lock()
            .remove(&cast::name(node)?)
            .context("the node does not run")?;
        let pid = process.pid();
        process.kill();
        self.running.remove(pid);
        Ok(())
    }

    /// Starts a node again on its home and waits until it listens.
    pub fn restart(&self, node: &str) -> anyhow::Result<Addresses> {
        let name = cast::name(node)?;
        let home = self
            .layout
            .nodes
            .iter()
            .find(|one| one.name == name)
            .context("no such node")?;
        let (process, addresses) = start_again(PATIENCE, || self.start_and_wait(&home.home))?;
        self.lock().insert(name, process);
        Ok(addresses)
    }

    fn start_and_wait(&self, home: &Home) -> Result<(NodeProcess, Addresses), ProcessError> {
        let mut process = self.start(home)?;
        match process.wait_until_listening(PATIENCE) {
            Ok(addresses) => Ok((process, addresses)),
            Err(error) => {
                let pid = process.pid();
                process.kill();
                self.running.remove(pid);
                Err(error)
            }
        }
    }

    /// Waits until a node's checkpoint has at least `size` entries.
    pub fn wait_for_size(&self, node: &str, size: u64, stage: &Stage) -> anyhow::Result<()> {
        let client = self.client(node)?;
        let start = Instant::now();
        loop {
            let reached = client
                .checkpoint()
                .map_or(0, |known| known.checkpoint().size.0);
            stage.reach(reached.min(size));
            if reached >= size {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!(
                    "{node} has {reached} of {size} entries after {} s",
                    PATIENCE.as_secs()
                );
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until a node's published files have all that the node shows over HTTP: under load the
    /// files follow within a second.
    pub fn wait_for_files(&self, node: &str) -> anyhow::Result<()> {
        let size = self.client(node)?.checkpoint()?.checkpoint().size;
        let log = self.layout.dir.join(node).join("log");
        let start = Instant::now();
        while audit::published_size(&log)? < size {
            if start.elapsed() > PATIENCE {
                bail!("the files of {node} do not have {} entries", size.0);
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Asks every node to stop and waits until all have.
    pub fn stop_all(&self) {
        let nodes = std::mem::take(&mut *self.lock());
        nodes.values().for_each(NodeProcess::ask_to_stop);
        for process in nodes.into_values() {
            let pid = process.pid();
            process.stop(PATIENCE);
            self.running.remove(pid);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ParticipantName, NodeProcess>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_all();
    }
}
