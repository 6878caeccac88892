use super::*;

fn institution(name: &str, part: Part) -> Institution {
    Institution {
        name: name.parse().expect("a name"),
        roles: vec![Role::Hospital],
        part,
    }
}

fn founding() -> Founding {
    Founding {
        name: "test".parse().expect("a name"),
        institutions: vec![
            institution("b", Part::Validator),
            institution("a", Part::Follower),
            institution("c", Part::Participant),
        ],
        publisher: None,
        ports: Ports::From(20_000),
        time: Time(1),
    }
}

#[test]
fn a_founded_network_is_found_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let made = founding().found(dir.path()).expect("founded");
    let found = Layout::open(dir.path()).expect("found");
    assert_eq!(found.genesis, made.genesis);
    let nodes: Vec<_> = found
        .nodes
        .iter()
        .map(|n| (n.name.as_str(), n.validator))
        .collect();
    assert_eq!(nodes, [("a", false), ("b", true)]);
    assert_eq!(found.nodes[1].http.port(), 20_002);
    let config = Config::read(&found.nodes[0].home.config()).expect("read");
    assert_eq!(config.p2p.peers.len(), 1);
}

#[test]
fn a_folder_that_holds_a_network_is_left_alone() {
    let dir = tempfile::tempdir().expect("a folder");
    let first = founding().found(dir.path()).expect("founded");
    let error = founding().found(dir.path()).expect_err("refused");
    assert!(matches!(error, FoundingError::Exists { .. }), "{error}");
    let found = Layout::open(dir.path()).expect("found");
    assert_eq!(found.genesis, first.genesis);
}

#[test]
fn a_network_needs_a_validator_and_names_each_institution_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut none = founding();
    none.institutions.remove(0);
    assert!(matches!(
        none.found(dir.path()),
        Err(FoundingError::Validators(_))
    ));
    let mut twice = founding();
    twice.institutions.push(institution("a", Part::Validator));
    assert!(matches!(
        twice.found(dir.path()),
        Err(FoundingError::NamedTwice { .. })
    ));
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

#[test]
fn other_ports_reach_the_peers() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut layout = founding().found(dir.path()).expect("founded");
    layout.choose_other_ports().expect("changed");
    let follower = Config::read(&layout.nodes[0].home.config()).expect("read");
    assert_eq!(
        follower.p2p.peers[0].address,
        layout.nodes[1].p2p.to_string()
    );
    assert_ne!(layout.nodes[1].p2p.port(), 20_003);
}

#[test]
fn the_publishers_home_alone_has_the_key_that_the_genesis_names() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut founding = founding();
    founding.publisher = Some("a".parse().expect("a name"));
    let layout = founding.found(dir.path()).expect("founded");
    let named = layout.genesis.spec().publisher.expect("named");
    for node in &layout.nodes {
        let key = SecretKey::read(&node.home.keys(), Purpose::Publisher).ok();
        let wanted = (node.name.as_str() == "a").then_some(named);
        assert_eq!(key.map(|key| key.public()), wanted, "{}", node.name);
    }
    let key = layout.genesis.publisher_key().expect("named");
    assert_eq!(key.name(), layout.genesis.origin());
}

#[test]
fn a_publisher_that_runs_no_node_is_refused_before_anything_is_written() {
    for name in ["c", "d"] {
        let dir = tempfile::tempdir().expect("a folder");
        let mut founding = founding();
        founding.publisher = Some(name.parse().expect("a name"));
        let refused = founding.found(dir.path());
        assert!(matches!(refused, Err(FoundingError::Publisher)));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
    }
}
