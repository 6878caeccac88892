//! Networks of one to seven validators decide, survive a death, and catch up.

use crate::support::{Net, Setup, until};
use bytes::Bytes;
use medanchor_ledger::certificate::Certificate;

#[tokio::test(flavor = "multi_thread")]
async fn one_validator_decides_alone() {
    let net = Net::start(Setup::new(1)).await;
    net.drive([0], 5).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_decide_the_same_blocks() {
    let net = Net::start(Setup::new(4)).await;
    net.drive(0..4, 8).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seven_validators_decide() {
    let net = Net::start(Setup::new(7)).await;
    net.drive(0..7, 4).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_of_two_mebibytes_are_decided() {
    let padding = medanchor_network::limits::MAX_BLOCK_BYTES - 1024;
    let net = Net::start(Setup {
        padding,
        ..Setup::new(4)
    })
    .await;
    net.drive(0..4, 4).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_four_dead_the_others_go_on_and_it_catches_up() {
    let mut net = Net::start(Setup::new(4)).await;
    net.drive(0..4, 3).await;
    net.stop(3).await;
    let before = net.chain(0).height();
    net.drive(0..3, before + 6).await;
    assert!(net.chain(3).height() <= before + 1);
    net.reboot(3);
    net.run(3).await;
    net.reach([3], before + 6).await;
    let synced = net
        .chain(3)
        .disk()
        .decided
        .iter()
        .filter(|block| block.synced)
        .count();
    assert!(synced >= 4, "it caught up by sync: {synced}");
    net.agree();
    net.drive(0..4, before + 8).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_follows_without_voting() {
    let net = Net::start(Setup {
        followers: 1,
        ..Setup::new(4)
    })
    .await;
    net.drive(0..5, 6).await;
    net.agree();
    let decided = net.chain(0).disk().decided.clone();
    for block in &decided {
        let certificate = Certificate::decode(&block.certificate).unwrap();
        assert!(
            certificate
                .signatures()
                .iter()
                .all(|(name, _)| name.as_str() != "v4")
        );
    }
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_posted_at_a_follower_is_decided() {
    let net = Net::start(Setup {
        followers: 1,
        ..Setup::new(4)
    })
    .await;
    let key = crate::support::peer_key(0);
    until("it is connected", || {
        net.chain(4).seen().connected.contains(&key)
    })
    .await;
    let event = Bytes::from_static(b"from the follower");
    net.members[4].anchor(&event);
    until("it is decided", || net.chain(4).events().contains(&event)).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_hold_a_quorum_by_the_ledgers_own_check() {
    use medanchor_ledger::signature::PublicKey;
    use medanchor_ledger::validator::{Validator, ValidatorSet};
    let net = Net::start(Setup::new(4)).await;
    net.drive(0..4, 3).await;
    let other = |n: u8, role: u8| {
        PublicKey::ed25519(crate::support::peer_seed(40 + 10 * role + n).public_key())
    };
    let validators = crate::support::validators(4)
        .into_iter()
        .zip(0..)
        .map(|(validator, n)| Validator {
            name: validator.name,
            consensus: PublicKey::ed25519(validator.key).unwrap(),
            log: other(n, 1).unwrap(),
            cosigner: other(n, 2).unwrap(),
            cose: other(n, 3).unwrap(),
        });
    let set = ValidatorSet::new(validators.collect()).unwrap();
    let decided = net.chain(0).disk().decided.clone();
    for block in &decided {
        let certificate = Certificate::decode(&block.certificate).unwrap();
        certificate.verify(&set, crate::support::NETWORK).unwrap();
        assert_eq!(
            (certificate.height(), certificate.value()),
            (block.height, block.value_id)
        );
    }
    net.end().await;
}
