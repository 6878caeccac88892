//! What participants ask each other directly, off the ledger: a custodian to keep a share or to
//! release it, a record's owner to release its part of a key.
//!
//! What always holds: every request is a [`Statement`] that its sender signed for one receiver, one
//! network and one TLS channel, so that nobody can pass it on; the receiver is known by the hash of
//! its TLS key, not by a name that somebody certified; bodies and answers are bounded in size and time.

mod ask;
#[cfg(feature = "client")]
mod book;
#[cfg(feature = "client")]
mod link;
mod statement;
#[cfg(feature = "client")]
mod tls;

pub use ask::Ask;
#[cfg(feature = "client")]
pub use book::{AddressBook, BookError, Counterpart, book_entry};
#[cfg(feature = "client")]
pub use link::{Link, LinkError, MAX_ANSWER, SLOWEST};
pub use statement::{Expected, MAX_BODY, MAX_STATEMENT, Statement, StatementError};
#[cfg(feature = "client")]
pub use tls::{Certificate, CertificateError, tls_key_hash};
