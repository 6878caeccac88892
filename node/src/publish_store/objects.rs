//! Objects by the names of the log's files: written once, or written again.
//!
//! What always holds: what is written once is never written over, whether or not the store knows
//! conditional writes; no answer of the store reaches a log line.

use super::PushError;
use super::target::Target;
use bytes::Bytes;
use futures::TryStreamExt;
use medanchor_vault::refusal;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload,
};
use std::fs::File;
use std::io::{Read, Take};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A file up to this size is written in one request, a longer one in parts of this size.
const PART: u64 = 8 * 1024 * 1024;

/// The place in a store where one log is.
pub(super) struct Objects {
    target: Target,
    /// Whether the store refuses to write over an object when asked to.
    refuses: AtomicBool,
}

/// How long whoever reads an object may keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cache {
    ForEver,
    Never,
}

impl Objects {
    pub(super) const fn new(target: Target) -> Self {
        Self {
            target,
            refuses: AtomicBool::new(true),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/')
            .fold(self.target.prefix.clone(), |path, part| path.join(part))
    }

    fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.target.store
    }

    fn attributes(&self, name: &str, cache: Cache) -> Attributes {
        if !self.target.keeps_attributes {
            return Attributes::new();
        }
        let cache = match cache {
            Cache::ForEver => crate::http::published::FOR_EVER,
            Cache::Never => crate::http::published::NEVER,
        };
        let content_type = crate::http::published::content_type(name);
        [
            (Attribute::ContentType, content_type),
            (Attribute::CacheControl, cache),
        ]
        .into_iter()
        .collect()
    }

    /// The bytes of an object of at most `limit` bytes; none if there is no such object.
    pub(super) async fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>, PushError> {
        let found = match self.store().get(&self.path(name)).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(|error| failed(name, &error))?,
        };
        if found.meta.size > limit {
            return Err(conflict(name));
        }
        let bytes = found.bytes().await.map_err(|error| failed(name, &error))?;
        Ok(Some(bytes))
    }

    /// Writes an object that never changes; nothing to do if it is there.
    pub(super) async fn write_once(&self, name: &str, bytes: Bytes) -> Result<(), PushError> {
        if !self.refuses.load(Ordering::Relaxed) {
            return match self.read(name, bytes.len() as u64).await? {
                Some(found) => same(name, &found, &bytes),
                None => {
                    let written = self.put(name, bytes, PutMode::Overwrite, Cache::ForEver);
                    written.await.map_err(|error| failed(name, &error))
                }
            };
        }
        match self
            .put(name, bytes.clone(), PutMode::Create, Cache::ForEver)
            .await
        {
            Ok(()) => Ok(()),
            Err(Error::AlreadyExists { .. }) => {
                let found = self.read(name, bytes.len() as u64).await?;
                // Gone since: the next round writes it.
                let gone = || PushError::Store {
                    path: name.to_owned(),
                    what: "it is there and it is not",
                };
                same(name, &found.ok_or_else(gone)?, &bytes)
            }
            Err(error) => Err(failed(name, &error)),
        }
    }

    /// Finds out with an object that is there already whether the store refuses to write over one;
    /// from then on each is looked at first if it does not.
    pub(super) async fn learn(&self, name: &str, bytes: Bytes) -> Result<(), PushError> {
        match self.put(name, bytes, PutMode::Create, Cache::ForEver).await {
            Err(Error::AlreadyExists { .. }) => Ok(()),
            Ok(()) | Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                tracing::info!("the object store writes over objects: each is looked at first");
                self.refuses.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(failed(name, &error)),
        }
    }

    /// Writes an object that others replace later.
    pub(super) async fn write(&self, name: &str, bytes: Bytes) -> Result<(), PushError> {
        let written = self
            .put(name, bytes, PutMode::Overwrite, Cache::Never)
            .await;
        written.map_err(|error| failed(name, &error))
    }

    async fn put(
        &self,
        name: &str,
        bytes: Bytes,
        mode: PutMode,
        cache: Cache,
    ) -> object_store::Result<()> {
        let options = PutOptions {
            mode,
            attributes: self.attributes(name, cache),
            ..Default::default()
        };
        let (path, payload) = (self.path(name), PutPayload::from(bytes));
        let put = self.store().put_opts(&path, payload, options).await;
        put.map(|_| ())
    }

    /// Writes the first `length` bytes of a file that only grows.
    pub(super) async fn write_grown(
        &self,
        name: &str,
        file: File,
        length: u64,
    ) -> Result<(), PushError> {
        let reader = file.take(length);
        if length <= PART {
            return self.write(name, next_part(name, reader).await?.0).await;
        }
        let options = PutMultipartOptions {
            attributes: self.attributes(name, Cache::Never),
            ..Default::default()
        };
        let path = self.path(name);
        let begun = self.store().put_multipart_opts(&path, options).await;
        let mut upload = begun.map_err(|error| failed(name, &error))?;
        let sent = send_parts(name, reader, upload.as_mut()).await;
        if sent.is_err() {
            // What is left of it in the store is the store's to expire if this fails, too.
            let _ = upload.abort().await;
        }
        sent
    }

    /// Deletes every object below a name.
    pub(super) async fn delete_below(&self, name: &str) -> Result<(), PushError> {
        let prefix = self.path(name);
        let listed = self
            .store()
            .list(Some(&prefix))
            .map_ok(|meta| meta.location);
        let found: Vec<Path> = listed
            .try_collect()
            .await
            .map_err(|error| failed(name, &error))?;
        for path in found {
            match self.store().delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(name, &error)),
            }
        }
        Ok(())
    }
}

