//! The append-only files of a log: certificates by height, cosignatures as they came.
//!
//! What always holds: a record is given only whole and within the bound of its kind. A node that
//! runs may be in the middle of an append, so a file may end with a part of a record: that part is no
//! record and no fault, and it is said that it is there. Format: each record after its length in four
//! bytes, big-endian.

use crate::fault::{Failure, Fault, Trouble};
use crate::source::{Source, fill};
use medanchor_ledger::Height;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::genesis::Genesis;
use std::io::{BufReader, Read};

/// The records of one file, from the first on.
pub(crate) struct Records {
    file: &'static str,
    stream: Option<BufReader<Box<dyn Read + Send>>>,
    position: u64,
    longest: usize,
    incomplete_tail: bool,
}

impl Records {
    pub(crate) fn open(
        source: &dyn Source,
        file: &'static str,
        longest: usize,
    ) -> Result<Self, Trouble> {
        Self::open_at(source, file, 0, longest)
    }

    /// The records from byte `position` on.
    pub(crate) fn open_at(
        source: &dyn Source,
        file: &'static str,
        position: u64,
        longest: usize,
    ) -> Result<Self, Trouble> {
        let stream = source.open_at(file, position)?;
        Ok(Self::of(file, stream, position, longest))
    }

    /// The records of what is open already, at byte `position`.
    pub(crate) fn of(
        file: &'static str,
        stream: Option<Box<dyn Read + Send>>,
        position: u64,
        longest: usize,
    ) -> Self {
        Self {
            file,
            stream: stream.map(BufReader::new),
            position,
            longest,
            incomplete_tail: false,
        }
    }

    /// Where the next record begins.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Whether the log has such a file.
    pub(crate) const fn is_there(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether the file ends with a part of a record: known once [`Records::next`] has given none.
    pub(crate) const fn has_incomplete_tail(&self) -> bool {
        self.incomplete_tail
    }

    /// The next record and where it begins; none after the last whole one.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Failure> {
        // What a live file has more by now does not continue what was read of it.
        if self.incomplete_tail {
            return Ok(None);
        }
        let mut length = [0; 4];
        let read = self.fill(&mut length)?;
        if read < length.len() {
            self.incomplete_tail = read > 0;
            return Ok(None);
        }
        let size = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if size == 0 || size > self.longest {
            return Err(self.damaged("not the length of a record").into());
        }
        let mut record = vec![0; size];
        if self.fill(&mut record)? < size {
            self.incomplete_tail = true;
            return Ok(None);
        }
        let position = self.position;
        self.position += 4 + size as u64;
        Ok(Some((position, record)))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let place = self.file;
        let failed = |cause: std::io::Error| Trouble::Unreadable {
            place: place.to_owned(),
            cause: cause.to_string(),
        };
        match &mut self.stream {
            Some(stream) => fill(stream, buffer).map_err(failed),
            None => Ok(0),
        }
    }

    fn damaged(&self, what: &str) -> Fault {
        Fault::Records {
            path: self.file,
            position: self.position,
            what: what.to_owned(),
        }
    }
}

/// What the file of certificates has beyond the checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Beyond {
    /// Certificates that a quorum signed; their blocks are not judged.
    pub(crate) whole: u64,
    /// Whether the file ends with a part of one more.
    pub(crate) incomplete_tail: bool,
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

    /// What is wrong when there is no certificate of a `height` that needs one.
    pub(crate) fn missing(&self, height: Height) -> Fault {
        if self.records.has_incomplete_tail() {
            self.records.damaged("a record is cut short")
        } else {
            Fault::NoCertificate { height }
        }
    }

    /// Holds what follows the last height of the checkpoint against `genesis`: certificates of
    /// blocks that are decided and not published yet.
    pub(crate) fn beyond(mut self, genesis: &Genesis) -> Result<Beyond, Failure> {
        Ok(Beyond {
            whole: self.rest(genesis)?,
            incomplete_tail: self.records.has_incomplete_tail(),
        })
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
