//! A running `medanchor custodian run` or `medanchor vault serve`, or a cheat in its place.

use crate::files::text;
use crate::network::{PATIENCE, binary, wait_for};
use anyhow::{Result, ensure};
use medanchor_ledger::sha256;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A service as a process of its own; killed when dropped.
pub struct Service {
    home: PathBuf,
    folder: &'static str,
    program: &'static str,
    words: [&'static str; 2],
    environment: Vec<(&'static str, PathBuf)>,
    child: Child,
}

impl Service {
    /// Makes a custodian's folder; gives its entry for address books.
    ///
    /// # Errors
    /// If the program fails.
    pub fn init_custodian(home: &Path, node: &str) -> Result<String> {
        init("custodian", home, node)
    }

    /// Makes the folder of a vault's service; gives its entry for address books.
    ///
    /// # Errors
    /// If the program fails.
    pub fn init_vault(home: &Path, node: &str) -> Result<String> {
        init("vault", home, node)
    }

    /// Starts a custodian and waits until it listens.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn custodian(home: &Path) -> Result<Self> {
        Self::start(home, "custodian", "medanchor", ["custodian", "run"], vec![])
    }

    /// Starts a vault's service and waits until it listens.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn vault(home: &Path) -> Result<Self> {
        Self::vault_with(home, vec![])
    }

    /// [`Service::vault`] with more variables in its environment.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn vault_with(home: &Path, environment: Vec<(&'static str, PathBuf)>) -> Result<Self> {
        let words = ["vault", "serve"];
        Self::start(home, "vault-service", "medanchor", words, environment)
    }

    /// Starts a cheat with the keys and at the address of the service that `folder` is of
    /// (`src/bin/cheat.rs`), and waits until it listens.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn cheat(home: &Path, folder: &'static str, how: &'static str) -> Result<Self> {
        Self::start(home, folder, "cheat", [folder, how], vec![])
    }

    fn start(
        home: &Path,
        folder: &'static str,
        program: &'static str,
        words: [&'static str; 2],
        environment: Vec<(&'static str, PathBuf)>,
    ) -> Result<Self> {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(home.join(folder).join("log.txt"))?;
        let child = Command::new(binary(program)?)
            .args(words)
            .arg("--home")
            .arg(home)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut service = Self {
            home: home.into(),
            folder,
            program,
            words,
            environment,
            child,
        };
        service.wait_until_listening()?;
        Ok(service)
    }

    fn wait_until_listening(&mut self) -> Result<()> {
        let path = self.home.join(self.folder).join("address");
        let mine = format!(" {}\n", self.child.id());
        wait_for("a service listens", PATIENCE, || {
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "the service ended: {}", self.said());
            Ok(std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with(&mine)))
        })
    }

    /// The process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit code, once it has ended by itself.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        Ok(self.child.try_wait()?.and_then(|status| status.code()))
    }

    /// What it wrote to its log.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.home.join(self.folder).join("log.txt")).unwrap_or_default()
    }

    /// Asks it to stop (SIGTERM) and waits until it has; gives its exit code.
    ///
    /// # Errors
    /// If it does not in time.
    pub fn stop(mut self) -> Result<Option<i32>> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?);
        kill(pid, Signal::SIGTERM)?;
        let mut code = None;
        wait_for("a service stops", PATIENCE, || {
            code = self.child.try_wait()?;
            Ok(code.is_some())
        })?;
        Ok(code.and_then(|status| status.code()))
    }

    /// Kills it, as a power cut would, and starts it again.
    ///
    /// # Errors
    /// If it does not listen again in time.
    pub fn kill_and_restart(self) -> Result<Self> {
        let (home, folder, program, words) =
            (self.home.clone(), self.folder, self.program, self.words);
        let environment = self.environment.clone();
        drop(self);
        Self::start(&home, folder, program, words, environment)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn init(word: &str, home: &Path, node: &str) -> Result<String> {
    let home = text(home)?;
    let listen = own_address(home);
    run(&[
        word, "init", "--home", home, "--listen", &listen, "--node", node,
    ])
}

/// An address of this machine that no other test has: a port is chosen long before the service listens there,
/// and again while it is stopped, and whoever starts meanwhile would take it on a common address.
fn own_address(home: &str) -> String {
    match cfg!(target_os = "linux") {
        true => {
            let [a, b, c, ..] = sha256(&[home.as_bytes()]);
            let b = b / 2; // 127.255.255.255 is everybody
            format!("127.{}.{b}.{}:0", a | 1, c | 1)
        }
        false => "127.0.0.1:0".into(),
    }
}

/// Runs `medanchor` to its end; gives its standard output.
///
/// # Errors
/// If it fails; with what it complained.
pub fn run(arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary("medanchor")?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{arguments:?} failed: {complained}"
    );
    Ok(String::from_utf8(output.stdout)?)
}
