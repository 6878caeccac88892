//! Readers that are private to the vault, as functions of bytes or of a file: for the fuzzers.

pub use crate::custody::custodian::dealt;
pub use crate::key_file::rewritten as key_file;

use crate::emergency::EmergencyKey;
use medanchor_ledger::NetworkId;

/// Reads the file of an emergency key and writes it again.
#[must_use]
pub fn emergency_key(bytes: &[u8], network: NetworkId) -> Option<Vec<u8>> {
    Some(EmergencyKey::decode(bytes, network)?.encode())
}
