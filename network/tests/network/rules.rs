//! The rules of ENGINE.md that show in a running network, one test each; the others are beside the
//! code that keeps them (rules 1, 2, 8, 11, 12, 15, 16 and 17).

use crate::support::{Net, Setup, until, within};
use bytes::Bytes;
use medanchor_ledger::Height;
use medanchor_network::{Checked, Fatal, Network, Origin, StartError, Timeouts, limits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Barrier, Semaphore};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_bodies_are_stored_before_they_are_voted_for_and_come_back_after_a_crash() {
    let mut net = Net::prepare(&Setup::new(4));
    // Nobody ends before all have decided: one that is gone may take its vote with it.
    let all = Arc::new(Barrier::new(4));
    for n in 0..4 {
        net.alter(n, |chain| chain.fail_commit = Some(all.clone()));
    }
    for n in 0..4 {
        net.run(n).await;
    }
    // All four decide height 1, and none can write it down: each ends, and says why.
    for n in 0..4 {
        let fatal = within("it fails", net.members[n].handle().failed()).await;
        assert!(matches!(&*fatal, Fatal::Application(_)), "{fatal}");
        assert_eq!(net.chain(n as u8).height(), 0);
    }
    let voted: Vec<_> = (0..4u8)
        .map(|n| net.chain(n).disk().stored[&Height(1)].clone())
        .collect();
    for n in 0..4 {
        net.members[n as usize].handle = None;
        net.reboot(n);
    }
    for n in 0..4 {
        net.run(n).await;
    }
    net.reach(0..4, 1).await;
    let value = net.chain(0).values()[0];
    assert!(
        voted
            .iter()
            .all(|stored| stored.iter().any(|block| block.value_id == value))
    );
    net.drive(0..4, 3).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_4_a_check_that_never_ends_holds_up_nothing_else() {
    let mut net = Net::prepare(&Setup::new(4));
    net.alter(3, |chain| chain.gate = Some(Arc::new(Semaphore::new(0))));
    for n in 0..4 {
        net.run(n).await;
    }
    // v3 never finishes a check of a live block, and still follows: by sync, through the engine.
    net.drive(0..3, 6).await;
    net.reach([3], 5).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_an_idle_network_wakes_on_work_at_any_node_and_on_nothing_else() {
    let timeouts = Timeouts {
        heartbeat: HOUR,
        ..Timeouts::wide()
    };
    let net = Net::start(Setup {
        timeouts,
        ..Setup::new(4)
    })
    .await;
    for n in 0..4u8 {
        let event = Bytes::from(format!("posted at v{n}"));
        net.members[n as usize].anchor(&event);
        for m in 0..4 {
            until("it is decided", || net.chain(m).events().contains(&event)).await;
            let handle = net.members[m as usize].handle();
            until("it idles again", || handle.status().idle).await;
        }
    }
    let blocks = net.chain(0).disk().decided.clone();
    let empty = blocks
        .iter()
        .filter(|block| crate::support::events_of(&block.body).is_empty())
        .count();
    assert!(
        empty <= 1 + 3 * 4,
        "the first height, and rounds of an unlucky proposer for each event: {empty}"
    );
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_5_the_heartbeat_goes_on_without_work() {
    let timeouts = Timeouts {
        heartbeat: Duration::from_millis(100),
        ..Timeouts::wide()
    };
    let net = Net::start(Setup {
        timeouts,
        ..Setup::new(4)
    })
    .await;
    net.reach(0..4, 4).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_6_events_and_cosignatures_reach_every_peer() {
    let net = Net::start(Setup::new(4)).await;
    for n in 0..4 {
        until("all are connected", || {
            net.chain(n).seen().connected.len() >= 3
        })
        .await;
    }
    let events: Vec<_> = (0..9000u32)
        .map(|n| Bytes::from(n.to_be_bytes().to_vec()))
        .collect();
    let delivery = net.members[1].handle().send_events(&events);
    assert_eq!((delivery.queued, delivery.dropped), (3, 0));
    let cosignature = Bytes::from_static(b"cosignature");
    assert_eq!(
        net.members[2]
            .handle()
            .send_cosignature(cosignature.clone())
            .queued,
        3
    );
    for n in [0, 2, 3u8] {
        let from = crate::support::peer_key(1);
        until("the events arrive", || {
            net.chain(n).seen().events.len() >= events.len()
        })
        .await;
        let seen = net.chain(n).seen();
        assert!(
            seen.events.iter().map(|(_, event)| event).eq(&events),
            "in order"
        );
        assert!(
            seen.events.iter().all(|(peer, _)| *peer == from),
            "bound to the connection"
        );
    }
    for n in [0, 1, 3u8] {
        until("it arrives", || {
            !net.chain(n).seen().cosignatures.is_empty()
        })
        .await;
        let from = crate::support::peer_key(2);
        assert_eq!(
            net.chain(n).seen().cosignatures,
            [(from, cosignature.clone())]
        );
    }
    net.end().await;
}

#[test]
fn rule_7_default_timeouts_make_a_dead_validator_cheap_and_grow() {
    let timeouts = Timeouts::default();
    assert!(timeouts.propose <= Duration::from_millis(500));
    assert!((20..=50).contains(&timeouts.precommit.as_millis()));
    assert!(!timeouts.propose_step.is_zero() && !timeouts.vote_step.is_zero());
    assert!(timeouts.longest >= timeouts.propose);
    assert_eq!(timeouts.heartbeat, Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_9_a_node_that_comes_late_fetches_blocks_in_batches() {
    let mut net = Net::prepare(&Setup {
        followers: 1,
        ..Setup::new(1)
    });
    net.run(0).await;
    let height = 2 * limits::SYNC_BATCH as u64 + 10;
    net.drive([0], height).await;
    net.run(1).await;
    net.reach([1], height).await;
    net.agree();
    assert!(net.chain(1).disk().decided.iter().any(|block| block.synced));
    // And it does not stay behind once it has caught up.
    net.drive(0..2, height + 3).await;
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_validator_joins_at_the_height_that_the_plan_says() {
    let net = Net::start(Setup {
        joins_at: Some(5),
        ..Setup::new(4)
    })
    .await;
    let signed = |block: &medanchor_network::Decided| {
        let certificate =
            medanchor_ledger::certificate::Certificate::decode(&block.certificate).unwrap();
        let name = crate::support::name(3);
        certificate
            .signatures()
            .iter()
            .any(|(signer, _)| *signer == name)
    };
    let votes = |decided: &[medanchor_network::Decided]| {
        let signed = decided.iter().filter(|block| signed(block));
        signed.map(|block| block.height.0).collect::<Vec<_>>()
    };
    // A certificate has the votes that came first: three of four, once it has joined.
    let mut heights = Vec::new();
    for height in [12, 24, 48, 96] {
        net.drive(0..4, height).await;
        net.agree();
        heights = votes(&net.chain(0).disk().decided);
        if !heights.is_empty() {
            break;
        }
    }
    assert!(!heights.is_empty() && heights.iter().all(|height| *height >= 5));
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_a_damaged_log_is_said_and_nothing_starts() {
    let mut net = Net::prepare(&Setup::new(1));
    let folder = net.members[0].config.wal_dir.clone();
    std::fs::create_dir_all(&folder).unwrap();
    // A header, then a record whose length no record can have.
    let damaged = [
        &1u32.to_be_bytes()[..],
        &1u64.to_be_bytes(),
        &[0, 255, 255, 255, 255],
        &[0; 16],
    ];
    std::fs::write(folder.join("consensus.wal"), damaged.concat()).unwrap();
    let member = &net.members[0];
    let started = Network::start(member.config.clone(), member.chain.clone()).await;
    let error = started.err().expect("it is refused").to_string();
    assert!(error.contains("damaged at byte 12"), "{error}");
    net.members.clear();
}

#[test]
fn rule_11_heights_are_never_restarted() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut folders = vec![std::path::PathBuf::from(source)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let calls = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                let restarts = calls.filter(|line| line.contains("Next::Restart"));
                assert_eq!(restarts.count(), 0, "{}", path.display());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_port_in_use_is_an_error_and_not_a_panic() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut net = Net::prepare(&Setup::new(1));
    net.members[0].config.listen = taken.local_addr().unwrap();
    let member = &net.members[0];
    let started = Network::start(member.config.clone(), member.chain.clone()).await;
    let error = started.err().unwrap();
    assert!(matches!(&error, StartError::Listen { source, .. }
        if source.kind() == std::io::ErrorKind::AddrInUse));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_port_of_another_network_is_an_error_although_both_would_share_it() {
    let mut net = Net::prepare(&Setup::new(2));
    net.run(0).await;
    let taken = net.members[0].handle().status().listening;
    net.members[1].config.listen = taken;
    let member = &net.members[1];
    let started = Network::start(member.config.clone(), member.chain.clone()).await;
    let error = started.err().unwrap();
    assert!(matches!(&error, StartError::Listen { address, source }
        if *address == taken && source.kind() == std::io::ErrorKind::AddrInUse));
    assert!(error.to_string().contains("in use"), "{error}");
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_14_a_restarted_network_goes_on_at_its_height() {
    let mut net = Net::start(Setup::new(4)).await;
    net.drive(0..4, 4).await;
    for n in 0..4 {
        net.stop(n).await;
    }
    let height = (0..4).map(|n| net.chain(n).height()).max().unwrap();
    for n in 0..4 {
        net.reboot(n);
        net.run(n).await;
    }
    net.drive(0..4, height + 3).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_node_with_a_wrong_clock_votes_for_nothing_fresh_and_still_follows() {
    let mut net = Net::prepare(&Setup::new(4));
    net.alter(3, |chain| {
        chain.judge = Some(Box::new(|received, value_id| match received.origin {
            Origin::Live {
                pol_round: None, ..
            } => Checked::Untimely { value_id },
            _ => Checked::Valid { value_id },
        }));
    });
    for n in 0..4 {
        net.run(n).await;
    }
    net.drive(0..3, 6).await;
    net.reach([3], 5).await;
    net.agree();
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_block_that_breaks_a_rule_is_not_voted_for() {
    let mut net = Net::prepare(&Setup::new(4));
    for n in 0..4 {
        net.alter(n, |chain| {
            chain.judge = Some(Box::new(
                |received, value_id| match crate::support::events_of(&received.body)
                    .iter()
                    .any(|event| event == "bad")
                {
                    true => Checked::Invalid {
                        value_id,
                        fault: "bad event".into(),
                    },
                    false => Checked::Valid { value_id },
                },
            ));
        });
    }
    // v2 has the bad event in its pool and proposes it whenever it is its turn.
    net.chain(2)
        .pool
        .lock()
        .unwrap()
        .push(Bytes::from_static(b"bad"));
    for n in 0..4 {
        net.run(n).await;
    }
    net.drive([0, 1, 3], 6).await;
    net.agree();
    assert!((0..4).all(|n| net.chain(n).events().iter().all(|event| event != "bad")));
    net.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_17_nothing_of_the_next_height_happens_before_the_commit_returned() {
    let net = Net::start(Setup::new(1)).await;
    net.drive([0], 5).await;
    let order = net.chain(0).seen().order.clone();
    let cycle = ["propose", "commit", "prepare"];
    for (place, call) in order.iter().enumerate() {
        assert_eq!(*call, cycle[place % 3], "{order:?}");
    }
    net.end().await;
}

#[test]
fn rule_18_the_engines_quorum_is_the_ledgers() {
    use arc_malachitebft_app_channel::app::types::core::ThresholdParams;
    let quorum = ThresholdParams::default().quorum;
    for n in 1..=100usize {
        let needed = medanchor_ledger::validator::quorum(n) as u64;
        assert!(
            quorum.is_met(needed, n as u64) && !quorum.is_met(needed - 1, n as u64),
            "{n}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_18_two_of_four_decide_nothing() {
    let brisk = Duration::from_millis(20);
    let timeouts = Timeouts {
        propose: brisk,
        prevote: brisk,
        precommit: brisk,
        propose_step: brisk,
        vote_step: brisk,
        rebroadcast: brisk,
        longest: brisk * 10,
        ..Timeouts::default()
    };
    let mut net = Net::prepare(&Setup {
        timeouts,
        ..Setup::new(4)
    });
    net.run(0).await;
    net.run(1).await;
    until("both know of each other", || {
        (0..2).all(|n| net.chain(n).seen().connected.len() == 1)
    })
    .await;
    until("they have proposed", || {
        (0..2).any(|n| net.chain(n).seen().order.contains(&"propose"))
            || (0..2).any(|n| !net.chain(n).seen().checks.is_empty())
    })
    .await;
    assert!((0..4).all(|n| net.chain(n).height() == 0));
    // The third makes the quorum.
    net.run(2).await;
    net.reach(0..3, 1).await;
    net.end().await;
}
