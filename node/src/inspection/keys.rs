//! The keys of random outputs in a home: the present ones, and the next ones beside them.
//!
//! What always holds: next keys are made both or none. Which keys count is the ledger's to say, so a key is
//! looked for by its public half in both places, and a cut between two steps loses none. A present key
//! is overwritten by one that the ledger names, and only when no draw takes an output under the old one.
//!
//! ```text
//! 1  keys/next.new/                     both keys are written; a cut leaves what nobody was told, and the next run removes it
//! 2  keys/next.new -> keys/next         from now on the same two keys are registered, however often one tries
//! 3  the ledger names them              the node finds them in keys/next, and has the present ones for draws that run
//! 4  keys/next/vrf.key -> keys/         no draw takes the old ones any more; in between each key is found where it stands
//! 5  keys/next/inspection.key -> keys/
//! 6  keys/next is removed
//! ```

use crate::home::Home;
use crate::keys::{KeyError, Purpose, SecretKey};
use medanchor_ledger::event::InspectionKey;
use medanchor_ledger::rules::OutputKeys;
use medanchor_ledger::vrf::VrfSecretKey;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

const BOTH: [Purpose; 2] = [Purpose::Vrf, Purpose::Inspection];

/// The keys with which a node gives random outputs, of one folder.
pub struct DrawKeys {
    vrf: VrfSecretKey,
    operational: SecretKey,
}

impl DrawKeys {
    /// Reads the present keys of a home; none if it was made without.
    ///
    /// # Errors
    /// [`KeyError`] if one of the two is missing or a file cannot be used.
    pub fn read(home: &Home) -> Result<Option<Self>, KeyError> {
        let keys = home.keys();
        if BOTH.iter().all(|purpose| !purpose.path(&keys).exists()) {
            return Ok(None);
        }
        Self::of(&keys).map(Some)
    }

    fn of(folder: &Path) -> Result<Self, KeyError> {
        Ok(Self {
            vrf: read_vrf(folder)?,
            operational: SecretKey::read(folder, Purpose::Inspection)?,
        })
    }

    /// Makes the keys that a home lacks.
    ///
    /// # Errors
    /// [`KeyError`] if the system refuses.
    pub fn make(home: &Home) -> Result<(), KeyError> {
        for purpose in BOTH {
            if !purpose.path(&home.keys()).exists() {
                SecretKey::generate(purpose)?.write(&home.keys())?;
            }
        }
        Ok(())
    }

    /// The public halves, as they are first registered.
    #[must_use]
    pub fn public(&self) -> InspectionKey {
        InspectionKey {
            vrf: self.vrf.public_key(),
            operational: self.operational.public(),
            replaces: None,
        }
    }
}

fn read_vrf(folder: &Path) -> Result<VrfSecretKey, KeyError> {
    let seed = SecretKey::read(folder, Purpose::Vrf)?.seed();
    Ok(VrfSecretKey::from_seed(&seed))
}

fn next(home: &Home) -> PathBuf {
    home.keys().join("next")
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.into();
    |source| KeyError::Io { path, source }
}

fn sync(folder: &Path) -> Result<(), KeyError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(io_at(folder))
}

/// All keys for random outputs that a home has, present and next ones.
pub(crate) struct KeyRing {
    vrf: Vec<VrfSecretKey>,
    operational: Vec<SecretKey>,
}

impl KeyRing {
    /// Reads what is there, which may be nothing.
    ///
    /// # Errors
    /// [`KeyError`] if there are keys of one kind alone, or a file cannot be used.
    pub(crate) fn read(home: &Home) -> Result<Self, KeyError> {
        let folders = [home.keys(), next(home)];
        let with = |purpose: Purpose| {
            let has = move |folder: &&PathBuf| purpose.path(folder).exists();
            folders.iter().filter(has)
        };
        let operational = |folder: &PathBuf| SecretKey::read(folder, Purpose::Inspection);
        let ring = Self {
            vrf: with(Purpose::Vrf)
                .map(|folder| read_vrf(folder))
                .collect::<Result<_, _>>()?,
            operational: with(Purpose::Inspection)
                .map(operational)
                .collect::<Result<_, _>>()?,
        };
        if ring.vrf.is_empty() != ring.operational.is_empty() {
            // Names the one that is missing.
            DrawKeys::of(&home.keys())?;
        }
        Ok(ring)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.vrf.is_empty()
    }

