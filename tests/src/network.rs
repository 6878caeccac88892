//! A network of real processes in a folder of its own.

use crate::client::Client;
use crate::workload::Author;
use anyhow::{Context, Result, bail};
use medanchor_ledger::rules::Role;
use medanchor_ledger::{ParticipantName, Time};
use medanchor_node::config::Config;
use medanchor_node::network::{Founding, Institution, Layout, NodeHome, Part, Ports};
use medanchor_node::process::{NodeProcess, ProcessError};
use medanchor_sdk::Identity;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long any step of a scenario may take before it counts as failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(5);
/// How often other ports are tried when somebody took one.
const PORT_ATTEMPTS: usize = 5;

/// The validators of a scenario, by name.
const NAMES: [&str; 7] = [
    "north-hospital",
    "east-pharmacy",
    "west-maker",
    "regulator",
    "south-hospital",
    "river-pharmacy",
    "hill-maker",
];

/// The program that is all binaries of this workspace in one, where one is.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Makes [`binary`] give this program, which does what each of them does. The first call counts.
pub fn stand_for_all(program: PathBuf) {
    let _ = PROGRAM.set(program);
}

/// The binary of this workspace called `name`, which cargo built beside this program.
///
/// # Errors
/// If it is not there.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(program) = PROGRAM.get() {
        return Ok(program.clone());
    }
    let own = std::env::current_exe()?;
    let found = own
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; run `cargo build --workspace` first"))
}

/// The run of the next author of this process.
static NEXT_RUN: AtomicU64 = AtomicU64::new(0);

/// A network whose nodes run as processes.
pub struct Network {
    binary: PathBuf,
    layout: Layout,
    running: Vec<Option<NodeProcess>>,
}

impl Network {
    /// Founds a network of `validators` in `dir`, each home's configuration changed by `adjust`,
    /// and starts all nodes with `binary`.
    ///
    /// # Errors
    /// If a node is not ready in time.
    pub fn start(
        binary: &Path,
        dir: &Path,
        validators: usize,
        adjust: impl Fn(&mut Config),
    ) -> Result<Self> {
        let layout = found(dir, validators)?;
        for node in &layout.nodes {
            change_config(node, &adjust)?;
        }
        Self::run(binary, layout)
    }

    /// Starts all nodes of a network that was founded, with `binary`.
    ///
    /// # Errors
    /// If a node is not ready in time.
    pub fn run(binary: &Path, mut layout: Layout) -> Result<Self> {
        for _ in 0..PORT_ATTEMPTS {
            let mut network = Self {
                binary: binary.into(),
                running: layout.nodes.iter().map(|_| None).collect(),
                layout: layout.clone(),
            };
            match network.start_all() {
                Ok(()) => {
                    network.wait_until_ready()?;
                    return Ok(network);
                }
                Err(error) if error.is_port_in_use() => layout.choose_other_ports()?,
                Err(error) => return Err(error.into()),
            }
        }
        bail!("no free ports after {PORT_ATTEMPTS} attempts")
    }

    fn start_all(&mut self) -> Result<(), ProcessError> {
        for node in 0..self.len() {
            self.running[node] = Some(self.spawn(node, &[])?);
        }
        for process in self.running.iter_mut().flatten() {
            process.wait_until_listening(PATIENCE)?;
        }
        Ok(())
    }

    fn spawn(&self, node: usize, arguments: &[&str]) -> Result<NodeProcess, ProcessError> {
        NodeProcess::spawn(&self.binary, &self.layout.nodes[node].home, arguments)
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.nodes.len()
    }

