//! Random inspections in a network of real processes: the validators' nodes give their outputs by
//! themselves, also after SIGKILL; one that withholds is seen and cannot stop the draw; what is not
//! answered stays visible; keys are replaced while draws run, and serve those that were opened after it;
//! and the auditor says all of it from the files alone.
//!
//! What is not here: a proposer that leaves an output out of its block cannot be forced to take it;
//! the next one takes it.

use anyhow::{Context, Result, ensure};
use medanchor_ledger::event::Event;
use medanchor_ledger::rules::{DrawKey, DrawState, Inspection, OutputKeys, StateValue};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::{InspectionHandle, ParticipantName, Time};
use medanchor_node::config::Config;
use medanchor_node::inspection::DrawKeys;
use medanchor_sdk::{Draw, FixedPopulation, Identity, NewInspection};
use medanchor_tests::client::Client;
use medanchor_tests::network::{Network, PATIENCE, binary, found, wait_for};
use serde_json::Value;
use std::process::Command;

/// A window that nobody waits for to its end.
const LONG: u32 = 600_000;
/// One that ends, and is twice as long as the shortest: outputs come when blocks do.
const WINDOW: u32 = 20_000;
const ITEMS: u64 = 40;
const SAMPLE: u16 = 5;

/// Nothing times out that is merely slow; heartbeats come often, so that a draw's window ends.
fn adjust(config: &mut Config) {
    config.consensus.propose_timeout_ms = 3_000;
    config.consensus.vote_timeout_ms = 1_000;
    config.consensus.heartbeat_ms = 500;
}

fn now() -> Result<Time> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(Time(u64::try_from(since.as_millis())?))
}

/// A network of four whose hospital is inspected by its regulator.
struct Stage {
    network: Network,
    hospital: Identity,
    regulator: Identity,
    population: FixedPopulation,
}

const HOSPITAL: usize = 1;
const REGULATOR: usize = 2;
const OTHER: usize = 3;

impl Stage {
    /// Nodes stand in the order of their names: east-pharmacy, north-hospital, regulator, west-maker.
    fn new(network: Network) -> Result<Self> {
        let identity = |node: usize| Identity::open(&network.node(node).home.identity());
        let (hospital, regulator) = (identity(HOSPITAL)?, identity(REGULATOR)?);
        ensure!(regulator.participant().as_str() == "regulator");
        let items = (0..ITEMS).map(|item| format!("visit {item}"));
        let population = hospital.fix_population("visits", b"{}", items)?;
        network.client(HOSPITAL).anchor(&population.event)?;
        Ok(Self {
            network,
            hospital,
            regulator,
            population,
        })
    }

    fn client(&self) -> Client {
        self.network.client(HOSPITAL)
    }

    fn value<T: StateValue>(&self, key: &StateKey) -> Result<Option<T>> {
        let answer = self
            .client()
            .get(&format!("/v1/state/{}", hex::encode(key.as_bytes())))?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let Some(value) = answer["value"].as_str() else {
            return Ok(None);
        };
        Ok(Some(T::decode(&hex::decode(value)?)?))
    }

    fn wait_for_keys(&self, count: usize) -> Result<()> {
        let nodes = &self.network.layout().nodes;
        wait_for("the nodes' keys", PATIENCE, || {
            let mut found = 0;
            for node in nodes {
                found += usize::from(self.value::<DrawKey>(&DrawKey::key(&node.name))?.is_some());
            }
            Ok(found == count)
        })
    }

    fn open(&self, name: &str) -> Result<InspectionHandle> {
        self.open_for(name, WINDOW)
    }

    fn open_for(&self, name: &str, window: u32) -> Result<InspectionHandle> {
        let opened = self.regulator.open_inspection(&NewInspection {
            name,
            owner: self.hospital.participant().clone(),
            population: self.population.population,
            sample: SAMPLE,
            window,
            answer_by: now()?.plus_millis(7_200_000),
            order: b"{}",
        })?;
        self.network.client(REGULATOR).anchor(&opened.event)?;
        Ok(opened.inspection)
    }

