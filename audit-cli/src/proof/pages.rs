//! The pages of a history, out of a file and into one.
//!
//! What always holds: one page is in memory at a time, however long the history is.

use super::failure::Failure;
use crate::source::unreadable;
use medanchor_ledger::document::HistoryPage;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a file page by page.
pub(super) struct Pages {
    file: File,
    shown: String,
    buffer: Vec<u8>,
    ended: bool,
}

impl Pages {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let opened = std::fs::metadata(path).and_then(|meta| match meta.is_file() {
            true => File::open(path),
            false => Err(std::io::Error::other("it is no file")),
        });
        let file = opened.map_err(|cause| unreadable(&shown, &cause))?;
        Ok(Self {
            file,
            shown,
            buffer: Vec::new(),
            ended: false,
        })
    }

    /// The next page; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<HistoryPage>, Failure> {
        self.fill()?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let (page, length) = HistoryPage::decode_first(&self.buffer)?;
        self.buffer.drain(..length);
        Ok(Some(page))
    }

    /// Reads on until the longest page is in memory, or the file ends.
    fn fill(&mut self) -> Result<(), Failure> {
        let missing = HistoryPage::MAX_BYTES.saturating_sub(self.buffer.len());
        if self.ended || missing == 0 {
            return Ok(());
        }
        let limit = missing as u64;
        let read = (&mut self.file).take(limit).read_to_end(&mut self.buffer);
        let read = read.map_err(|cause| unreadable(&self.shown, &cause))?;
        self.ended = read < missing;
        Ok(())
    }
}
