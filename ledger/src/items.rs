//! The file in which an institution keeps the items of a population, and of which it shows an
//! inspector all lines or those of the drawn places.
//!
//! What always holds: the first line is `medanchor/items/v1`; every other is an item's place in the
//! population, its salt and its bytes, the last two in lower-case hexadecimal, separated by one
//! space; one item has one line.

use crate::ItemCommitment;
use crate::draw::{SALT_LENGTH, commit_item};
use std::fmt;
use std::str::FromStr;

/// The first line.
pub const HEADER: &str = "medanchor/items/v1";

/// The most bytes of an item.
pub const MAX_ITEM: usize = 4096;

/// The most bytes of a line, without its end.
pub const MAX_LINE: usize = 20 + 1 + 2 * SALT_LENGTH + 1 + 2 * MAX_ITEM;

/// An item with all that opens its commitment.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenItem {
    /// Its place in the population, from 0.
    pub place: u64,
    /// What hides it.
    pub salt: [u8; SALT_LENGTH],
    /// The item, 1 to [`MAX_ITEM`] bytes.
    pub item: Vec<u8>,
}

/// A line that is no item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the line is no item; write its place, 64 digits of salt and up to {MAX_ITEM} bytes in lower-case hexadecimal, with one space between them"
)]
pub struct ItemError;

impl OpenItem {
    /// What the population holds for it.
    #[must_use]
    pub fn commitment(&self) -> ItemCommitment {
        commit_item(&self.salt, &self.item)
    }
}

impl fmt::Display for OpenItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, item) = (hex::encode(self.salt), hex::encode(&self.item));
        write!(f, "{} {salt} {item}", self.place)
    }
}

/// What an item says is nobody's business.
impl fmt::Debug for OpenItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenItem({}, ..)", self.place)
    }
}

impl FromStr for OpenItem {
    type Err = ItemError;

    fn from_str(line: &str) -> Result<Self, ItemError> {
        let mut words = line.split(' ');
        let mut word = || words.next().ok_or(ItemError);
        let (place, salt, item) = (word()?, word()?, word()?);
        let decode = |digits: &str| hex::decode(digits).map_err(|_| ItemError);
        let found = Self {
            place: place.parse().map_err(|_| ItemError)?,
            salt: decode(salt)?.try_into().map_err(|_| ItemError)?,
            item: decode(item)?,
        };
        let fits = (1..=MAX_ITEM).contains(&found.item.len());
        // Signs, zeros in front, upper case and further words all give another line.
        if fits && found.to_string() == line {
            Ok(found)
        } else {
            Err(ItemError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> String {
        format!("12 {} 0a0b", "01".repeat(32))
    }

    #[test]
    fn an_item_survives_its_line_and_opens_its_commitment() {
        let item: OpenItem = line().parse().unwrap();
        assert_eq!(item.to_string(), line());
        assert_eq!(item.place, 12);
        assert_eq!(item.commitment(), commit_item(&[1; 32], &[10, 11]));
        assert!(!format!("{item:?}").contains("0a0b"));
    }

    #[test]
    fn every_other_line_is_refused() {
        let salt = "01".repeat(32);
        let long = "00".repeat(MAX_ITEM + 1);
        let lines = [
            String::new(),
            "12".into(),
            format!("12 {salt}"),
            format!("12 {salt} "),
            format!("012 {salt} 0a"),
            format!("+12 {salt} 0a"),
            format!("-1 {salt} 0a"),
            format!("18446744073709551616 {salt} 0a"),
            format!("12  {salt} 0a"),
            format!("12 {salt} 0A"),
            format!("12 {salt} 0"),
            format!("12 {salt} 0a "),
            format!("12 {salt} 0a 0b"),
            format!("12 {} 0a", "01".repeat(31)),
            format!("12 {salt} {long}"),
        ];
        for line in lines {
            assert_eq!(line.parse::<OpenItem>(), Err(ItemError), "{line:.90}");
        }
        let whole = format!("{} {salt} {}", u64::MAX, "00".repeat(MAX_ITEM));
        assert!(whole.len() == MAX_LINE && whole.parse::<OpenItem>().is_ok());
    }
}
