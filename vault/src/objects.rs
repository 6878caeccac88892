//! Sealed payloads in a bucket of an S3-compatible service, one object for each version of a record.
//!
//! What always holds: an object is written on the condition that there is none, and if there is one its
//! bytes are compared, or the stream is refused; memory is flat in the length of a payload, which goes up and
//! comes down in parts; a vault marks its place in the bucket as its own and never writes where another's mark is; no answer
//! of the service reaches an error. Services that pass over the condition are asked first what is there, and so
//! are all before what went up in parts becomes an object; that suffices because one process holds a vault, which
//! seals a version in one call at a time, and one vault a place.
//!
//! `PREFIX/<first 2 hex digits>/<record in hex>-<version>.sealed`, as in a folder, and `PREFIX/vault`.
//! The calls wait for the network, each in a thread of its own, so that they can be made from anywhere.

use crate::payloads::PayloadError;
use crate::refusal::refusal;
use crate::seal::{MAX_SEALED, RecordVersion};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload,
};
use std::future::Future;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod bucket;
#[cfg(test)]
mod tests;
mod wire;

pub use bucket::{Bucket, Credentials};

/// What goes up or comes down in one request. S3 takes 10,000 parts of an object: 78 GiB, more than
/// [`MAX_STREAM`](crate::seal::MAX_STREAM).
const PART: usize = 8 * 1024 * 1024;
/// How many payloads of a batch go up at once.
const AT_ONCE: usize = 8;

/// The place of one vault's payloads in a store.
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// What says whose place it is.
    mark: String,
    marked: AtomicBool,
}

/// Runs a request to its end. The thread has a runtime of its own, so that neither a caller inside of
/// another runtime nor one outside of all of them is in its way.
fn wait<T: Send>(request: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime
            .map_err(|source| Error::Generic {
                store: "payloads",
                source: Box::new(source),
            })?
            .block_on(request)
    };
    let panicked = |_| Error::NotImplemented {
        operation: "a request that ends".into(),
        implementer: "payloads".into(),
    };
    std::thread::scope(|scope| {
        scope
            .spawn(run)
            .join()
            .unwrap_or_else(|error| Err(panicked(error)))
    })
}

impl Objects {
    /// `mark` says whose place it is.
    pub(crate) fn open(bucket: &Bucket, mark: String) -> Result<Self, PayloadError> {
        let (store, prefix) = bucket.store()?;
        Ok(Self::new(store, prefix, mark))
    }

    pub(crate) const fn new(store: Arc<dyn ObjectStore>, prefix: Path, mark: String) -> Self {
        Self {
            store,
            prefix,
            mark,
            marked: AtomicBool::new(false),
        }
    }

    fn path(&self, record: &RecordVersion) -> Path {
        let name = record.record.to_string();
        let shelf = name.get(..2).unwrap_or_default().to_owned();
        let object = format!("{name}-{}.sealed", record.version);
        self.prefix.clone().join(shelf).join(object)
    }

