//! How `vault.toml` changes together with what it says.
//!
//! What always holds: what `vault.toml` says opens, or what `vault.toml.next` says does while a change is
//! under way. The next opening finds out which, and only then are there no longer two. Whoever changes or
//! opens holds what is opened, so there is one at a time.

use super::{Keeping, KeepingError, NAME};
use crate::durable;
use medanchor_vault::Settings;
use std::io;
use std::path::{Path, PathBuf};

/// The folder with a `vault.toml`.
#[derive(Clone, Copy, Debug)]
pub struct KeptIn<'a>(pub &'a Path);

/// Why it did not open.
#[derive(Debug)]
pub enum NotOpened<E> {
    /// As `vault.toml` says.
    Now(E),
    /// A change was cut off, and it opens in neither way: before the change, after it.
    CutOff(E, E),
    /// The files themselves.
    Files(KeepingError),
}

impl KeptIn<'_> {
    /// `vault.toml`.
    #[must_use]
    pub fn now(&self) -> PathBuf {
        self.0.join(NAME)
    }

    /// `vault.toml.next`.
    #[must_use]
    pub fn next(&self) -> PathBuf {
        self.0.join(format!("{NAME}.next"))
    }

    /// Opens as the file says that is given to `open`, and ends or undoes a change that was cut off. `held`
    /// says of an error that somebody else has it open.
    ///
    /// # Errors
    /// [`NotOpened`]; nothing has changed.
    pub fn open<T, E>(
        &self,
        open: impl Fn(&Path) -> Result<T, E>,
        held: impl Fn(&E) -> bool,
    ) -> Result<T, NotOpened<E>> {
        let next = self.next();
        match open(&self.now()) {
            Ok(opened) => {
                durable::remove_file(&next).map_err(|source| self.io(source))?;
                Ok(opened)
            }
            Err(now) if held(&now) || !next.exists() => Err(NotOpened::Now(now)),
            Err(now) => match open(&next) {
                Ok(opened) => {
                    self.end()?;
                    Ok(opened)
                }
                Err(next) => Err(NotOpened::CutOff(now, next)),
            },
        }
    }

    /// The secrets of what is to be, before anything is changed.
    ///
    /// # Errors
    /// [`KeepingError`] with what it cannot be, or what is not to be had.
    pub fn fetch(&self, keeping: &Keeping) -> Result<Settings, KeepingError> {
        let path = self.next();
        keeping.check().map_err(|what| KeepingError::Content {
            path: path.clone(),
            what,
        })?;
        keeping.fetch(&path)
    }

    /// Begins a change: writes what is to be, aside.
    ///
    /// # Errors
    /// [`KeepingError::Io`].
    pub fn begin(&self, keeping: &Keeping) -> Result<(), KeepingError> {
        let text = keeping.to_text();
        durable::write(&self.next(), text.as_bytes()).map_err(|source| self.io(source))
    }

    /// Ends a change: what is to be is.
    ///
    /// # Errors
    /// [`KeepingError::Io`].
    pub fn end(&self) -> Result<(), KeepingError> {
        durable::rename(&self.next(), &self.now()).map_err(|source| self.io(source))
    }

    fn io(&self, source: io::Error) -> KeepingError {
        KeepingError::Io {
            path: self.next(),
            source,
        }
    }
}

impl<E> From<KeepingError> for NotOpened<E> {
    fn from(error: KeepingError) -> Self {
        Self::Files(error)
    }
}