    /// Whether there is no node; never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.nodes.is_empty()
    }

    /// The network's files.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The files of one node.
    #[must_use]
    pub fn node(&self, node: usize) -> &NodeHome {
        &self.layout.nodes[node]
    }

    /// The process id of a node that runs.
    #[must_use]
    pub fn pid(&self, node: usize) -> Option<u32> {
        self.running[node].as_ref().map(NodeProcess::pid)
    }

    /// Connections to a node.
    #[must_use]
    pub fn client(&self, node: usize) -> Client {
        Client::new(format!("http://{}", self.node(node).http), PATIENCE)
    }

    /// Connections to every node.
    #[must_use]
    pub fn clients(&self) -> Vec<Client> {
        (0..self.len()).map(|node| self.client(node)).collect()
    }

    /// An author for each node's institution, who writes records that no earlier author wrote.
    ///
    /// # Errors
    /// If an identity cannot be opened.
    pub fn authors(&self) -> Result<Vec<Author>> {
        let open = |node: &NodeHome| -> Result<Author> {
            let identity = Identity::open(&node.home.identity())?;
            let run = NEXT_RUN.fetch_add(1, Ordering::Relaxed);
            Ok(Author::new(Arc::new(identity), run))
        };
        self.layout.nodes.iter().map(open).collect()
    }

    /// Waits until a node has ended by itself, and gives its exit code and what it said.
    ///
    /// # Errors
    /// If it runs on, or a signal ended it.
    pub fn end_of(&mut self, node: usize) -> Result<(u8, String)> {
        let mut process = self.running[node].take().context("it was started")?;
        let status = process.wait(PATIENCE);
        let code = status.and_then(|status| status.code());
        let code = code.with_context(|| format!("node {node} did not end:\n{}", process.said()))?;
        Ok((u8::try_from(code)?, process.said()))
    }

    /// Ends a node at once (SIGKILL).
    pub fn kill(&mut self, node: usize) {
        if let Some(process) = self.running[node].take() {
            process.kill();
        }
    }

    /// Starts a node that was killed or stopped, and waits until it listens.
    ///
    /// # Errors
    /// If it does not come back by itself.
    pub fn restart(&mut self, node: usize) -> Result<()> {
        Ok(self.restart_with(node, &[])?)
    }

    /// As [`Self::restart`], with these further arguments.
    ///
    /// # Errors
    /// How it ended, if it did.
    pub fn restart_with(&mut self, node: usize, arguments: &[&str]) -> Result<(), ProcessError> {
        let home = &self.layout.nodes[node].home;
        let process = NodeProcess::start(&self.binary, home, arguments, PATIENCE)?;
        self.running[node] = Some(process);
        Ok(())
    }

    /// Starts a node that is to be refused, and gives its exit code and what it said.
    ///
    /// # Errors
    /// If it runs, or was not started at all.
    pub fn refusal(&mut self, node: usize, arguments: &[&str]) -> Result<(u8, String)> {
        match self.restart_with(node, arguments) {
            Err(ProcessError::Ended { status, said, .. }) => {
                let code = status.code().context("a signal ended it")?;
                Ok((u8::try_from(code)?, said))
            }
            Err(error) => Err(error.into()),
            Ok(()) => bail!("node {node} runs"),
        }
    }

    /// Waits until a node takes part.
    ///
    /// # Errors
    /// If it ends, or is not ready in time.
    pub fn wait_until_node_is_ready(&mut self, node: usize) -> Result<()> {
        let client = self.client(node);
        let start = Instant::now();
        while !client.is_ready() {
            let Some(process) = self.running[node].as_mut() else {
                bail!("node {node} does not run");
            };
            if !process.is_running() || start.elapsed() > PATIENCE {
                bail!("node {node} is not ready:\n{}", process.said());
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        (0..self.len()).try_for_each(|node| self.wait_until_node_is_ready(node))
    }

    /// Asks all nodes to stop, and waits until they have; true if all did so by themselves.
    pub fn stop(&mut self) -> bool {
        for process in self.running.iter().flatten() {
            process.ask_to_stop();
        }
        let stopped = self.running.iter_mut().filter_map(Option::take);
        let ends: Vec<_> = stopped.map(|process| process.stop(PATIENCE)).collect();
        ends.into_iter()
            .all(|end| end.is_some_and(|status| status.success()))
    }

    /// What the nodes said last, for a failure's message.
    #[must_use]
    pub fn said(&self) -> String {
        let mut text = String::new();
        for (node, process) in self.layout.nodes.iter().zip(&self.running) {
            let said = process.as_ref().map_or_else(String::new, NodeProcess::said);
            text.push_str(&format!("--- {}\n{said}\n", node.name));
        }
        text
    }
}

/// Founds a network of `validators` in `dir`, whose nodes do not run.
///
/// # Errors
/// If its files cannot be made.
pub fn found(dir: &Path, validators: usize) -> Result<Layout> {
    found_as(dir, validators, None)
}

/// As [`found`], with the first validator as the publisher.
///
/// # Errors
/// If its files cannot be made.
pub fn found_with_publisher(dir: &Path, validators: usize) -> Result<Layout> {
    found_as(dir, validators, Some(NAMES[0].parse()?))
}

fn found_as(dir: &Path, validators: usize, publisher: Option<ParticipantName>) -> Result<Layout> {
    let institution = |name: &&str| -> Result<Institution> {
        Ok(Institution {
            name: name.parse()?,
            roles: match *name {
                "regulator" => vec![Role::Hospital, Role::Regulator],
                _ => vec![Role::Hospital],
            },
            part: Part::Validator,
        })
    };
    let names = NAMES
        .get(..validators)
        .context("at most seven validators")?;
    let founding = Founding {
        name: "scenario".parse()?,
        institutions: names.iter().map(institution).collect::<Result<_>>()?,
        publisher,
        ports: Ports::Free,
        time: now()?,
    };
    Ok(founding.found(dir)?)
}

/// Changes the configuration of a node that does not run.
///
/// # Errors
/// If it cannot be read or written.
pub fn change_config(node: &NodeHome, adjust: &impl Fn(&mut Config)) -> Result<()> {
    let path = node.home.config();
    let mut config = Config::read(&path)?;
    adjust(&mut config);
    Ok(std::fs::write(path, config.documented())?)
}

fn now() -> Result<Time> {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Time(u64::try_from(elapsed.as_millis())?))
}

/// Looks at `condition` until it holds.
///
/// # Errors
/// If it does not hold within `patience`; `what` says what was waited for.
pub fn wait_for(
    what: &str,
    patience: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > patience {
            bail!("{what} did not happen within {} s", patience.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