    /// The secret halves of these keys, if both are here.
    pub(crate) fn find(&self, keys: &OutputKeys) -> Option<(&VrfSecretKey, &SecretKey)> {
        let vrf = self.vrf.iter().find(|key| key.public_key() == keys.vrf)?;
        let mut operational = self.operational.iter();
        let operational = operational.find(|key| key.public() == keys.operational)?;
        Some((vrf, operational))
    }
}

/// Keeps others from changing which keys a home has, until what it gives is dropped.
///
/// # Errors
/// [`KeyError`] if the folder cannot be opened.
pub(crate) fn hold(home: &Home) -> Result<File, KeyError> {
    let held = File::open(home.keys()).and_then(|held| held.lock().map(|()| held));
    held.map_err(io_at(&home.keys()))
}

/// Makes the next keys of a home beside the present ones, once, and gives their public halves.
///
/// # Errors
/// [`KeyError`] names the file.
pub(crate) fn make_next(home: &Home) -> Result<OutputKeys, KeyError> {
    let (keys, next) = (home.keys(), next(home));
    // An empty folder is what a cut left after both keys of it were put in their places; any other stays.
    let _left = fs::remove_dir(&next);
    if !next.exists() {
        let aside = keys.join("next.new");
        if aside.exists() {
            // Left by a cut: nobody was told the public halves.
            fs::remove_dir_all(&aside).map_err(io_at(&aside))?;
        }
        let made = fs::DirBuilder::new().mode(0o700).create(&aside);
        made.map_err(io_at(&aside))?;
        for purpose in BOTH {
            SecretKey::generate(purpose)?.write(&aside)?;
        }
        sync(&aside)?;
        fs::rename(&aside, &next).map_err(io_at(&next))?;
    }
    // A run before may have been cut short of it.
    sync(&keys)?;
    // What is told is what is kept.
    Ok(OutputKeys::from(&DrawKeys::of(&next)?.public()))
}

/// Whether one of the next keys of a home, which is there, is one of these.
fn is_named(home: &Home, purpose: Purpose, keys: &OutputKeys) -> Result<bool, KeyError> {
    let next = next(home);
    if !purpose.path(&next).exists() {
        return Ok(false);
    }
    Ok(match purpose {
        Purpose::Vrf => read_vrf(&next)?.public_key() == keys.vrf,
        _ => SecretKey::read(&next, purpose)?.public() == keys.operational,
    })
}

