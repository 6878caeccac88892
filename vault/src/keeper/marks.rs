//! Marks of a count in a PKCS#11 token: data objects that can be neither changed nor destroyed.
//!
//! What always holds: a mark is public in the token's sense, so that it can be read without the PIN,
//! by whoever is to see that nothing was cut off; what it says proves itself. It bears the id of the key that
//! is kept beside it, so two counts in one token are two.
//!
//! Only who initialises the token anew takes its marks away, and with them every key that is in it. Whoever
//! may use it without the PIN can add objects that look like marks, so reading them has an end in number and
//! in time.

use super::tally::{MAX_MARK, MAX_MARKS, Marks, Tally};
use super::token::{refused, wrong};
use super::{KeeperError, KeyId};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use std::time::{Duration, Instant};

const APPLICATION: &[u8] = b"medanchor";
/// What a token is asked when its marks are read.
const LIST: &str = "list its marks";

/// A session in which the marks beside a key are read, and set if the token's user is logged in.
pub(crate) struct TokenMarks {
    pub(super) session: Session,
    pub(super) id: KeyId,
    pub(super) hardware: bool,
}

impl TokenMarks {
    fn label(&self) -> Vec<u8> {
        format!(
            "medanchor emergency journal {}",
            hex::encode(self.id.as_bytes())
        )
        .into_bytes()
    }

    fn create(&self, mark: &[u8]) -> Result<ObjectHandle, KeeperError> {
        let template = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Modifiable(false),
            Attribute::Copyable(false),
            Attribute::Destroyable(false),
            Attribute::Application(APPLICATION.to_vec()),
            Attribute::Label(self.label()),
            Attribute::Value(mark.to_vec()),
        ];
        let created = self.session.create_object(&template);
        created.map_err(refused("set a mark"))
    }

    fn value(&self, object: ObjectHandle) -> Result<Vec<u8>, KeeperError> {
        let found = self
            .session
            .get_attributes(object, &[AttributeType::Value])
            .map_err(refused("read a mark"))?;
        match found.into_iter().next() {
            Some(Attribute::Value(value)) => Ok(value),
            _ => Err(wrong("read a mark", "it has no value")),
        }
    }

    /// Whether the token lets anybody change the object, or what may be done with it.
    fn changes(&self, object: ObjectHandle, mark: &[u8]) -> Result<bool, KeeperError> {
        let tries = [
            Attribute::Value(b"changed".to_vec()),
            Attribute::Label(b"changed".to_vec()),
            Attribute::Destroyable(true),
        ];
        let mut done = tries
            .into_iter()
            .map(|change| self.session.update_attributes(object, &[change]));
        Ok(done.any(|done| done.is_ok()) || self.value(object)? != mark)
    }
}

/// What a token gives one by one, if there is an end to it before it is late.
fn bounded<T>(
    found: impl Iterator<Item = Result<T, KeeperError>>,
    is_late: impl Fn() -> bool,
) -> Result<Vec<T>, KeeperError> {
    let mut all = Vec::new();
    for one in found {
        if all.len() == 2 * MAX_MARKS {
            return Err(wrong(LIST, "there are more than any count has"));
        }
        if is_late() {
            return Err(wrong(LIST, "reading them takes too long"));
        }
        all.push(one?);
    }
    Ok(all)
}

impl Tally for TokenMarks {
    fn marks(&self, within: Duration) -> Result<Vec<Vec<u8>>, KeeperError> {
        let begun = Instant::now();
        let template = [
            Attribute::Class(ObjectClass::DATA),
            Attribute::Label(self.label()),
        ];
        // The search ends before the next thing is asked in the session.
        let objects: Vec<ObjectHandle> = {
            let found = self.session.iter_objects(&template);
            let found = found.map_err(refused(LIST))?;
            let found = found.map(|one| one.map_err(refused(LIST)));
            bounded(found, || begun.elapsed() >= within)?
        };
        let values = objects.into_iter().map(|object| self.value(object));
        let mut marks = bounded(values, || begun.elapsed() >= within)?;
        marks.retain(|mark| mark.len() <= MAX_MARK);
        Ok(marks)
    }

    fn set(&self, mark: &[u8]) -> Result<(), KeeperError> {
        self.create(mark).map(drop)
    }

    fn prove(&self, mark: &[u8]) -> Result<Marks, KeeperError> {
        let object = self.create(mark)?;
        let changed = self.changes(object, mark)?;
        let destroyed = self.session.destroy_object(object).is_ok();
        Ok(match (changed || destroyed, self.hardware) {
            (true, _) => Marks::Vanish,
            (false, true) => Marks::StayInHardware,
            (false, false) => Marks::StayInSoftware,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// Why a token with so many objects is given up, if it is, and how many were read.
    fn read(objects: usize, late_after: usize) -> (Option<String>, usize) {
        let done = Cell::new(0);
        let found = (0..objects).map(|one| {
            done.set(done.get() + 1);
            Ok(one)
        });
        let why = match bounded(found, || done.get() > late_after) {
            Err(KeeperError::Token { why, .. }) => Some(why),
            other => {
                assert_eq!(other.unwrap().len(), objects);
                None
            }
        };
        (why, done.get())
    }

    #[test]
    fn reading_marks_has_an_end_in_number_and_in_time() {
        let most = 2 * MAX_MARKS;
        assert_eq!(read(most, most), (None, most));
        let (why, done) = read(10 * MAX_MARKS, usize::MAX);
        assert!(why.is_some_and(|why| why.contains("more than any count")));
        assert_eq!(done, most + 1);
        let (why, done) = read(most, 7);
        assert!(why.is_some_and(|why| why.contains("too long")));
        assert_eq!(done, 8);
    }
}
