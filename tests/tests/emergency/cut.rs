//! Openings that are killed, as a power cut would end them, each at a point that it cannot pass by itself: nobody
//! reads what it prints, or nobody tells it the passphrase.

use super::desk::{Desk, WORDS};
use anyhow::{Context, Result, ensure};
use medanchor_tests::city::PAYLOAD;
use medanchor_tests::network::{PATIENCE, binary, wait_for};
use nix::sys::stat::Mode;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Where an opening is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before it knows the passphrase.
    Waiting,
    /// While it unlocks the key: before the journal or behind it.
    Unlocking,
    /// When the entry is in the journal's file, and perhaps not on disk yet.
    Appending,
    /// When the document is handed out.
    Delivering,
}

/// A process that is killed at the latest when the test ends.
struct Killed(Child);

impl Killed {
    /// # Errors
    /// If it had ended by itself.
    fn kill(mut self) -> Result<()> {
        self.0.kill()?;
        let status = self.0.wait()?;
        ensure!(status.signal() == Some(9), "it was not killed: {status}");
        Ok(())
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An output that takes not one more byte, for as long as its other end is kept.
fn full() -> Result<(UnixStream, OwnedFd)> {
    let (reader, mut full) = UnixStream::pair()?;
    full.set_nonblocking(true)?;
    loop {
        match full.write(&[0]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    full.set_nonblocking(false)?;
    Ok((reader, full.into()))
}

/// The writing end of a named pipe, once somebody reads it.
fn writer(pipe: &Path) -> Result<Option<File>> {
    let mut options = OpenOptions::new();
    let opened = options
        .write(true)
        .custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits())
        .open(pipe);
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(nix::libc::ENXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Desk {
    /// Begins an opening that waits for its passphrase on `pipe`, and that cannot end: nobody reads what it
    /// prints.
    fn begin(&self, pipe: &Path) -> Result<(Child, UnixStream)> {
        let _ = std::fs::remove_file(pipe);
        nix::unistd::mkfifo(pipe, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let (reader, full) = full()?;
        let child = Command::new(binary("medanchor")?)
            .args(self.opening_with(pipe, "a power cut")?)
            .stdin(Stdio::null())
            .stdout(full)
            .stderr(Stdio::null())
            .spawn()?;
        Ok((child, reader))
    }

    /// Kills an opening, as a power cut would; gives how many entries it left in the journal.
    pub fn open_and_kill(&self, at: Cut) -> Result<u64> {
        let before = self.entries()?;
        match at {
            Cut::Delivering => self.kill_delivering()?,
            Cut::Waiting | Cut::Unlocking | Cut::Appending => self.kill_before_it_prints(at)?,
        }
        Ok(self.entries()? - before)
    }

    fn kill_before_it_prints(&self, at: Cut) -> Result<()> {
        let pipe = self.home.join("pipe");
        let length = || -> Result<u64> { Ok(std::fs::metadata(self.journal())?.len()) };
        let before = length()?;
        let (child, _reader) = self.begin(&pipe)?;
        let child = Killed(child);
        let mut words = None;
        wait_for("it asks for the passphrase", PATIENCE, || {
            words = writer(&pipe)?;
            Ok(words.is_some())
        })?;
        let mut words = words.context("a pipe")?;
        if at == Cut::Waiting {
            return child.kill();
        }
        words.write_all(WORDS.as_bytes())?;
        drop(words);
        // No pause: the entry is written, and not synced yet.
        let start = Instant::now();
        while at == Cut::Appending && length()? == before {
            ensure!(start.elapsed() < PATIENCE, "nothing was journalled");
        }
        child.kill()
    }

    /// Lets it print the document, and nothing after that.
    fn kill_delivering(&self) -> Result<()> {
        let (_reader, full) = full()?;
        let mut child = Command::new(binary("medanchor")?)
            .args(self.opening("a power cut")?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(full)
            .spawn()?;
        let mut printed = child.stdout.take().context("its output")?;
        let child = Killed(child);
        let mut document = vec![0; PAYLOAD.len()];
        printed.read_exact(&mut document)?;
        ensure!(document == PAYLOAD);
        child.kill()
    }
}
