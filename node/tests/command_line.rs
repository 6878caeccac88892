//! The `medanchor` program from outside: what it makes, what it refuses, and how it ends.

use medanchor_ledger::genesis::Genesis;
use medanchor_node::exit::Exit;
use medanchor_node::home::Home;
use medanchor_node::network::Layout;
use medanchor_node::process::NodeProcess;
use medanchor_sdk::Identity;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a node may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_medanchor"))
}

fn medanchor(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn ended_with(output: &Output, exit: Exit) -> bool {
    output.status.code() == Some(exit.code().into())
}

fn new_network(dir: &Path) -> Output {
    let validator = ["--validator", "north-hospital:hospital"];
    let head = [
        "network",
        "new",
        "--dir",
        text(dir),
        "--name",
        "test",
        "--first-port",
        "0",
    ];
    medanchor(&[&head[..], &validator[..]].concat())
}

/// A network of one validator.
fn network() -> (TempDir, Home) {
    let dir = tempfile::tempdir().expect("a folder");
    let output = new_network(dir.path());
    assert!(output.status.success(), "{}", said(&output));
    let layout = Layout::open(dir.path()).expect("a network");
    let home = layout.nodes[0].home.clone();
    (dir, home)
}

fn start(home: &Home) -> NodeProcess {
    NodeProcess::start(&binary(), home, &[], PATIENCE).expect("listens")
}

fn run(home: &Home) -> Output {
    medanchor(&["run", "--home", text(home.path())])
}

/// `cargo demo -- --keep`, as the README says, and `cargo demo --keep`.
#[test]
fn the_demo_takes_its_options_behind_the_alias_with_dashes_and_without() {
    for dashes in [&["demo", "--"][..], &["demo"]] {
        let help = medanchor(&[dashes, &["--help"]].concat());
        assert!(help.status.success(), "{}", said(&help));
        let told = String::from_utf8_lossy(&help.stdout).into_owned();
        assert!(told.contains("--input <PATH>"), "{told}");
    }
    let wrong = medanchor(&["status", "--", "--help"]);
    assert!(ended_with(&wrong, Exit::Usage));
}

#[test]
fn help_teaches_with_examples() {
    for command in [
        vec!["--help"],
        vec!["network", "new", "--help"],
        vec!["network", "join", "--help"],
        vec!["status", "--help"],
    ] {
        let output = medanchor(&command);
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && help.contains("Example"),
            "{command:?}"
        );
    }
}

#[test]
fn a_network_is_never_overwritten() {
    let (dir, home) = network();
    let before = std::fs::read(dir.path().join("genesis")).expect("a genesis");
    let output = new_network(dir.path());
    assert!(ended_with(&output, Exit::Home), "{}", said(&output));
    assert!(
        said(&output).contains("exists already"),
        "{}",
        said(&output)
    );
    assert_eq!(std::fs::read(home.genesis()).expect("a genesis"), before);
}

fn key_of(home: &Home) -> String {
    let shown = medanchor(&["key", "show", "--home", text(home.path()), "p2p"]);
    assert!(shown.status.success(), "{}", said(&shown));
    String::from_utf8_lossy(&shown.stdout).trim().to_owned()
}

