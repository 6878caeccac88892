//! Where an opened document goes: to a new file, or to standard output.
//!
//! What always holds: the file has its name only once it is whole and on disk, and nothing that had this
//! name is ever written over ([`NewFile`]). So a command that was cut off is run again with the same words.

use crate::exit::{Exit, Fatal};
use crate::output::say_bytes;
use medanchor_sdk::NewFile;
use std::io::{self, Write};
use std::path::Path;

/// Where a document goes.
pub(super) enum Out {
    Standard,
    File(NewFile),
}

impl Out {
    /// Made before anything is asked for: afterwards it would be too late to find that nothing can be written.
    pub(super) fn new(path: Option<&Path>) -> Result<Self, Fatal> {
        let Some(path) = path else {
            return Ok(Self::Standard);
        };
        NewFile::begin(path).map(Self::File).map_err(|error| {
            let what = format!("cannot write {}: {error}; name a new file", path.display());
            Fatal::new(Exit::Usage, what)
        })
    }

    /// Writes the document there.
    pub(super) fn deliver(self, document: &[u8]) -> Result<(), Fatal> {
        match self {
            Self::Standard => Ok(say_bytes(document)?),
            Self::File(file) => {
                let path = file.path().display().to_string();
                write(file, document).map_err(|error| {
                    let what =
                        format!("cannot write {path}: {error}; run it again with another --out");
                    Fatal::new(Exit::Failure, what)
                })
            }
        }
    }
}

fn write(mut file: NewFile, document: &[u8]) -> io::Result<()> {
    file.write_all(document)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_wrong_usage_and_one_that_was_free_gets_the_document() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let out = Out::new(Some(&path)).unwrap();
        let Err(second) = Out::new(Some(&path)) else {
            panic!("two write one file");
        };
        assert_eq!(second.exit, Exit::Usage);
        assert!(second.to_string().contains("another command"), "{second}");
        out.deliver(b"a document").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"a document");
        assert!(Out::new(Some(&path)).is_err_and(|taken| taken.exit == Exit::Usage));
        let late = Out::new(Some(&folder.path().join("late"))).unwrap();
        std::fs::write(folder.path().join("late"), b"somebody else's").unwrap();
        let refused = late.deliver(b"a document").unwrap_err();
        assert_eq!(refused.exit, Exit::Failure);
    }
}
