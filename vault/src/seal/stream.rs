//! Sealing and opening of payloads too large for memory, one chunk at a time.
//!
//! What always holds: the bytes are those that [`seal`](super::seal) would have made; three chunks
//! of memory serve a payload of any length; a chunk is handed out only once it has authenticated, and
//! only the end says that the payload is whole: [`Opening::chunk`] answers `None` after the chunk that
//! was sealed as the last, and [`open_to_file`] gives the file its name then and not before.

use super::{
    CHUNK, HEADER, OpenError, RecordVersion, SEALED_CHUNK, SealError, Stream, TAG, random,
};
use crate::secret::{DataKey, RandomFailed};
use medanchor_ledger::CiphertextHash;
use ring::digest::{Context, SHA256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The longest payload that is sealed or opened as a stream, in bytes: 64 GiB.
pub const MAX_STREAM: u64 = 64 << 30;

/// The most bytes of a sealed stream.
pub const MAX_SEALED_STREAM: u64 =
    HEADER as u64 + MAX_STREAM + TAG as u64 * (MAX_STREAM / CHUNK as u64);

/// Why a stream was not sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The payload is longer than [`MAX_STREAM`].
    #[error("the payload is longer than {MAX_STREAM} bytes; split it")]
    TooLong,
    /// The payload was not sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The sealed payload was not opened; what was handed out of it is a part of the payload at most.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The source could not be read.
    #[error("the source of the payload could not be read: {0}; begin again")]
    Read(io::Error),
    /// The target could not be written.
    #[error("the payload could not be written: {0}; check the disk and begin again")]
    Write(io::Error),
    /// There is a file where the opened payload should stand.
    #[error("{path} is there already; name another file")]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl From<RandomFailed> for StreamError {
    fn from(error: RandomFailed) -> Self {
        Self::Seal(error.into())
    }
}

/// What a stream was, once it is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedStream {
    /// Bytes of the payload.
    pub length: u64,
    /// SHA-256 of the payload: what an opaque document is committed to by.
    pub payload: [u8; 32],
    /// The hash of the sealed bytes.
    pub ciphertext: CiphertextHash,
}

/// A source that hashes what is read from it.
pub(crate) struct Hashing<R> {
    source: R,
    hash: Context,
}

impl<R: Read> Hashing<R> {
    pub(crate) fn new(source: R) -> Self {
        let hash = Context::new(&SHA256);
        Self { source, hash }
    }

    /// SHA-256 of what was read.
    pub(crate) fn finish(self) -> [u8; 32] {
        finished(self.hash)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(room)?;
        self.hash.update(room.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Bytes that come in pieces of any size, cut into chunks, with a look ahead that tells the last one.
struct Chunks<R> {
    source: R,
    size: usize,
    next: Zeroizing<Vec<u8>>,
    ahead: usize,
}

impl<R: Read> Chunks<R> {
    fn new(source: R, size: usize) -> io::Result<Self> {
        let mut chunks = Self {
            source,
            size,
            next: Zeroizing::new(vec![0; SEALED_CHUNK]),
            ahead: 0,
        };
        chunks.look_ahead()?;
        Ok(chunks)
    }

    fn look_ahead(&mut self) -> io::Result<()> {
        let room = self.next.get_mut(..self.size).unwrap_or_default();
        self.ahead = fill(&mut self.source, room)?;
        Ok(())
    }

    /// Swaps the next chunk into `chunk`; says how long it is, and whether it is the last.
    fn take(&mut self, chunk: &mut Zeroizing<Vec<u8>>) -> io::Result<(usize, bool)> {
        std::mem::swap(chunk, &mut self.next);
        let length = self.ahead;
        if length == self.size {
            self.look_ahead()?;
        } else {
            self.ahead = 0;
        }
        Ok((length, self.ahead == 0))
    }
}

/// Reads until `room` is full or the source ends.
fn fill(source: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = room.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Seals what `source` gives, to its end, under `key` as this version of this record. What was
/// written when this fails is no sealed payload and must be thrown away.
///
/// # Errors
/// [`StreamError`].
pub fn seal_stream(
    record: &RecordVersion,
    key: &DataKey,
    source: impl Read,
    mut target: impl Write,
) -> Result<SealedStream, StreamError> {
    let header = record.header(&random()?);
    let stream = Stream::new(key, header);
    let (mut payload, mut sealed) = (Context::new(&SHA256), Context::new(&SHA256));
    let mut emit = |bytes: &[u8]| {
        sealed.update(bytes);
        target.write_all(bytes).map_err(StreamError::Write)
    };
    emit(&header)?;
    let mut chunks = Chunks::new(source, CHUNK).map_err(StreamError::Read)?;
    let mut buffer = Zeroizing::new(vec![0; SEALED_CHUNK]);
    let mut length = 0u64;
    for number in 0u32.. {
        let (filled, last) = chunks.take(&mut buffer).map_err(StreamError::Read)?;
        let chunk = buffer.get_mut(..filled).unwrap_or_default();
        payload.update(chunk);
        length = length.saturating_add(filled as u64);
        if length > MAX_STREAM {
            return Err(StreamError::TooLong);
        }
        let tag = stream.seal(number, last, chunk);
        emit(chunk)?;
        emit(&tag)?;
        if last {
            break;
        }
    }
    target.flush().map_err(StreamError::Write)?;
    Ok(SealedStream {
        length,
        payload: finished(payload),
        ciphertext: CiphertextHash::new(finished(sealed)),
    })
}

/// A digest's bytes.
pub(crate) fn finished(context: Context) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref()); // a SHA-256 digest is 32 bytes
    hash
}

/// A sealed payload that is being opened from its beginning to its end.
pub struct Opening<R> {
    stream: Stream,
    chunks: Chunks<R>,
    sealed: Zeroizing<Vec<u8>>,
    opened: Zeroizing<Vec<u8>>,
    number: u32,
    ended: bool,
}

impl<R: Read> Opening<R> {
    /// Reads the header and checks that it names `record`.
    ///
    /// # Errors
    /// [`StreamError::Open`] and [`StreamError::Read`].
    pub fn new(record: &RecordVersion, key: &DataKey, mut sealed: R) -> Result<Self, StreamError> {
        let mut header = [0; HEADER];
        if fill(&mut sealed, &mut header).map_err(StreamError::Read)? < HEADER {
            return Err(OpenError::HeaderTruncated.into());
        }
        let found = RecordVersion::of_header(&header)?;
        if found != *record {
            return Err(OpenError::Swapped { found }.into());
        }
        Ok(Self {
            stream: Stream::new(key, header),
            chunks: Chunks::new(sealed, SEALED_CHUNK).map_err(StreamError::Read)?,
            sealed: Zeroizing::new(vec![0; SEALED_CHUNK]),
            opened: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK)),
            number: 0,
            ended: false,
        })
    }