    /// Marks the place as this vault's, or finds that it is, before the first write.
    pub(crate) fn claim(&self) -> Result<(), PayloadError> {
        if self.marked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let path = self.prefix.clone().join("vault");
        let mark = Bytes::from(self.mark.clone());
        let read = || self.part(&path, 0, PART).map(|(found, _)| found);
        let found = match read() {
            Err(Error::NotFound { .. }) => match self.create(&path, mark.clone()) {
                Ok(true) => Ok(mark.clone()),
                Ok(false) => read(),
                Err(error) => Err(error),
            },
            found => found,
        };
        if found.map_err(failed(&path))? != mark {
            return Err(PayloadError::OtherVault);
        }
        self.marked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Writes an object if there is none; whether it did.
    fn create(&self, path: &Path, bytes: Bytes) -> Result<bool, Error> {
        let put = |mode: PutMode| {
            let payload = PutPayload::from(bytes.clone());
            wait(self.store.put_opts(path, payload, PutOptions::from(mode)))
        };
        match put(PutMode::Create) {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. }) => Ok(false),
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                match self.part(path, 0, 1) {
                    Ok(_) => Ok(false),
                    Err(Error::NotFound { .. }) => put(PutMode::Overwrite).map(|_| true),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// At most `length` bytes from `at` on, and how many the object has.
    fn part(&self, path: &Path, at: u64, length: usize) -> Result<(Bytes, u64), Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(at..at.saturating_add(length as u64))),
            ..Default::default()
        };
        wait(async {
            let found = self.store.get_opts(path, options).await?;
            let size = found.meta.size;
            Ok((found.bytes().await?, size))
        })
    }

    pub(crate) fn get(&self, record: &RecordVersion) -> Result<Vec<u8>, PayloadError> {
        let mut reader = self.reader(record)?;
        if reader.size > MAX_SEALED as u64 {
            return Err(PayloadError::TooLarge { record: *record });
        }
        let mut sealed = Vec::new();
        match reader.read_to_end(&mut sealed) {
            Ok(_) => Ok(sealed),
            Err(error) => Err(cut_off(&reader.path, error)),
        }
    }

    pub(crate) fn has(&self, record: &RecordVersion) -> Result<bool, PayloadError> {
        let path = self.path(record);
        match self.part(&path, 0, 1) {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    pub(crate) fn length(&self, record: &RecordVersion) -> Result<u64, PayloadError> {
        let path = self.path(record);
        let found = self.part(&path, 0, 1);
        let (_, size) = found.map_err(missing_or_failed(record, &path))?;
        Ok(size)
    }

    pub(crate) fn reader(&self, record: &RecordVersion) -> Result<ObjectReader, PayloadError> {
        let path = self.path(record);
        let found = self.part(&path, 0, PART);
        let (part, size) = found.map_err(missing_or_failed(record, &path))?;
        Ok(ObjectReader {
            objects: Self::new(self.store.clone(), self.prefix.clone(), self.mark.clone()),
            path,
            size,
            at: part.len() as u64,
            part,
        })
    }

    pub(crate) fn put(&self, record: &RecordVersion, sealed: &[u8]) -> Result<(), PayloadError> {
        self.claim()?;
        let path = self.path(record);
        if sealed.len() > PART {
            return match self.get(record) {
                Ok(found) => same(record, &found, sealed),
                Err(error) if error.is_missing() => {
                    let mut up = Upload::begin(self, path.clone())?;
                    up.write_all(sealed)
                        .map_err(|error| cut_off(&path, error))?;
                    up.complete()
                }
                Err(error) => Err(error),
            };
        }
        match self.create(&path, Bytes::copy_from_slice(sealed)) {
            Ok(true) => Ok(()),
            Ok(false) => same(record, &self.get(record)?, sealed),
            Err(error) => Err(failed(&path)(error)),
        }
    }

    pub(crate) fn put_new(
        &self,
        payloads: &[(RecordVersion, Vec<u8>)],
    ) -> Result<(), PayloadError> {
        self.claim()?;
        let share = payloads.len().div_ceil(AT_ONCE).max(1);
        let put_all = |share: &[(RecordVersion, Vec<u8>)]| {
            share
                .iter()
                .try_for_each(|(record, sealed)| self.put(record, sealed))
        };
        std::thread::scope(|scope| {
            let shares: Vec<_> = payloads
                .chunks(share)
                .map(|share| scope.spawn(move || put_all(share)))
                .collect();
            shares.into_iter().try_for_each(|share| {
                let lost = |_| Err(lost(&self.prefix));
                share.join().unwrap_or_else(lost)
            })
        })
    }

    pub(crate) fn put_stream<T, E: From<PayloadError>>(
        &self,
        record: &RecordVersion,
        write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, E> {
        self.claim()?;
        let mut up = Upload::begin(self, self.path(record))?;
        let answer = write(&mut up)?;
        if self.has(record)? {
            return Err(PayloadError::Taken { record: *record }.into());
        }
        up.complete()?;
        Ok(answer)
    }

    pub(crate) fn remove(&self, record: &RecordVersion) -> Result<(), PayloadError> {
        let path = self.path(record);
        match wait(self.store.delete(&path)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(&path)(error)),
        }
    }
}

fn same(record: &RecordVersion, found: &[u8], ours: &[u8]) -> Result<(), PayloadError> {
    if found == ours {
        Ok(())
    } else {
        Err(PayloadError::Taken { record: *record })
    }
}

/// An object, read in parts.
pub(crate) struct ObjectReader {
    objects: Objects,
    path: Path,
    size: u64,
    part: Bytes,
    /// Where the next part begins.
    at: u64,
}

impl ObjectReader {
    /// Bytes of the whole object.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }
}

impl Read for ObjectReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() && self.at < self.size {
            let part = self.objects.part(&self.path, self.at, PART);
            let (part, _) = part.map_err(|error| io::Error::other(failed(&self.path)(error)))?;
            self.at = self.at.saturating_add(part.len() as u64);
            self.part = part;
        }
        let taken = self.part.split_to(room.len().min(self.part.len()));
        room.iter_mut()
            .zip(&taken)
            .for_each(|(to, from)| *to = *from);
        Ok(taken.len())
    }
}

