//! The folder of an identity, and what its domains sign.

use super::*;
use crate::context::fixed::Fixed;
use crate::journal::tests::at_the_end;
use crate::testing::{name, network_with};
use medanchor_ledger::rules::Role;

#[test]
fn a_folder_made_and_joined_opens_and_signs_for_its_network() {
    let root = tempfile::tempdir().unwrap();
    let network = network_with(root.path(), &[("north-hospital", Role::Hospital)]);
    let identity = Identity::open(&root.path().join("north-hospital")).unwrap();
    assert_eq!(identity.participant(), &name("north-hospital"));
    assert_eq!(identity.network(), network.genesis.network_id());
    assert_eq!(identity.policy(), network.genesis.policy());
    let event = identity.revoke("c1").unwrap();
    assert!(event.clone().verify(&identity.public_key()).is_ok());
    assert_eq!(event.network(), identity.network());
}

#[test]
fn creating_and_joining_again_changes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let network = network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let key = Identity::create(&folder, &name("maker")).unwrap();
    Identity::join(&folder, network.genesis.encoded()).unwrap();
    assert_eq!(Identity::open(&folder).unwrap().public_key(), key);
}

#[test]
fn a_folder_of_somebody_else_or_another_network_is_refused() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let error = Identity::create(&folder, &name("other")).unwrap_err();
    assert!(matches!(error, IdentityError::Taken { .. }), "{error}");

    let elsewhere = tempfile::tempdir().unwrap();
    let other = network_with(elsewhere.path(), &[("maker", Role::Manufacturer)]);
    let error = Identity::join(&folder, other.genesis.encoded()).unwrap_err();
    assert!(
        matches!(error, IdentityError::NotRegistered { .. }),
        "{error}"
    );

    let key = Identity::create(&folder, &name("maker")).unwrap();
    let maker = name("maker");
    let again = crate::testing::Network::of(&[(&maker, Role::Pharmacy, key)]);
    let error = Identity::join(&folder, again.genesis.encoded()).unwrap_err();
    assert!(matches!(error, IdentityError::Taken { .. }), "{error}");
}

#[test]
fn two_processes_cannot_hold_one_folder() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let first = Identity::open(&folder).unwrap();
    assert!(Identity::open(&folder).is_err());
    drop(first);
    assert!(Identity::open(&folder).is_ok());
}

#[test]
fn a_garbled_name_genesis_policy_or_journal_is_named() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    drop(Identity::open(&folder).unwrap());
    for file in ["participant", "genesis", "policy", "journal", "key"] {
        let path = folder.join(file);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, b"\xff garbage").unwrap();
        let error = Identity::open(&folder).err().unwrap().to_string();
        assert!(error.contains(file), "{error}");
        std::fs::write(&path, good).unwrap();
    }
    assert!(Identity::open(&folder).is_ok());
}

#[test]
fn with_a_fixed_clock_and_random_source_a_signature_can_be_repeated() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let signed = || {
        let identity = Identity::open_with(&folder, Arc::new(Fixed::at(5_000))).unwrap();
        let lot = identity.lot(medanchor_vault::CodeScheme::Gs1, "09506000134352", "A1");
        identity.open_lot(&lot).unwrap()
    };
    let event = signed();
    assert_eq!(event, signed());
    assert_eq!(event.not_after().0, 5_000 + VALIDITY_MILLIS);
}

#[test]
fn a_join_that_was_cut_short_can_be_repeated() {
    let root = tempfile::tempdir().unwrap();
    let network = network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    std::fs::rename(folder.join("vault"), folder.join("vault.new")).unwrap();
    std::fs::remove_file(folder.join("vault.new/keys")).unwrap();
    assert!(Identity::open(&folder).is_err());
    Identity::join(&folder, network.genesis.encoded()).unwrap();
    assert!(Identity::open(&folder).is_ok());
    assert!(!folder.join("vault.new").exists());
}

#[test]
fn the_next_key_is_made_once_and_takes_the_place_of_the_first() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let first = Identity::open(&folder).unwrap().public_key();
    assert_eq!(Identity::next_key(&folder).unwrap(), None);
    // As a cut leaves it.
    std::fs::write(folder.join("next-key.new"), "medanchor-ed25519-v1 partic").unwrap();
    let next = Identity::make_next_key(&folder).unwrap();
    assert_ne!(next, first);
    assert_eq!(Identity::make_next_key(&folder).unwrap(), next);
    assert_eq!(Identity::next_key(&folder).unwrap(), Some(next));

    let identity = Identity::open(&folder).unwrap();
    assert_eq!(identity.public_key(), first, "until it is put in its place");
    assert_eq!(identity.own_keys().unwrap(), [first]);
    // A cut after the first step of taking it leaves the present key, which goes on.
    identity.remember_key().unwrap();
    assert_eq!(identity.own_keys().unwrap(), [first, first]);
    identity.put_next_key().unwrap();
    assert_eq!(Identity::key_of(&folder).unwrap(), next);
    drop(identity);
    assert_eq!(Identity::next_key(&folder).unwrap(), None);
    let identity = Identity::open(&folder).unwrap();
    assert_eq!(identity.public_key(), next);
    assert_eq!(identity.own_keys().unwrap(), [first, next]);
}

/// Each told another key, and only the last was kept: the authorities registered one that nobody had.
#[test]
fn whoever_asks_for_the_next_key_at_the_same_time_is_told_the_one_that_is_kept() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let start = std::sync::Barrier::new(8);
    let told: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            Identity::make_next_key(&folder).unwrap()
        };
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let kept = Identity::next_key(&folder).unwrap().unwrap();
    assert!(told.iter().all(|told| *told == kept));
    assert!(!folder.join("next-key.new").exists());
}

#[test]
fn a_folder_of_nobody_gets_no_next_key() {
    let root = tempfile::tempdir().unwrap();
    assert!(Identity::make_next_key(root.path()).is_err());
    assert!(!root.path().join("next-key").exists());
}

/// The folder was free before the journal had written its last record, beside whoever opened it then.
#[test]
fn a_folder_is_in_use_until_its_journal_has_written_its_last() {
    let root = tempfile::tempdir().unwrap();
    network_with(root.path(), &[("maker", Role::Manufacturer)]);
    let folder = root.path().join("maker");
    let identity = Identity::open(&folder).unwrap();
    let event = identity.revoke("c1").unwrap();
    identity.journal().sign(&[event.encoded()]).unwrap();
    identity.journal().settle_soon(&[event.id()]).unwrap();
    let was_free = std::rc::Rc::new(std::cell::Cell::new(None));
    let (seen, opened) = (was_free.clone(), folder.clone());
    at_the_end(move || seen.set(Some(Identity::open(&opened).is_ok())));
    drop(identity);
    assert_eq!(was_free.get(), Some(false));
    assert!(Identity::open(&folder).unwrap().unsettled().is_empty());
}