    /// The next bytes of the payload, which stand there in the payload that was sealed; `None` once
    /// there are no more. **Only `None` says that these were all**: after an error, whatever was
    /// handed out is to be thrown away.
    ///
    /// # Errors
    /// [`StreamError::Open`], which names the chunk that is wrong and how, and [`StreamError::Read`].
    pub fn chunk(&mut self) -> Result<Option<&[u8]>, StreamError> {
        if self.ended {
            return Ok(None);
        }
        let (length, last) = self
            .chunks
            .take(&mut self.sealed)
            .map_err(StreamError::Read)?;
        let number = self.number;
        let too_long = u64::from(number).saturating_mul(CHUNK as u64) >= MAX_STREAM;
        if too_long && length > 0 {
            return Err(StreamError::TooLong);
        }
        if number == 0 && length < TAG {
            return Err(OpenError::HeaderTruncated.into());
        }
        let sealed = self.sealed.get(..length).unwrap_or_default();
        self.opened.clear();
        // How many chunks there are is not known: one that comes from a little ahead is recognised.
        let count = usize::try_from(number)
            .unwrap_or(usize::MAX)
            .saturating_add(16);
        self.stream
            .open_next(number, last, sealed, count, &mut self.opened)?;
        self.number = number.saturating_add(1);
        self.ended = last;
        Ok(Some(&self.opened))
    }

    /// Writes what is left of the payload; gives its length, once it is whole. After an error, whatever was
    /// written is to be thrown away.
    ///
    /// # Errors
    /// As [`Opening::chunk`], and [`StreamError::Write`].
    pub fn write_to(&mut self, target: &mut impl Write) -> Result<u64, StreamError> {
        let mut length = 0u64;
        while let Some(chunk) = self.chunk()? {
            target.write_all(chunk).map_err(StreamError::Write)?;
            length = length.saturating_add(chunk.len() as u64);
        }
        Ok(length)
    }
}

/// Opens a sealed payload into a new file, which has its name only once the whole payload has
/// authenticated and is on disk; gives its length. Only its owner may read the file.
///
/// # Errors
/// [`StreamError`]; nothing of the payload is left then.
pub fn open_to_file(
    record: &RecordVersion,
    key: &DataKey,
    sealed: impl Read,
    path: &Path,
) -> Result<u64, StreamError> {
    let exists = || StreamError::Exists { path: path.into() };
    if path.exists() {
        return Err(exists());
    }
    let mut opening = Opening::new(record, key, sealed)?;
    let aside = aside_of(path)?;
    let written = write_opened(&mut opening, &aside).and_then(|length| {
        if path.exists() {
            return Err(exists());
        }
        fs::rename(&aside, path).map_err(StreamError::Write)?;
        Ok(length)
    });
    if written.is_err() {
        // It may not be there; and the error that is told is the one that came first.
        let _ = fs::remove_file(&aside);
    }
    let length = written?;
    crate::disk::sync_parent(path).map_err(StreamError::Write)?;
    Ok(length)
}

fn aside_of(path: &Path) -> Result<PathBuf, StreamError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".opening-{}", hex::encode(random::<8>()?)));
    Ok(path.with_file_name(name))
}

fn write_opened(opening: &mut Opening<impl Read>, aside: &Path) -> Result<u64, StreamError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: BufWriter<File> =
        BufWriter::with_capacity(CHUNK, options.open(aside).map_err(StreamError::Write)?);
    let length = opening.write_to(&mut file)?;
    let file = file
        .into_inner()
        .map_err(|error| StreamError::Write(error.into_error()))?;
    file.sync_all().map_err(StreamError::Write)?;
    Ok(length)
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
