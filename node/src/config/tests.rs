use super::documented::{KEYS, Key};
use super::*;

fn config() -> Config {
    let mut config = Config::new("north-hospital".parse().expect("a name"));
    config.p2p.peers.push(Peer {
        name: "east-pharmacy".parse().expect("a name"),
        key: "ab".repeat(32),
        address: "127.0.0.1:9001".into(),
    });
    config
}

#[test]
fn the_documented_file_says_what_the_defaults_say() {
    let config = config();
    assert_eq!(Config::parse(&config.documented()).expect("parses"), config);
}

#[test]
fn every_key_is_documented() {
    let table = toml::Table::try_from(Config::new("a".parse().expect("a name"))).expect("a table");
    let mut known = Vec::new();
    for (key, value) in &table {
        match value {
            toml::Value::Table(section) => {
                known.extend(section.keys().map(|inner| (key.clone(), inner.clone())));
            }
            _ => known.push((String::new(), key.clone())),
        }
    }
    known.retain(|(_, key)| key != "peers");
    let mut documented: Vec<_> = KEYS
        .iter()
        .map(|Key(place, key, _)| ((*place).to_owned(), (*key).to_owned()))
        .collect();
    known.sort();
    documented.sort();
    assert_eq!(known, documented);
}

#[test]
fn a_typo_is_refused_and_the_known_keys_are_named() {
    let error =
        Config::parse("name = \"a\"\n[http]\nlistne = \"127.0.0.1:1\"\n").expect_err("typo");
    assert!(
        error.contains("listne") && error.contains("`listen`"),
        "{error}"
    );
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn only_the_name_is_required() {
    assert_eq!(
        Config::parse("name = \"a\"").expect("parses"),
        Config::new("a".parse().expect("a name"))
    );
    assert!(Config::parse("").expect_err("no name").contains("name"));
}

#[test]
fn a_zero_where_none_can_be_is_refused_by_name() {
    let error = Config::parse("name = \"a\"\n[pool]\nmax_events = 0").expect_err("zero");
    assert!(error.contains("pool.max_events"), "{error}");
}

#[test]
fn limits_under_which_the_node_could_take_nothing_are_refused_by_name() {
    for (section, line) in [
        ("pool", "max_unverified_bytes = 0"),
        ("pool", "max_unverified_bytes = 262143"),
        ("pool", "max_bytes = 0"),
        ("pool", "max_bytes_per_participant = 0"),
        ("pool", "max_bytes_per_peer = 10"),
        ("http", "max_batch_bytes = 0"),
        ("http", "max_streams = 0"),
    ] {
        let text = format!("name = \"a\"\n[{section}]\n{line}\n");
        let error = Config::parse(&text).expect_err(line);
        let key = line.split(' ').next().unwrap_or_default();
        assert!(error.contains(&format!("{section}.{key}")), "{error}");
    }
}

#[test]
fn a_copy_that_could_never_work_is_refused_by_name() {
    for line in [
        "url = \"ftp://example.org\"",
        "url = \"file://relative\"",
        "url = \"s3://\"",
        "url = \"s3://key:secret@bucket/city\"",
        "endpoint = \"s3.example.org\"",
        "endpoint = \"https://key:secret@s3.example.org\"",
        "record_bytes_per_second = 0",
    ] {
        let text = format!("name = \"a\"\n[publish]\n{line}\n");
        let error = Config::parse(&text).expect_err(line);
        assert!(error.contains("publish."), "{error}");
        assert!(!error.contains("secret@"), "{error}");
    }
}
