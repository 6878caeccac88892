//! The append-only files of a log: certificates by height, cosignatures as they came.
//!
//! What always holds: a record is given only whole and within the bound of its kind. Format: each
//! record after its length in four bytes, big-endian.

use crate::fault::{Failure, Fault, Trouble};
use crate::source::Source;
use medanchor_ledger::Height;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::genesis::Genesis;
use std::io::{BufReader, ErrorKind, Read};
use std::time::Duration;

/// Longer than a node takes to append a record.
const APPEND: Duration = Duration::from_millis(500);

/// The records of one file, from the first on.
pub(crate) struct Records {
    file: &'static str,
    stream: Option<BufReader<Box<dyn Read + Send>>>,
    position: u64,
    longest: usize,
}

impl Records {
    pub(crate) fn open(
        source: &dyn Source,
        file: &'static str,
        longest: usize,
    ) -> Result<Self, Trouble> {
        let stream = source.open(file)?.map(BufReader::new);
        Ok(Self {
            file,
            stream,
            position: 0,
            longest,
        })
    }

    /// Whether the log has such a file.
    pub(crate) const fn is_there(&self) -> bool {
        self.stream.is_some()
    }

    /// The next record and where it begins; none at the end of the file.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Failure> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let (file, position) = (self.file, self.position);
        let failed = |cause: std::io::Error| Trouble::Unreadable {
            place: file.to_owned(),
            cause: cause.to_string(),
        };
        let damaged = |what: &str| Fault::Records {
            path: file,
            position,
            what: what.to_owned(),
        };
        let mut length = [0; 4];
        match fill(stream, &mut length).map_err(failed)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(damaged("a record is cut short").into()),
        }
        let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if size == 0 || size > self.longest {
            return Err(damaged("not the length of a record").into());
        }
        let mut record = vec![0; size];
        if fill(stream, &mut record).map_err(failed)? < size {
            return Err(damaged("a record is cut short").into());
        }
        self.position += 4 + size as u64;
        Ok(Some((position, record)))
    }
}

/// Reads until the buffer is full or the stream ends; how many bytes were read.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The certificates, by height from 1 on.
pub(crate) struct Certificates {
    records: Records,
    next: Height,
}

impl Certificates {
    pub(crate) fn open(source: &dyn Source) -> Result<Self, Trouble> {
        let records = Records::open(source, "certificates", Certificate::MAX_BYTES)?;
        Ok(Self {
            records,
            next: Height(1),
        })
    }

    /// The certificate of `height`; heights are asked for in order.
    pub(crate) fn of(&mut self, height: Height) -> Result<Option<Certificate>, Failure> {
        debug_assert_eq!(self.next, height);
        self.next = height.next();
        let Some((_, bytes)) = self.records.next()? else {
            return Ok(None);
        };
        let decoded = Certificate::decode(&bytes);
        Ok(Some(
            decoded.map_err(|cause| Fault::Certificate { height, cause })?,
        ))
    }

    /// Holds what follows the last height of the checkpoint against `genesis`: certificates of
    /// blocks that are decided and not published yet. Their number; their blocks are not judged.
    pub(crate) fn beyond(mut self, source: &dyn Source, genesis: &Genesis) -> Result<u64, Failure> {
        let first = self.next;
        let found = self.rest(genesis);
        if !matches!(found, Err(Failure::Fault(Fault::Records { .. }))) {
            return found;
        }
        // A node may have been in the middle of an append; then the file is whole a moment later.
        std::thread::sleep(APPEND);
        let mut again = Self::open(source)?;
        while again.next < first {
            let height = again.next;
            again.of(height)?.ok_or(Fault::NoCertificate { height })?;
        }
        again.rest(genesis)
    }

    fn rest(&mut self, genesis: &Genesis) -> Result<u64, Failure> {
        let mut count = 0;
        loop {
            let height = self.next;
            let Some(certificate) = self.of(height)? else {
                return Ok(count);
            };
            if certificate.height() != height {
                return Err(Fault::OtherValue { height }.into());
            }
            let verdict = certificate.verify(genesis.validators(), genesis.network_id());
            verdict.map_err(|cause| Fault::Certificate { height, cause })?;
            count += 1;
        }
    }
}