    fn inspection(&self, handle: InspectionHandle) -> Result<Inspection> {
        let key = Inspection::key(self.regulator.participant(), &handle);
        self.value(&key)?.context("the inspection is open")
    }

    fn draw(&self, handle: InspectionHandle) -> Result<Draw> {
        let time = Time(self.client().status()?.time);
        let value = self.inspection(handle)?.encode();
        let opener = self.regulator.participant();
        Ok(Draw::read(
            &value,
            self.hospital.network(),
            opener,
            handle,
            time,
        )?)
    }

    /// The draw, once the node has it and the published log as well: a checkpoint follows its block.
    fn wait_for_draw(&self, handle: InspectionHandle) -> Result<Draw> {
        wait_for("the draw", PATIENCE, || {
            Ok(self.draw(handle)?.state != DrawState::Waiting)
        })?;
        wait_for("the draw in the published log", PATIENCE, || {
            let report = self.audit(&[])?;
            Ok(of(&report, handle).is_ok_and(|one| one["draw"] != "waiting"))
        })?;
        self.draw(handle)
    }

    fn answer(&self, handle: InspectionHandle, number: u16, place: u64) -> Result<Event> {
        let opener: &ParticipantName = self.regulator.participant();
        let (which, draw) = ((opener, handle), (number, place));
        let answer = self
            .hospital
            .answer_inspection(&self.population, which, draw, b"{}")?;
        self.client().anchor(&answer)?;
        Ok(answer)
    }