fn status(home: &Home) -> serde_json::Value {
    let output = medanchor(&["status", "--json", "--home", text(home.path())]);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// As an operator does it: with what the programs print, and a change of one file by hand.
#[test]
fn a_participant_joins_with_a_node_that_follows() {
    let dir = tempfile::tempdir().expect("a folder");
    let founded = medanchor(&[
        "network",
        "new",
        "--dir",
        text(dir.path()),
        "--validator",
        "north-hospital:hospital",
        "--participant",
        "south-hospital:hospital",
        "--first-port",
        "0",
    ]);
    assert!(founded.status.success(), "{}", said(&founded));
    let layout = Layout::open(dir.path()).expect("a network");
    let north = &layout.nodes[0];
    let south = Home::new(dir.path().join("south-hospital"));
    let genesis = dir.path().join("genesis");
    let peer = format!("north-hospital={}@{}", key_of(&north.home), north.p2p);
    let ports = medanchor_node::process::free_ports(2).expect("free ports");
    let listen = |port: u16| format!("127.0.0.1:{port}");
    let join = |name: &str| {
        medanchor(&[
            "network",
            "join",
            "--genesis",
            text(&genesis),
            "--name",
            name,
            "--home",
            text(south.path()),
            "--http",
            &listen(ports[0]),
            "--p2p",
            &listen(ports[1]),
            "--peer",
            &peer,
        ])
    };
    for wrong in ["north-hospital", "nobody"] {
        let refused = join(wrong);
        assert!(ended_with(&refused, Exit::Home), "{}", said(&refused));
    }
    let joined = join("south-hospital");
    assert!(joined.status.success(), "{}", said(&joined));
    let again = join("south-hospital");
    assert!(
        ended_with(&again, Exit::Home) && said(&again).contains("exists already"),
        "{}",
        said(&again)
    );
    let entry = String::from_utf8_lossy(&joined.stdout);
    let config = std::fs::read_to_string(north.home.config()).expect("a configuration");
    std::fs::write(north.home.config(), format!("{config}{entry}")).expect("written");
    let (_north, _south) = (start(&north.home), start(&south));
    let begun = Instant::now();
    loop {
        let status = status(&south);
        if status["height"].as_u64() >= Some(1) {
            assert_eq!(status["validator"], false);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn public_keys_are_shown_and_secret_ones_are_closed() {
    let (_dir, home) = network();
    let output = medanchor(&["key", "list", "--home", text(home.path())]);
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && list.lines().count() == 7,
        "{list}"
    );
    for entry in std::fs::read_dir(home.keys()).expect("a folder") {
        let mode = entry
            .expect("an entry")
            .metadata()
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn the_publisher_key_is_shown_as_witnesses_want_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let net = dir.path().join("net");
    let spec = dir.path().join("spec.toml");
    let institution = "[[institution]]\nname = \"a\"\nroles = [\"hospital\"]\npart = ";
    let found = |publisher: &str| {
        let text =
            format!("name = \"test\"\npublisher = \"{publisher}\"\n{institution}\"validator\"\n");
        std::fs::write(&spec, text).expect("written");
        let (net, spec) = (text_of(&net), text_of(&spec));
        let head = ["network", "new", "--dir", &net, "--spec", &spec, "--json"];
        medanchor(&[&head[..], &["--first-port", "0"]].concat())
    };
    assert!(ended_with(&found("b"), Exit::Home), "b runs no node");
    let made = found("a");
    assert!(made.status.success(), "{}", said(&made));
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let home = text_of(&net.join("a"));
    let show = |more: &[&str]| {
        let shown = medanchor(&[&["key", "show", "--home", &home], more].concat());
        let text = String::from_utf8(shown.stdout.clone()).expect("text");
        (text.trim().to_owned(), shown)
    };
    let (key, _) = show(&["publisher", "--note"]);
    assert_eq!(made["publisher"], key.as_str());
    assert!(key.starts_with("test/"), "{key}");
    let (cosigner, _) = show(&["cosigner", "--note"]);
    let policy = std::fs::read_to_string(net.join("policy")).expect("a policy");
    assert!(
        policy.contains(&cosigner) && !policy.contains(&key),
        "{policy}"
    );
    let (_, refused) = show(&["p2p", "--note"]);
    assert!(ended_with(&refused, Exit::Usage), "{}", said(&refused));
}

fn text_of(path: &Path) -> String {
    text(path).to_owned()
}

#[test]
fn a_typo_in_the_configuration_is_refused_with_the_known_keys() {
    let (_dir, home) = network();
    let config = std::fs::read_to_string(home.config()).expect("a configuration");
    std::fs::write(home.config(), config.replace("heartbeat_ms", "hartbeat_ms")).expect("written");
    let output = run(&home);
    assert!(ended_with(&output, Exit::Config), "{}", said(&output));
    assert!(said(&output).contains("hartbeat_ms") && said(&output).contains("`heartbeat_ms`"));
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let (_dir, home) = network();
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(home.keys().join("consensus.key"), open).expect("opened");
    let output = run(&home);
    assert!(ended_with(&output, Exit::Keys), "{}", said(&output));
    assert!(said(&output).contains("chmod 600"), "{}", said(&output));
}

#[test]
fn the_keys_of_another_node_are_refused() {
    let ((_dir, home), (_other_dir, other)) = (network(), network());
    for name in ["consensus.key", "log.key", "cosigner.key", "cose.key"] {
        std::fs::copy(other.keys().join(name), home.keys().join(name)).expect("copied");
    }
    let output = run(&home);
    assert!(ended_with(&output, Exit::Keys), "{}", said(&output));
}

#[test]
fn a_port_in_use_is_said_and_nothing_is_made() {
    let (_dir, home) = network();
    let config = medanchor_node::config::Config::read(&home.config()).expect("a configuration");
    let _taken = std::net::TcpListener::bind(config.http.listen).expect("free until now");
    let output = run(&home);
    assert!(ended_with(&output, Exit::PortInUse), "{}", said(&output));
    assert!(said(&output).contains("http.listen"), "{}", said(&output));
    assert!(!home.data().exists());
}

#[test]
fn a_node_whose_port_somebody_took_meanwhile_starts_again_once_it_is_free() {
    let (_dir, home) = network();
    let config = medanchor_node::config::Config::read(&home.config()).expect("a configuration");
    let mut taken = std::net::TcpListener::bind(config.http.listen).ok();
    assert!(taken.is_some(), "free until now");
    let mut tries = 0;
    let again = medanchor_node::process::start_again(PATIENCE, || {
        let mut node = NodeProcess::spawn(&binary(), &home, &[])?;
        tries += 1;
        let listening = node.wait_until_listening(PATIENCE);
        taken = None;
        listening.map(|addresses| (node, addresses))
    });
    let (mut node, addresses) = again.expect("starts");
    assert!(node.is_running() && tries >= 2);
    assert_eq!(addresses.http, config.http.listen);
}

#[test]
fn the_p2p_port_of_another_node_is_refused_with_the_key_to_change() {
    let ((_dir, home), (_other_dir, other)) = (network(), network());
    let mut running = start(&other);
    let taken = running.addresses().expect("listens").p2p;
    let mut config = medanchor_node::config::Config::read(&home.config()).expect("a configuration");
    config.p2p.listen = taken;
    std::fs::write(home.config(), config.documented()).expect("written");
    let output = run(&home);
    assert!(ended_with(&output, Exit::PortInUse), "{}", said(&output));
    let said = said(&output);
    assert!(
        said.contains("p2p.listen") && said.contains("in use"),
        "{said}"
    );
    assert!(running.is_running());
}

#[test]
fn a_folder_that_is_no_home_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = medanchor(&["run", "--home", text(&dir.path().join("nothing"))]);
    assert!(ended_with(&output, Exit::Home), "{}", said(&output));
}

#[test]
fn a_stop_ends_with_zero_and_a_second_start_goes_on() {
    let (_dir, home) = network();
    for _ in 0..2 {
        let node = start(&home);
        let status = node.stop(PATIENCE).expect("ends");
        assert_eq!(status.code(), Some(0));
    }
}

#[test]
fn a_second_node_on_the_same_home_is_refused() {
    let (_dir, home) = network();
    let _node = start(&home);
    // With the same ports: that the home is in use comes before that they are.
    let output = medanchor(&["run", "--restored", "--home", text(home.path())]);
    assert!(ended_with(&output, Exit::Locked), "{}", said(&output));
    assert!(
        !home.restored().exists(),
        "the running node's home is as it was"
    );
}

#[test]
fn a_home_that_belongs_to_another_network_is_refused() {
    let ((_dir, home), (_other_dir, other)) = (network(), network());
    start(&home).stop(PATIENCE).expect("ends");
    // Genesis and keys of the other network over data of the first.
    std::fs::copy(other.genesis(), home.genesis()).expect("copied");
    for entry in std::fs::read_dir(other.keys()).expect("a folder") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), home.keys().join(entry.file_name())).expect("copied");
    }
    let output = run(&home);
    assert!(ended_with(&output, Exit::Home), "{}", said(&output));
    assert!(
        said(&output).contains("belongs to network"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_founded_home_can_register_its_keys_at_any_time_of_three_days_and_later_again() {
    use medanchor_node::inspection::{DrawKeys, registration::in_time};
    let (_dir, home) = network();
    let founded = Genesis::decode(&std::fs::read(home.genesis()).expect("a genesis"));
    let time = founded.expect("a sound genesis").spec().time;
    let keys = DrawKeys::read(&home).expect("read").expect("made").public();
    let quarter = 15 * 60 * 1000;
    for after in [0, 1, quarter, quarter + 1, 287 * quarter, 288 * quarter] {
        let event = in_time(&home, time.plus_millis(after)).expect("one is in time");
        assert_eq!(*event.body(), keys.into());
    }
    let over = time.plus_millis(288 * quarter + 1);
    assert_eq!(in_time(&home, over), None);

    let registration = home.keys().join("registration");
    let before = std::fs::read(&registration).expect("a registration");
    let output = medanchor(&["key", "register", "--home", text(home.path())]);
    assert!(output.status.success(), "{}", said(&output));
    assert_ne!(
        std::fs::read(&registration).expect("a registration"),
        before
    );
    let again = DrawKeys::read(&home).expect("read").expect("kept").public();
    assert_eq!(again, keys, "the keys stay");
}

/// It wrote over what was there, and ended as any other failure does.
#[test]
fn a_log_of_releases_goes_to_a_new_file_and_ends_by_what_was_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    let net = dir.path().join("net");
    let words = ["network", "new", "--dir", text(&net), "--first-port", "0"];
    let members = [
        "--validator",
        "north-hospital:hospital",
        "--participant",
        "notary:custodian",
    ];
    let output = medanchor(&[&words[..], &members].concat());
    assert!(output.status.success(), "{}", said(&output));
    let (home, notary) = (net.join("north-hospital"), net.join("notary"));
    let init = ["custodian", "init", "--home", text(&notary)];
    let at = ["--listen", "127.0.0.1:0", "--node", "http://127.0.0.1:1"];
    let output = medanchor(&[&init[..], &at].concat());
    assert!(output.status.success(), "{}", said(&output));
    let (book, out) = (dir.path().join("book.toml"), dir.path().join("releases"));
    std::fs::write(&book, output.stdout).expect("a book");
    let log = || {
        let head = ["custodian", "log", "--home", text(&home), "--of", "notary"];
        medanchor(&[&head[..], &["--book", text(&book), "--out", text(&out)]].concat())
    };
    let away = log();
    assert!(ended_with(&away, Exit::Unreachable), "{}", said(&away));
    assert!(!out.exists(), "nothing came");
    let held = Identity::open(&home.join("identity")).expect("opens");
    let locked = log();
    assert!(ended_with(&locked, Exit::Locked), "{}", said(&locked));
    drop(held);
    std::fs::write(&out, "of last week").expect("written");
    let taken = log();
    assert!(ended_with(&taken, Exit::Usage), "{}", said(&taken));
    assert_eq!(std::fs::read(&out).expect("there"), b"of last week");
}

#[test]
fn a_bucket_that_is_none_is_wrong_usage_whatever_the_home() {
    let nowhere = ["vault", "payloads", "--home", "/nonexistent"];
    let output = medanchor(&[&nowhere[..], &["--bucket", "http://x"]].concat());
    assert!(ended_with(&output, Exit::Usage), "{}", said(&output));
    assert!(said(&output).contains("s3://"), "{}", said(&output));
}