/// An object on its way up. Until it is complete there is no object; dropped before, it is given up.
struct Upload {
    path: Path,
    upload: Option<Box<dyn MultipartUpload>>,
    part: Vec<u8>,
}

impl Upload {
    fn begin(objects: &Objects, path: Path) -> Result<Self, PayloadError> {
        let upload = wait(objects.store.put_multipart(&path)).map_err(failed(&path))?;
        Ok(Self {
            path,
            upload: Some(upload),
            part: Vec::new(),
        })
    }

    fn send(&mut self) -> Result<(), PayloadError> {
        let part = PutPayload::from(std::mem::take(&mut self.part));
        let upload = self.upload.as_mut().ok_or_else(|| lost(&self.path))?;
        wait(upload.put_part(part)).map_err(failed(&self.path))
    }

    fn complete(mut self) -> Result<(), PayloadError> {
        if !self.part.is_empty() {
            self.send()?;
        }
        let upload = self.upload.as_mut().ok_or_else(|| lost(&self.path))?;
        wait(upload.complete()).map_err(failed(&self.path))?;
        self.upload = None;
        Ok(())
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.part.capacity() == 0 {
            self.part.reserve_exact(PART);
        }
        let taken = bytes.len().min(PART - self.part.len().min(PART));
        self.part.extend(bytes.iter().take(taken));
        if self.part.len() >= PART {
            self.send().map_err(io::Error::other)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            // Parts that stay behind are the service's to expire.
            let _ = wait(upload.abort());
        }
    }
}

fn lost(path: &Path) -> PayloadError {
    PayloadError::Store {
        name: path.to_string(),
        what: "the connection was lost",
    }
}

/// What ended the reading or writing of an object: an error of ours that went through [`io::Error`].
fn cut_off(path: &Path, error: io::Error) -> PayloadError {
    let ours = error.downcast::<PayloadError>();
    ours.unwrap_or_else(|_| lost(path))
}

fn missing_or_failed(record: &RecordVersion, path: &Path) -> impl FnOnce(Error) -> PayloadError {
    move |error| match error {
        Error::NotFound { .. } => PayloadError::Missing { record: *record },
        error => failed(path)(error),
    }
}

/// What happened, in our own words: a service's answer may quote the request with the name of a key.
fn failed(path: &Path) -> impl FnOnce(Error) -> PayloadError {
    let name = path.to_string();
    move |error| PayloadError::Store {
        name,
        what: match error {
            Error::NotFound { .. } => "not found: does the bucket exist?",
            Error::NotSupported { .. } | Error::NotImplemented { .. } => "it cannot do this",
            Error::PermissionDenied { .. } => {
                refusal(&error).unwrap_or("permission denied: check what the credentials allow")
            }
            Error::Unauthenticated { .. } => {
                refusal(&error).unwrap_or("the credentials are not accepted: correct them")
            }
            Error::Generic { .. } => {
                refusal(&error).unwrap_or("it does not answer, or with an error")
            }
            _ => "an unexpected answer",
        },
    }
}
