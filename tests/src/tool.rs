//! Running a program that we did not write, within bounds.

use crate::network::wait_for;
use anyhow::{Context, Result, ensure};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// An installed program.
pub struct Tool(PathBuf);

/// The program at `path` below `target/strangers`; if it is not there, one line says so past the test
/// runner, which shows nothing that a passing test prints.
pub fn installed(path: &str) -> Option<Tool> {
    let program = checkout("target/strangers").join(path);
    if program.exists() {
        return Some(Tool(program));
    }
    let line = format!("skipped: {path} is not installed; run .ci/strangers-install\n");
    // A closed standard error only costs the count.
    let _ = std::io::stderr().write_all(line.as_bytes());
    None
}

/// A file or folder of the checkout.
pub fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A server, until it is dropped.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Tool {
    /// Starts it as a server; what it says goes to `said`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start<A: AsRef<OsStr>>(&self, said: &Path, arguments: &[A]) -> Result<Running> {
        self.start_with(said, arguments, &[])
    }

    /// [`Tool::start`] with more variables in its environment.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_with<A: AsRef<OsStr>>(
        &self,
        said: &Path,
        arguments: &[A],
        environment: &[(&str, &str)],
    ) -> Result<Running> {
        let child = self.spawn(File::create(said)?, arguments, environment)?;
        Ok(Running(child))
    }

    fn spawn<A: AsRef<OsStr>>(
        &self,
        said: File,
        arguments: &[A],
        environment: &[(&str, &str)],
    ) -> Result<Child> {
        let mut command = Command::new(&self.0);
        command.args(arguments).stdin(Stdio::null());
        command.envs(environment.iter().copied());
        command.stdout(said.try_clone()?).stderr(said);
        let started = command.spawn();
        started.with_context(|| format!("{} does not start", self.0.display()))
    }

    /// Runs it with arguments that it must accept; gives what it said.
    ///
    /// # Errors
    /// If it does not end well.
    pub fn accepts<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<String> {
        let (succeeded, said) = self.run(arguments)?;
        ensure!(succeeded, "{} did not accept: {said}", self.0.display());
        Ok(said)
    }

    /// Runs it with arguments that it must refuse, and say `why`.
    ///
    /// # Errors
    /// If it does not end, accepts, or says something else.
    pub fn refuses<A: AsRef<OsStr>>(&self, why: &str, arguments: &[A]) -> Result<()> {
        let (succeeded, said) = self.run(arguments)?;
        ensure!(
            !succeeded,
            "{} accepted what is wrong: {said}",
            self.0.display()
        );
        ensure!(
            said.contains(why),
            "{} did not say {why:?} but: {said}",
            self.0.display()
        );
        Ok(())
    }

    /// Runs it to its end; gives whether it succeeded, and what it said.
    ///
    /// # Errors
    /// If it does not start or end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Result<(bool, String)> {
        let dir = tempfile::tempdir()?;
        let said = dir.path().join("said");
        let mut child = self.spawn(File::create(&said)?, arguments, &[])?;
        let mut status = None;
        let ended = wait_for("the end of a stranger's program", PATIENCE, || {
            status = child.try_wait()?;
            Ok(status.is_some())
        });
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended?;
        let said = std::fs::read_to_string(&said).unwrap_or_default();
        Ok((status.is_some_and(|status| status.success()), said))
    }
}
