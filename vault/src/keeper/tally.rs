//! A count that its holder cannot set back: marks in a token, each of which is set once and stays.
//!
//! What always holds: a mark is an object of the token that the token neither changes nor destroys, so
//! the newest of them is there for as long as the token is; a token is asked, and made to show it,
//! before anything is counted in it. Old marks stay too, so a count has an end: [`MAX_MARKS`], or the
//! token's own room.
//!
//! What a mark does not do: whoever has the token's PIN can have it unwrap by other software, which
//! sets none.

use super::KeeperError;
use std::time::Duration;

/// How many marks a count may have. Each takes about 500 bytes of a token's room.
pub const MAX_MARKS: usize = 4096;
/// The longest mark, in bytes.
pub const MAX_MARK: usize = 256;

/// What a token does with a mark that it was asked to change and to destroy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// It refused, and says that it is hardware.
    StayInHardware,
    /// It refused, and is software: whoever puts a copy of its files back undoes them.
    StayInSoftware,
    /// It did so.
    Vanish,
}

/// A count in a token.
pub trait Tally {
    /// Every mark of this count, in no order, whoever set it; none longer than [`MAX_MARK`]. They are read
    /// one by one, and given up where that takes longer than `within`.
    ///
    /// # Errors
    /// [`KeeperError`], also where there are more than twice [`MAX_MARKS`].
    fn marks(&self, within: Duration) -> Result<Vec<Vec<u8>>, KeeperError>;

    /// Sets a mark, which is in the token for good when this returns.
    ///
    /// # Errors
    /// [`KeeperError`]; the token is full, say.
    fn set(&self, mark: &[u8]) -> Result<(), KeeperError>;

    /// Sets a mark and tries to change it and to destroy it.
    ///
    /// # Errors
    /// [`KeeperError`] when it could not be set.
    fn prove(&self, mark: &[u8]) -> Result<Marks, KeeperError>;
}