async fn send_parts(
    name: &str,
    mut reader: Take<File>,
    upload: &mut dyn MultipartUpload,
) -> Result<(), PushError> {
    while reader.limit() > 0 {
        let (bytes, rest) = next_part(name, reader).await?;
        reader = rest;
        let sent = upload.put_part(PutPayload::from(bytes)).await;
        sent.map_err(|error| failed(name, &error))?;
    }
    let done = upload.complete().await;
    done.map(|_| ()).map_err(|error| failed(name, &error))
}

/// The next bytes of a file, at most a part, and the file behind them.
async fn next_part(name: &str, mut reader: Take<File>) -> Result<(Bytes, Take<File>), PushError> {
    let read = move || {
        let wanted = usize::try_from(reader.limit().min(PART)).unwrap_or_default();
        let mut bytes = vec![0; wanted];
        reader.read_exact(&mut bytes)?;
        Ok((Bytes::from(bytes), reader))
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read = read.unwrap_or_else(|_| Err(std::io::Error::other("the reading task panicked")));
    read.map_err(|source| PushError::File {
        path: name.into(),
        source,
    })
}

fn same(name: &str, found: &Bytes, ours: &Bytes) -> Result<(), PushError> {
    if found == ours {
        Ok(())
    } else {
        Err(conflict(name))
    }
}

pub(super) fn conflict(name: &str) -> PushError {
    PushError::Conflict {
        path: name.to_owned(),
    }
}

/// What happened, in our own words: a store's answer may quote the request with the name of a key.
fn failed(name: &str, error: &Error) -> PushError {
    let what = match error {
        Error::NotFound { .. } => "not found: does the folder or bucket exist?",
        Error::NotSupported { .. } | Error::NotImplemented { .. } => "it cannot do this",
        Error::PermissionDenied { .. } => {
            refusal(error).unwrap_or("permission denied: check what the credentials allow")
        }
        Error::Unauthenticated { .. } => {
            refusal(error).unwrap_or("the credentials are not accepted: correct them")
        }
        Error::Generic { .. } => refusal(error).unwrap_or("it does not answer, or with an error"),
        _ => "an unexpected answer",
    };
    PushError::Store {
        path: name.to_owned(),
        what,
    }
}
