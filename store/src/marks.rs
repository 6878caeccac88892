//! How far this home has committed itself in front of others: the heights it cosigned and
//! published. A journal that ends below is damaged, not torn.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | highest height cosigned |
//! | 8 | height of the published checkpoint |
//! | 4 | CRC-32 of the above |
//!
//! Twenty bytes within one sector, overwritten in place: written whole or not at all. They are
//! not synced each time: they may be older than the truth after a power cut, never newer.

use crate::StoreError;
use medanchor_ledger::Height;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const LENGTH: usize = 20;

/// The marks of one home.
#[derive(Debug)]
pub(crate) struct Marks {
    path: PathBuf,
    file: File,
    heights: Mutex<[Height; 2]>,
}

impl Marks {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let mut options = File::options();
            let mut file = options
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(path)?;
            let mut bytes = Vec::new();
            file.by_ref()
                .take(LENGTH as u64 + 1)
                .read_to_end(&mut bytes)?;
            Ok((file, bytes))
        };
        let (file, bytes) = open().map_err(|error| StoreError::io("open", path, error))?;
        let what = "it does not hold the heights that were written";
        let damaged = || StoreError::Damaged {
            path: path.to_owned(),
            position: 0,
            what,
        };
        let heights = if bytes.is_empty() {
            [Height(0); 2]
        } else {
            decode(&bytes).ok_or_else(damaged)?
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            heights: Mutex::new(heights),
        })
    }

    /// The highest of them.
    pub(crate) fn highest(&self) -> Height {
        let [cosigned, published] = *self.heights.lock().unwrap_or_else(PoisonError::into_inner);
        cosigned.max(published)
    }

    pub(crate) fn cosigned(&self, height: Height) -> Result<(), StoreError> {
        self.raise(|[cosigned, published]| [cosigned.max(height), published])
    }

    pub(crate) fn published(&self, height: Height) -> Result<(), StoreError> {
        self.raise(|[cosigned, published]| [cosigned, published.max(height)])
    }

    fn raise(&self, change: impl FnOnce([Height; 2]) -> [Height; 2]) -> Result<(), StoreError> {
        let mut heights = self.heights.lock().unwrap_or_else(PoisonError::into_inner);
        let raised = change(*heights);
        if raised == *heights {
            return Ok(());
        }
        let written = self.file.write_all_at(&encode(raised), 0);
        written.map_err(|error| StoreError::io("write", &self.path, error))?;
        *heights = raised;
        Ok(())
    }
}

fn encode(heights: [Height; 2]) -> Vec<u8> {
    let mut bytes: Vec<u8> = heights
        .iter()
        .flat_map(|height| height.0.to_be_bytes())
        .collect();
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<[Height; 2]> {
    let (covered, crc) = bytes.split_last_chunk::<4>()?;
    let (numbers, rest) = covered.as_chunks::<8>();
    let [cosigned, published] = numbers else {
        return None;
    };
    let good = rest.is_empty() && u32::from_be_bytes(*crc) == crc32fast::hash(covered);
    good.then(|| [cosigned, published].map(|number| Height(u64::from_be_bytes(*number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_only_rise_and_outlive_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        let marks = Marks::open(&path).unwrap();
        marks.cosigned(Height(5)).unwrap();
        marks.published(Height(7)).unwrap();
        marks.cosigned(Height(3)).unwrap();
        drop(marks);
        let marks = Marks::open(&path).unwrap();
        assert_eq!(*marks.heights.lock().unwrap(), [Height(5), Height(7)]);
        assert_eq!(marks.highest(), Height(7));
    }

    #[test]
    fn changed_marks_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("marks");
        Marks::open(&path).unwrap().cosigned(Height(5)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[7] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(
            Marks::open(&path),
            Err(StoreError::Damaged { .. })
        ));
    }
}
