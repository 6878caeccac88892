//! The demo's custodians, as processes.
//!
//! What always holds: a custodian that was started here does not outlive its [`Custodian`], nor a signal
//! to the demo.

use super::world::{PATIENCE, World};
use crate::direct::config::ServiceConfig;
use crate::direct::home::{Part, ServiceHome};
use anyhow::{Context, bail, ensure};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(10);

/// A running `medanchor custodian run`.
pub struct Custodian {
    name: &'static str,
    child: Child,
    running: super::interrupt::Running,
}

impl Custodian {
    /// Makes what it needs; gives its entry for address books.
    pub fn init(world: &World, name: &'static str, node: &str) -> anyhow::Result<String> {
        let folder = world.layout.dir.join(name);
        let output = Command::new(world.program())
            .args([
                "custodian",
                "init",
                "--listen",
                "127.0.0.1:0",
                "--node",
                node,
            ])
            .arg("--home")
            .arg(&folder)
            .stdin(Stdio::null())
            .output()?;
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{name} cannot be made: {complained}"
        );
        // Nobody waits for the log of a demo's custodian as long as for a real one's.
        let path = ServiceHome::new(&folder, Part::Custodian).config();
        let mut config = ServiceConfig::read(&path)?;
        config.log_seconds = 1;
        std::fs::write(&path, config.to_text())?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts it and waits until it listens.
    pub fn start(world: &World, name: &'static str) -> anyhow::Result<Self> {
        let home = ServiceHome::new(&world.layout.dir.join(name), Part::Custodian);
        let running = world.running().clone();
        let child = running.start(|| spawn(world, name, &home), Child::id)?;
        let mut custodian = Self {
            name,
            child,
            running,
        };
        custodian.wait_until_listening(&home)?;
        Ok(custodian)
    }

    fn wait_until_listening(&mut self, home: &ServiceHome) -> anyhow::Result<()> {
        let mine = format!(" {}\n", self.child.id());
        let start = Instant::now();
        loop {
            if std::fs::read_to_string(home.address()).is_ok_and(|text| text.ends_with(&mine)) {
                return Ok(());
            }
            if self.child.try_wait()?.is_some() || start.elapsed() > PATIENCE {
                let log = home.folder().join("log.txt");
                bail!("{} does not listen; see {}", self.name, log.display());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Ends it at once, as a power cut would; gives its name.
    pub fn kill(self) -> &'static str {
        self.name
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(mut self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let pid = nix::unistd::Pid::from_raw(pid);
            // It may have ended already, which is what was asked for.
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        }
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < PATIENCE {
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Custodian {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.running.remove(self.child.id());
    }
}

fn spawn(world: &World, name: &str, home: &ServiceHome) -> anyhow::Result<Child> {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.folder().join("log.txt"))?;
    let child = Command::new(world.program())
        .args(["custodian", "run", "--home"])
        .arg(world.layout.dir.join(name))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    child.with_context(|| format!("{name} cannot be started"))
}