    /// `medanchor key replace` for the home of `node`, whose identity nobody has open.
    fn replace_keys(&self, node: usize) -> Result<String> {
        let output = Command::new(binary("medanchor")?)
            .args(["key", "replace", "--node", self.client().url(), "--home"])
            .arg(self.network.node(node).home.path())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn keys_of(&self, node: usize) -> Result<DrawKey> {
        let name = &self.network.node(node).name;
        self.value(&DrawKey::key(name))?.context("registered keys")
    }

    /// What `medanchor audit sample` says of the hospital's log, as JSON.
    fn audit(&self, more: &[&str]) -> Result<Value> {
        let said = self.audit_text(&[&["--json"], more].concat())?;
        Ok(serde_json::from_str(&said)?)
    }

    /// What it says in words.
    fn audit_text(&self, more: &[&str]) -> Result<String> {
        let log = self.network.node(HOSPITAL).home.log();
        let output = Command::new(binary("medanchor")?)
            .args(["audit", "sample"])
            .arg(log)
            .args(more)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stdout)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

fn of(report: &Value, handle: InspectionHandle) -> Result<&Value> {
    let all = report["inspections"].as_array().context("inspections")?;
    let found = all
        .iter()
        .find(|one| one["inspection"] == handle.to_string());
    found.context("the inspection is reported")
}

#[test]
fn nodes_give_their_outputs_by_themselves_and_after_a_kill() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let mut stage = Stage::new(network)?;
    stage.wait_for_keys(4)?;

    let first = stage.open_for("first", LONG)?;
    let draw = stage.wait_for_draw(first)?;
    assert_eq!(draw.state, DrawState::Drawn);
    assert_eq!(
        stage.inspection(first)?.outputs.len(),
        4,
        "all four, before the window ends"
    );
    for (number, place) in (0..).zip(&draw.places).take(4) {
        stage.answer(first, number, *place)?;
    }
    assert_eq!(stage.draw(first)?.unanswered, [4]);

    // One is killed before it can give its output, and gives it when it is back.
    stage.network.kill(OTHER);
    let second = stage.open_for("second", LONG)?;
    wait_for("three outputs", PATIENCE, || {
        Ok(stage.inspection(second)?.outputs.len() == 3)
    })?;
    stage.network.restart(OTHER)?;
    let draw = stage.wait_for_draw(second)?;
    assert_eq!(draw.state, DrawState::Drawn);

    // A draw without the killed one is made once the window is over.
    stage.network.kill(OTHER);
    let third = stage.open("third")?;
    let draw = stage.wait_for_draw(third)?;
    assert_eq!(draw.state, DrawState::Drawn);
    let outputs = stage.inspection(third)?.outputs;
    assert!(!outputs.contains_key(&stage.network.node(OTHER).name) && outputs.len() == 3);
    stage.answer(third, 0, draw.places[0])?;

    let items = dir.path().join("items");
    std::fs::write(&items, stage.population.file(None))?;
    let report = stage.audit(&["--items", items.to_str().context("a path")?])?;
    assert_eq!(report["verdict"], "good");
    let first_handle = first;
    let first = of(&report, first_handle)?;
    assert_eq!(first["unanswered"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["population"]["recomputed"], true);
    assert_eq!(first["draws_of_this_root"], 3);
    assert_eq!(report["owners"][0]["populations"], 1);
    assert_eq!(report["owners"][0]["inspected"][0]["draws"], 3);
    // Four of five were answered and opened; of the third inspection one.
    assert_eq!(first["meaning"]["not_shown_or_wrong"], 1);
    let third = of(&report, third)?;
    assert_eq!(third["draw"], "drawn");
    assert_eq!(third["without_output"][0], "west-maker");

    // The drawn items alone are held against the answers, and words are there in both languages.
    let places: Vec<u64> = serde_json::from_value(first["places"].clone())?;
    std::fs::write(&items, stage.population.file(Some(&places[..4])))?;
    let handle = first["inspection"].as_str().context("a handle")?;
    let path = items.to_str().context("a path")?;
    let of_first = ["--inspection", handle, "--items", path, "--wrong", "0"];
    let report = stage.audit(&of_first)?;
    assert_eq!(report["inspections"][0]["items_opened"], 4);
    assert_eq!(report["inspections"][0]["meaning"]["not_shown_or_wrong"], 2);
    let english = stage.audit_text(&of_first)?;
    assert!(english.contains("2 of the 5 drawn items were not shown or found to be wrong"));
    assert!(english.contains("NOT ANSWERED: draw 4"), "{english}");
    let chinese = stage.audit_text(&[&of_first[..], &["--lang", "zh"]].concat())?;
    assert!(chinese.contains("所抽 5 项中有 2 项未出示"), "{chinese}");

    // Two of the answers are opened, so three show nothing; nobody opened one, so nothing is said.
    std::fs::write(&items, stage.population.file(Some(&places[..2])))?;
    let report = stage.audit(&["--items", path])?;
    assert_eq!(
        of(&report, first_handle)?["meaning"]["not_shown_or_wrong"],
        3
    );
    let report = stage.audit(&[])?;
    for one in report["inspections"].as_array().context("inspections")? {
        assert!(one["meaning"].is_null(), "{one:#}");
    }
    let unopened = stage.audit_text(&["--inspection", handle])?;
    assert!(unopened.contains("No item was opened"), "{unopened}");
    assert!(!unopened.contains("confidence"), "{unopened}");
    println!("{english}\n{chinese}");

    // Items of something else fit no inspection.
    let others = stage
        .hospital
        .fix_population("other visits", b"{}", [b"a", b"b"])?;
    std::fs::write(&items, others.file(None))?;
    let refused = stage.audit(&["--items", path]).unwrap_err();
    assert!(
        refused.to_string().contains("neither a population"),
        "{refused}"
    );
    assert!(!refused.to_string().contains("DOES NOT HOLD"), "{refused}");
    Ok(())
}

#[test]
fn keys_are_replaced_in_a_running_network_and_old_registrations_bring_none_back() -> Result<()> {
    // A draw is over as soon as all four outputs are there; the window leaves time for what comes between.
    let dir = tempfile::tempdir()?;
    let network = Network::start(&binary("medanchor")?, dir.path(), 4, adjust)?;
    let mut stage = Stage::new(network)?;
    stage.wait_for_keys(4)?;

    // No draw runs: the running node puts the new keys in the place of the old ones.
    const PHARMACY: usize = 0;
    let home = stage.network.node(PHARMACY).home.clone();
    let founded = DrawKeys::read(&home)?.context("keys")?.public();
    let said = stage.replace_keys(PHARMACY)?;
    assert!(said.contains("(registration 2)"), "{said}");
    let next = home.keys().join("next");
    wait_for("the new keys in their place", PATIENCE, || {
        Ok(!next.exists())
    })?;
    let replaced = DrawKeys::read(&home)?.context("keys")?.public();
    assert_eq!(stage.keys_of(PHARMACY)?.keys, OutputKeys::from(&replaced));
    assert_ne!(replaced, founded);

    // Whoever founded the network has the old keys, and signs them once more.
    let identity = Identity::open(&home.identity())?;
    let stale = identity.sign(founded)?;
    let refused = stage.client().anchor(&stale).err().context("refused")?;
    let refused = refused.to_string();
    assert!(
        refused.contains("inspection.key-already-registered"),
        "{refused}"
    );
    drop(identity);

    // A draw waits for a dead node, whose keys are replaced meanwhile: it gives the output under the old ones.
    stage.network.kill(OTHER);
    let waiting = stage.open_for("waiting", LONG)?;
    for _ in 0..2 {
        // The second time there is nothing left to do.
        let said = stage.replace_keys(OTHER)?;
        assert!(said.contains("(registration 2)"), "{said}");
    }
    let known = stage.keys_of(OTHER)?;
    let opened = stage.inspection(waiting)?.opened.index;
    assert_eq!(
        known.serving(opened),
        known.replaced.as_ref().map(|old| &old.keys)
    );
    stage.network.restart(OTHER)?;
    let draw = stage.wait_for_draw(waiting)?;
    assert_eq!(draw.state, DrawState::Drawn);

    // It is killed once more, with both pairs in its home, and gives the next one under the new keys.
    stage.network.kill(OTHER);
    let later = stage.open_for("later", LONG)?;
    stage.network.restart(OTHER)?;
    let draw = stage.wait_for_draw(later)?;
    assert_eq!(draw.state, DrawState::Drawn);
    let opened = stage.inspection(later)?.opened.index;
    assert_eq!(known.serving(opened), Some(&known.keys));

    let report = stage.audit(&[])?;
    assert_eq!(report["verdict"], "good");
    for handle in [waiting, later] {
        let outputs = of(&report, handle)?["outputs"].as_array().map(Vec::len);
        assert_eq!(outputs, Some(4));
    }
    Ok(())
}

#[test]
fn a_validator_that_withholds_is_seen_and_two_of_them_make_the_draw_void() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = found(dir.path(), 4)?;
    for node in &layout.nodes {
        medanchor_tests::network::change_config(node, &adjust)?;
    }
    let network = Network::run(&binary("medanchor")?, layout)?;
    let mut stage = Stage::new(network)?;
    stage.wait_for_keys(4)?;
    // Two nodes run on without the keys of their outputs: they vote and withhold.
    for node in [0, OTHER] {
        stage.network.kill(node);
        let keys = stage.network.node(node).home.keys();
        std::fs::rename(
            keys.join("vrf.key"),
            dir.path().join(format!("{node}.vrf.key")),
        )?;
        std::fs::remove_file(keys.join("inspection.key"))?;
        stage.network.restart(node)?;
        stage.network.wait_until_node_is_ready(node)?;
    }
    let handle = stage.open("withheld")?;
    let draw = stage.wait_for_draw(handle)?;
    assert_eq!(draw.state, DrawState::Void);
    assert!(draw.places.is_empty());
    let report = stage.audit(&[])?;
    let one = of(&report, handle)?;
    assert_eq!(one["draw"], "void");
    assert_eq!(one["without_output"].as_array().map(Vec::len), Some(2));
    assert_eq!(one["void_draws_of_this_root"], 1);
    Ok(())
}