/// Whether the ledger, which knows these keys, names the next ones of a home already.
///
/// # Errors
/// [`KeyError`] names the file.
pub(crate) fn next_are_named(home: &Home, keys: &OutputKeys) -> Result<bool, KeyError> {
    for purpose in BOTH {
        if is_named(home, purpose, keys)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Puts next keys that the ledger names in the place of the present ones, which are gone then. Gives
/// whether something has changed; nothing does while somebody holds the folder.
///
/// # Errors
/// [`KeyError`] names the file.
pub(crate) fn settle(home: &Home, keys: &OutputKeys) -> Result<bool, KeyError> {
    let (folder, next) = (home.keys(), next(home));
    if !next.exists() {
        return Ok(false);
    }
    let held = File::open(&folder).map_err(io_at(&folder))?;
    match held.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        Err(TryLockError::Error(error)) => return Err(io_at(&folder)(error)),
    }
    for purpose in BOTH {
        if is_named(home, purpose, keys)? {
            let place = purpose.path(&folder);
            fs::rename(purpose.path(&next), &place).map_err(io_at(&place))?;
            sync(&folder)?;
        }
    }
    if BOTH.iter().any(|purpose| purpose.path(&next).exists()) {
        // Keys that are not registered yet.
        return Ok(false);
    }
    fs::remove_dir(&next).map_err(io_at(&next))?;
    sync(&folder)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        fs::create_dir(home.keys()).unwrap();
        DrawKeys::make(&home).unwrap();
        (dir, home)
    }

    fn present(home: &Home) -> OutputKeys {
        OutputKeys::from(&DrawKeys::read(home).unwrap().unwrap().public())
    }

    fn holds(home: &Home, keys: &OutputKeys) -> bool {
        KeyRing::read(home).unwrap().find(keys).is_some()
    }

    #[test]
    fn next_keys_are_made_once_and_take_the_place_of_the_present_ones() {
        let (_dir, home) = home();
        let first = present(&home);
        let next = make_next(&home).unwrap();
        assert_ne!(next, first);
        assert_eq!(make_next(&home).unwrap(), next);
        assert!(holds(&home, &first) && holds(&home, &next));
        assert!(!settle(&home, &first).unwrap(), "the ledger names the old");
        assert!(settle(&home, &next).unwrap());
        assert_eq!(present(&home), next);
        assert!(!holds(&home, &first));
        assert!(!settle(&home, &next).unwrap(), "it is done");
        assert_ne!(make_next(&home).unwrap(), next);
    }

    #[test]
    fn a_cut_while_next_keys_are_made_leaves_nothing_that_counts() {
        let (_dir, home) = home();
        let aside = home.keys().join("next.new");
        fs::create_dir(&aside).unwrap();
        fs::write(Purpose::Vrf.path(&aside), "medanchor-ed25519-v1 vrf 00").unwrap();
        assert!(holds(&home, &present(&home)));
        let next = make_next(&home).unwrap();
        assert!(holds(&home, &next) && !aside.exists());
    }

    /// One of the two stands in its new place, then both, and the folder is still there.
    #[test]
    fn a_cut_between_any_two_steps_loses_no_key_that_the_ledger_names() {
        for moved in [&BOTH[..0], &BOTH[..1], &BOTH] {
            let (_dir, home) = home();
            let next = make_next(&home).unwrap();
            for purpose in moved {
                let from = purpose.path(&home.keys().join("next"));
                fs::rename(from, purpose.path(&home.keys())).unwrap();
            }
            assert!(holds(&home, &next), "{moved:?}");
            assert_eq!(next_are_named(&home, &next).unwrap(), moved.len() < 2);
            assert!(settle(&home, &next).unwrap());
            assert_eq!(present(&home), next);
        }
    }

    /// Both keys stand in their places, and the folder was not removed: the next ones are made all the same.
    #[test]
    fn an_empty_folder_of_next_keys_is_no_key() {
        let (_dir, home) = home();
        fs::create_dir(home.keys().join("next")).unwrap();
        let next = make_next(&home).unwrap();
        assert!(holds(&home, &next));
        assert_eq!(make_next(&home).unwrap(), next);
    }

    #[test]
    fn a_home_that_lost_its_keys_gets_next_ones() {
        let (_dir, home) = home();
        for purpose in BOTH {
            fs::remove_file(purpose.path(&home.keys())).unwrap();
        }
        assert!(KeyRing::read(&home).unwrap().is_empty());
        let next = make_next(&home).unwrap();
        fs::rename(
            Purpose::Vrf.path(&home.keys().join("next")),
            Purpose::Vrf.path(&home.keys()),
        )
        .unwrap();
        assert!(holds(&home, &next));
        assert!(settle(&home, &next).unwrap());
    }

    #[test]
    fn one_key_alone_is_named_as_missing_its_other() {
        let (_dir, home) = home();
        fs::remove_file(Purpose::Inspection.path(&home.keys())).unwrap();
        let error = KeyRing::read(&home).err().unwrap();
        assert!(error.to_string().contains("inspection.key"), "{error}");
    }

    #[test]
    fn nothing_is_put_in_place_while_somebody_holds_the_keys() {
        let (_dir, home) = home();
        let next = make_next(&home).unwrap();
        let held = hold(&home).unwrap();
        assert!(!settle(&home, &next).unwrap());
        drop(held);
        assert!(settle(&home, &next).unwrap());
    }
}
