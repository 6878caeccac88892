//! Documents that prove, without any network, what the state holds: one key's value or its absence,
//! the whole history of a tag, the decision on a request for access.
//!
//! What always holds: a document that verifies speaks of one height, and says which; its seal stands
//! in the log of the policy's network where the seal itself says it does, under a checkpoint with a
//! quorum. Every document has one encoding, a bound on its bytes, and encodes to the very bytes it
//! was decoded from. `docs/proofs.md` has the formats as tables.

mod access;
mod claim;
mod error;
mod history;
mod seal;
mod state;

pub use access::{AccessReceipt, VerifiedAccess};
pub use claim::StateClaim;
pub use error::{DocumentError, NotProved, Part};
pub use history::{HistoryPage, HistoryVerifier, VerifiedHistory};
pub use seal::{SealProof, VerifiedSeal};
pub use state::{StateDocument, VerifiedState};

/// Refuses bytes beyond the bound of their kind before anything of them is read.
fn check_size(what: &'static str, bytes: &[u8], max: usize) -> Result<(), DocumentError> {
    let found = bytes.len();
    if found > max {
        return Err(DocumentError::Size { what, max, found });
    }
    Ok(())
}
