//! Outside witnesses, as processes of their own: fed by the publisher's node, killed, late, lying,
//! and offered a fork by whoever has stolen the publisher key.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::merkle::{Leaves, consistency_proof, leaf_hash, root_at};
use medanchor_ledger::note::{Note, NoteKey, VerifierKey};
use medanchor_ledger::policy::Policy;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::witness::AddCheckpoint;
use medanchor_ledger::{Size, TreeHash, sha256};
use medanchor_node::config::Witness as Configured;
use medanchor_node::exit::Exit;
use medanchor_node::keys::{Purpose, SecretKey};
use medanchor_node::process::free_ports;
use medanchor_tests::client::Client;
use medanchor_tests::network::{
    Network, PATIENCE, binary, change_config, found_with_publisher, wait_for,
};
use medanchor_tests::workload::Author;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// A `medanchor-audit witness`. Killed when dropped.
struct Witness {
    program: PathBuf,
    dir: PathBuf,
    name: &'static str,
    url: String,
    key: VerifierKey,
    child: Option<Child>,
}

impl Witness {
    /// Makes its key; it does not run yet.
    fn new(dir: &Path, name: &'static str, port: u16) -> Result<Self> {
        let program = binary("medanchor-audit")?;
        let made = Command::new(&program)
            .args(["witness", "key", "new", "--name"])
            .arg(format!("witness.example/{name}"))
            .arg("--out")
            .arg(dir.join(format!("{name}.key")))
            .output()?;
        ensure!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(Self {
            program,
            dir: dir.into(),
            name,
            url: format!("http://127.0.0.1:{port}"),
            key: String::from_utf8(made.stdout)?.trim().parse()?,
            child: None,
        })
    }

    fn command(&self, log: &VerifierKey) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("witness")
            .args(["--listen", self.url.trim_start_matches("http://")])
            .arg("--key")
            .arg(self.dir.join(format!("{}.key", self.name)))
            .arg("--dir")
            .arg(self.dir.join(self.name))
            .args(["--log", &log.to_string()]);
        command
    }

    /// Starts it for a log and waits until it says that it listens.
    fn start(&mut self, log: &VerifierKey) -> Result<()> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            let mut child = self.command(log).stdout(Stdio::piped()).spawn()?;
            let said = child.stdout.take().context("its output")?;
            self.child = Some(child);
            let (tell, told) = channel();
            std::thread::spawn(move || {
                let mut line = String::new();
                let _ = BufReader::new(said).read_line(&mut line);
                let _ = tell.send(line);
            });
            if told.recv_timeout(PATIENCE)?.contains(&self.url) {
                return Ok(());
            }
            // Somebody was given its port meanwhile: it ended, and is started again.
            self.kill();
        }
        bail!("{} does not listen", self.name)
    }

    /// Ends it at once (SIGKILL).
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to stop (SIGTERM), and gives its exit code.
    fn stop(&mut self) -> Result<Option<i32>> {
        let mut child = self.child.take().context("it runs")?;
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        let mut code = None;
        let ended = wait_for("the end of a witness", PATIENCE, || {
            code = child.try_wait()?;
            Ok(code.is_some())
        });
        let _ = child.kill();
        ended?;
        Ok(code.and_then(|status| status.code()))
    }

    fn configured(&self) -> Result<Configured> {
        configured(self.name, &self.url, &self.key)
    }

    /// What it serves as the checkpoint cosigned last.
    fn last(&self, log: &VerifierKey) -> Result<Checkpoint> {
        let hash = hex::encode(sha256(&[log.name().as_str().as_bytes()]));
        let served = Client::new(self.url.clone(), PATIENCE).get(&format!("/{hash}/checkpoint"))?;
        let note = Note::parse(&served)?;
        ensure!(
            note.signed_by(&self.key)?.is_some(),
            "it has the witness's cosignature"
        );
        ensure!(note.signed_by(log)?.is_some(), "it has the log's signature");
        Ok(note.text().parse()?)
    }

    /// Offers it a checkpoint; gives status and body.
    fn offer(&self, request: &AddCheckpoint) -> Result<(u16, String)> {
        offer(&self.url, request)
    }

    /// The names of what it kept as evidence.
    fn evidence(&self) -> Vec<String> {
        let logs = fs::read_dir(self.dir.join(self.name))
            .into_iter()
            .flatten()
            .flatten();
        let kept = logs.filter_map(|log| fs::read_dir(log.path().join("evidence")).ok());
        kept.flatten()
            .filter_map(|finding| finding.ok()?.file_name().into_string().ok())
            .collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .proxy(None)
        .build()
        .into()
}

fn offer(witness: &str, request: &AddCheckpoint) -> Result<(u16, String)> {
    let url = format!("{witness}/add-checkpoint");
    let mut answer = agent().post(url).send(request.to_string())?;
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().read_to_string()?))
}

fn configured(name: &str, url: &str, key: &VerifierKey) -> Result<Configured> {
    Ok(Configured {
        name: name.parse()?,
        url: url.to_owned(),
        keys: vec![key.to_string()],
        interval_ms: 20,
    })
}

/// A server that answers every request with these bytes, and holds it for ever if there are none;
/// gives its address.
fn liar(answer: &'static [u8]) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
            if answer.is_empty() {
                held.push(stream);
            }
        }
    });
    Ok(url)
}

/// A way to a server that can be closed: what is sent through it then waits, unanswered.
struct Gate {
    url: String,
    closed: Arc<AtomicBool>,
}

impl Gate {
    fn before(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let closed = Arc::new(AtomicBool::new(false));
        let (shut, server) = (
            Arc::clone(&closed),
            server.trim_start_matches("http://").to_owned(),
        );
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shut, server) = (Arc::clone(&shut), server.clone());
                std::thread::spawn(move || pass(client, &server, &shut));
            }
        });
        Ok(Self { url, closed })
    }

    fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::SeqCst);
    }
}

/// Passes bytes both ways until one side ends. While the gate is shut the server cannot end it either:
/// it would cut a connection on which no request comes.
fn pass(mut client: TcpStream, server: &str, shut: &Arc<AtomicBool>) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    let until_open = Arc::clone(shut);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        wait_while(&until_open);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut bytes = [0; 4096];
    loop {
        let count = client.read(&mut bytes)?;
        wait_while(shut);
        server.write_all(bytes.get(..count).unwrap_or_default())?;
        if count == 0 {
            return server.shutdown(Shutdown::Both);
        }
    }
}

fn wait_while(shut: &AtomicBool) {
    while shut.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The exit code of a program that ends by itself, and what it said.
fn end_of(mut command: Command) -> Result<(Option<i32>, String)> {
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let ended = wait_for("the end of a program", PATIENCE, || {
        Ok(child.try_wait()?.is_some())
    });
    let _ = child.kill();
    let output = child.wait_with_output()?;
    ended?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), said))
}

/// A network of two with its publisher, two witnesses and two liars, in a folder.
struct Stage {
    network: Network,
    witnesses: [Witness; 2],
    /// The publisher's way to the second witness.
    gate: Gate,
    log: VerifierKey,
    dir: tempfile::TempDir,
}

impl Stage {
    /// The first witness runs, the second one does not.
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let ports = free_ports(2)?;
        let mut first = Witness::new(dir.path(), "w1", ports[0])?;
        let second = Witness::new(dir.path(), "w2", ports[1])?;
        let layout = found_with_publisher(&dir.path().join("net"), 2)?;
        let log = layout.genesis.publisher_key().context("a publisher")?;
        first.start(&log)?;
        let gate = Gate::before(&second.url)?;
        let garbage = liar(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ngarbage\n")?;
        let entries = [
            first.configured()?,
            configured(second.name, &gate.url, &second.key)?,
            configured("garbage", &garbage, &stranger("garbage")?)?,
            configured("silent", &liar(b"")?, &stranger("silent")?)?,
        ];
        let publisher = layout.nodes.iter().find(|node| node.name.as_str() == NAME);
        change_config(publisher.context("its home")?, &|config| {
            config.witness = entries.to_vec();
        })?;
        Ok(Self {
            network: Network::run(&binary("medanchor")?, layout)?,
            witnesses: [first, second],
            gate,
            log,
            dir,
        })
    }

    fn publisher(&self) -> usize {
        let nodes = &self.network.layout().nodes;
        nodes
            .iter()
            .position(|node| node.name.as_str() == NAME)
            .unwrap_or(0)
    }

    fn client(&self) -> Client {
        self.network.client(self.publisher())
    }

    /// Waits until a checkpoint of more than `size` entries is served that these witnesses
    /// cosigned, and gives its size.
    fn wait_for_witnessed(&self, size: Size, witnesses: &[&Witness]) -> Result<Size> {
        let mut newest = Size(0);
        let what = "a witnessed checkpoint";
        wait_for(what, PATIENCE, || {
            let Ok(served) = self.client().get("/witnessed") else {
                return Ok(false);
            };
            let note = Note::parse(&served)?;
            newest = note.text().parse::<Checkpoint>()?.size;
            self.network
                .layout()
                .genesis
                .policy()
                .verify_checkpoint(&note)?;
            ensure!(
                note.signed_by(&self.log)?.is_some(),
                "the publisher signed it"
            );
            let cosigned = |it: &&Witness| matches!(note.signed_by(&it.key), Ok(Some(_)));
            Ok(newest > size && witnesses.iter().all(cosigned))
        })
        .with_context(|| self.network.said())?;
        Ok(newest)
    }

    /// The exit code of `medanchor-audit receipt` with this policy.
    fn check(&self, receipt: &[u8], event: &[u8], policy: &[u8]) -> Result<Option<i32>> {
        let path = |name: &str| self.dir.path().join(name);
        fs::write(path("receipt"), receipt)?;
        fs::write(path("event"), event)?;
        fs::write(path("policy"), policy)?;
        let done = Command::new(binary("medanchor-audit")?)
            .arg("receipt")
            .arg(path("receipt"))
            .arg("--event")
            .arg(path("event"))
            .arg("--policy")
            .arg(path("policy"))
            .output()?;
        Ok(done.status.code())
    }

    /// The network's policy, and both outside witnesses besides.
    fn policy_with_witnesses(&self) -> String {
        let own = String::from_utf8_lossy(self.network.layout().genesis.policy().as_bytes());
        let own = own.replace("quorum validators\n", "");
        let [w1, w2] = &self.witnesses;
        format!(
            "{own}witness w1 {}\nwitness w2 {}\ngroup outside all w1 w2\n\
             group everybody all validators outside\nquorum everybody\n",
            w1.key, w2.key
        )
    }
}

/// The publisher of the scenario.
const NAME: &str = "north-hospital";

/// A verifier key whose secret nobody here has.
fn stranger(name: &str) -> Result<VerifierKey> {
    let key = SecretKey::generate(Purpose::Cosigner)?.public();
    let key = NoteKey::Cosigner(key);
    Ok(VerifierKey::new(
        format!("witness.example/{name}").parse()?,
        key,
    ))
}

/// A checkpoint that the log does not have, signed with the publisher's stolen key.
fn forged(stage: &Stage, size: Size) -> Result<Note> {
    let home = &stage.network.node(stage.publisher()).home;
    let key = SecretKey::read(&home.keys(), Purpose::Publisher)?;
    let checkpoint = Checkpoint {
        origin: stage.log.name().clone(),
        size,
        root: TreeHash::new([0xF0; 32]),
    };
    let line = checkpoint.sign(key.signing_key());
    Ok(Note::new(&checkpoint.to_string(), vec![line])?)
}

#[test]
fn outside_witnesses_cosign_what_the_publisher_shows_them_and_no_fork() -> Result<()> {
    let mut stage = Stage::new()?;
    let author = stage.network.authors()?.swap_remove(0);
    let event = author.seal()?;
    let receipt = stage.client().anchor(&event)?;
    let size = stage.wait_for_witnessed(Size(0), &[&stage.witnesses[0]])?;

    // The second one starts late, from nothing.
    let log = stage.log.clone();
    stage.witnesses[1].start(&log)?;
    stage.client().anchor(&author.seal()?)?;
    let [w1, w2] = &stage.witnesses;
    let size = stage.wait_for_witnessed(size, &[w1, w2])?;
    receipts_carry_cosignatures_where_they_are_asked_for(&stage, &receipt, &event)?;
    liars_are_shown_and_hinder_nobody(&stage)?;
    let size = a_slow_witness_holds_back_no_other(&stage, &author, size)?;

    // The first one is killed and started again: it goes on from where it was.
    stage.witnesses[0].kill();
    stage.client().anchor(&author.seal()?)?;
    stage.witnesses[0].start(&log)?;
    let before = stage.witnesses[0].last(&log)?;
    ensure!(before.size > Size(0) && before.size >= size, "it remembers");
    stage.client().anchor(&author.seal()?)?;
    let [w1, w2] = &stage.witnesses;
    let size = stage.wait_for_witnessed(before.size, &[w1, w2])?;

    // The node forgets what they cosigned: they tell it.
    let publisher = stage.publisher();
    stage.network.kill(publisher);
    let memory = stage.network.node(publisher).home.data().join("witnesses");
    ensure!(
        fs::read_to_string(&memory)?.contains("\"size\""),
        "it was remembered"
    );
    fs::remove_file(&memory)?;
    a_changed_checkpoint_is_refused_at_the_start(&mut stage, publisher)?;
    stage.network.restart(publisher)?;
    stage.network.wait_until_node_is_ready(publisher)?;
    receipts_are_of_the_quorum_alone(&stage, &event)?;
    stage.client().anchor(&author.seal()?)?;
    let [w1, w2] = &stage.witnesses;
    stage.wait_for_witnessed(size, &[w1, w2])?;

    assert!(stage.network.stop(), "{}", stage.network.said());
    a_fork_is_refused_and_kept(&stage)?;
    for witness in &mut stage.witnesses {
        assert_eq!(witness.stop()?, Some(0));
    }
    Ok(())
}

fn receipts_carry_cosignatures_where_they_are_asked_for(
    stage: &Stage,
    receipt: &[u8],
    event: &medanchor_ledger::event::Event,
) -> Result<()> {
    let path = format!("/v1/events/{}/witnessed-receipt", event.id());
    let witnessed = stage.client().get(&path)?;
    let plain = stage.client().receipt(&event.id())?;
    assert!(plain.len() < 2048, "{} bytes", plain.len());
    let own = stage.network.layout().genesis.policy().as_bytes().to_vec();
    let both = stage.policy_with_witnesses();
    Policy::parse(both.as_bytes())?;
    let both = both.into_bytes();
    let bytes = event.encoded();
    for any in [receipt, &plain, &witnessed] {
        assert_eq!(stage.check(any, bytes, &own)?, Some(0));
    }
    assert_eq!(stage.check(&witnessed, bytes, &both)?, Some(0));
    assert_eq!(stage.check(receipt, bytes, &both)?, Some(1));
    // The files say the same as the node: what a plain file server would serve.
    let folder = stage.network.node(stage.publisher()).home.log();
    wait_for("the checkpoint with its cosignatures", PATIENCE, || {
        let served = stage.client().get("/checkpoint")?;
        let note = Note::parse(&served)?;
        let [w1, w2] = &stage.witnesses;
        let cosigned = |it: &Witness| matches!(note.signed_by(&it.key), Ok(Some(_)));
        Ok(cosigned(w1) && cosigned(w2) && fs::read(folder.join("checkpoint"))? == served)
    })?;
    wait_for("the same witnessed checkpoint", PATIENCE, || {
        Ok(fs::read(folder.join("witnessed"))? == stage.client().get("/witnessed")?)
    })
}

/// Also when the checkpoint that the node finds at its start has more.
fn receipts_are_of_the_quorum_alone(
    stage: &Stage,
    event: &medanchor_ledger::event::Event,
) -> Result<()> {
    let receipt = Receipt::parse(&stage.client().receipt(&event.id())?)?;
    for key in [&stage.log, &stage.witnesses[0].key, &stage.witnesses[1].key] {
        ensure!(receipt.checkpoint.signed_by(key)?.is_none(), "{key}");
    }
    Ok(())
}

fn liars_are_shown_and_hinder_nobody(stage: &Stage) -> Result<()> {
    wait_for("what became of the liars", PATIENCE, || {
        let status = stage.client().status()?;
        let answer = |name: &str| {
            let mut all = status.witnesses.iter();
            all.find(|it| it.name == name).map(|it| it.answer.clone())
        };
        let answers =
            ["w1", "w2", "garbage", "silent"].map(|name| answer(name).unwrap_or_default());
        Ok(answers == ["200", "200", "malformed", "timeout"])
    })
    .with_context(|| format!("{:?}", stage.client().status().map(|it| it.witnesses)))?;
    let metrics = String::from_utf8(stage.client().get("/metrics")?)?;
    ensure!(
        metrics.contains("medanchor_witness_size{witness=\"w1\"}"),
        "{metrics}"
    );
    Ok(())
}

/// The second witness cosigned when it was asked last, and now it takes its time. It once held back
/// the first one's cosignatures until its own request was given up.
fn a_slow_witness_holds_back_no_other(stage: &Stage, author: &Author, size: Size) -> Result<Size> {
    let closed = Instant::now();
    stage.gate.close(true);
    stage.client().anchor(&author.seal()?)?;
    let [w1, w2] = &stage.witnesses;
    let newer = stage.wait_for_witnessed(size, &[w1])?;
    let status = stage.client().status()?;
    let slow = status.witnesses.iter().find(|it| it.name == w2.name);
    let failures = slow.map(|it| (it.failures, it.answer.clone()));
    stage.gate.close(false);
    // A node waits ten seconds for a witness. Where all of this took as long, nothing was shown.
    let is_late = closed.elapsed() >= Duration::from_secs(8);
    assert!(
        is_late || failures == Some((0, "200".to_owned())),
        "its request is still under way: {failures:?}"
    );
    stage.client().anchor(&author.seal()?)?;
    stage.wait_for_witnessed(newer, &[w1, w2])
}

/// The publisher's node is killed: it would sign for the witnesses what it finds.
fn a_changed_checkpoint_is_refused_at_the_start(stage: &mut Stage, node: usize) -> Result<()> {
    let path = stage.network.node(node).home.log().join("checkpoint");
    let good = fs::read_to_string(&path)?;
    let root = good.lines().nth(2).context("a root")?;
    let first = if root.starts_with('A') { "B" } else { "A" };
    let other = format!("{first}{}", root.get(1..).context("a root")?);
    fs::write(&path, good.replacen(root, &other, 1))?;
    let (code, said) = stage.network.refusal(node, &[])?;
    assert_eq!(code, Exit::Damaged.code(), "{said}");
    assert!(said.contains("log/checkpoint"), "{said}");
    Ok(fs::write(&path, good)?)
}

/// The network is stopped: the witnesses stay where they are.
fn a_fork_is_refused_and_kept(stage: &Stage) -> Result<()> {
    let witness = &stage.witnesses[0];
    let last = witness.last(&stage.log)?;
    let offer = |size: Size, proof: Vec<TreeHash>| -> Result<(u16, String)> {
        witness.offer(&AddCheckpoint {
            old: last.size,
            proof,
            checkpoint: forged(stage, size)?,
        })
    };
    assert_eq!(offer(last.size, Vec::new())?.0, 422);
    assert_eq!(
        offer(Size(last.size.0 + 9), vec![TreeHash::new([1; 32])])?.0,
        422
    );
    let stale = AddCheckpoint {
        old: Size(0),
        proof: Vec::new(),
        checkpoint: forged(stage, Size(last.size.0 + 1))?,
    };
    assert_eq!(witness.offer(&stale)?, (409, format!("{}\n", last.size)));
    let mut kept = witness.evidence();
    kept.sort();
    let kinds: Vec<_> = kept
        .iter()
        .filter_map(|name| name.split('-').next())
        .collect();
    assert_eq!(kinds, ["fork", "unproved"]);
    assert_eq!(witness.last(&stage.log)?, last);
    Ok(())
}

#[test]
fn witnesses_without_the_publisher_key_are_refused_and_say_why() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let layout = found_with_publisher(&dir.path().join("net"), 2)?;
    let other = layout.nodes.iter().find(|node| node.name.as_str() != NAME);
    let other = other.context("another node")?;
    let entry = configured("w1", "http://127.0.0.1:9", &stranger("w1")?)?;
    change_config(other, &|config| config.witness = vec![entry.clone()])?;
    let mut run = Command::new(binary("medanchor")?);
    run.args(["run", "--home"]).arg(other.home.path());
    let (code, said) = end_of(run)?;
    assert_eq!(code, Some(16), "{said}");
    assert!(said.contains("publisher"), "{said}");
    Ok(())
}

#[test]
fn one_folder_and_one_key_have_one_witness() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let ports = free_ports(1)?;
    let mut witness = Witness::new(dir.path(), "w1", ports[0])?;
    let log = OwnLog::new(1)?.verifier;
    witness.start(&log)?;
    let (code, said) = end_of(witness.command(&log))?;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("another witness"), "{said}");
    assert_eq!(witness.stop()?, Some(0));
    Ok(())
}

/// A log that this test alone has, signed with a key of its own.
struct OwnLog {
    key: SecretKey,
    verifier: VerifierKey,
    leaves: Vec<TreeHash>,
}

impl OwnLog {
    fn new(entries: u32) -> Result<Self> {
        let key = SecretKey::generate(Purpose::Log)?;
        let verifier = VerifierKey::new("test/0".parse()?, NoteKey::Ed25519(key.public()));
        let leaves = (0..entries).map(|number| leaf_hash(&number.to_be_bytes()));
        Ok(Self {
            key,
            verifier,
            leaves: leaves.collect(),
        })
    }

    fn root(&self, size: Size) -> Result<TreeHash> {
        Ok(root_at(&Leaves(&self.leaves), size)?)
    }

    fn request(&self, old: Size, new: Size, root: TreeHash) -> Result<AddCheckpoint> {
        let checkpoint = Checkpoint {
            origin: self.verifier.name().clone(),
            size: new,
            root,
        };
        let line = checkpoint.sign(self.key.signing_key());
        Ok(AddCheckpoint {
            old,
            proof: match old {
                Size(0) => Vec::new(),
                old => consistency_proof(&Leaves(&self.leaves), old, new)?,
            },
            checkpoint: Note::new(&checkpoint.to_string(), vec![line])?,
        })
    }
}

/// Grows the log by one entry after the other until the witness is gone; tells each size that it
/// has cosigned.
fn grow(log: &OwnLog, witness: &str, from: Size, cosigned: &Sender<Size>) -> Result<()> {
    for new in (from.0 + 1..).map(Size) {
        let request = log.request(Size(new.0 - 1), new, log.root(new)?)?;
        let Ok((status, body)) = offer(witness, &request) else {
            return Ok(());
        };
        ensure!(status == 200, "{status}: {body}");
        cosigned.send(new)?;
    }
    Ok(())
}

#[test]
fn a_witness_that_is_killed_again_and_again_never_goes_back() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let ports = free_ports(1)?;
    let mut witness = Witness::new(dir.path(), "w1", ports[0])?;
    let log = OwnLog::new(10_000)?;
    let mut cosigned = Size(0);
    for kills in 0..6 {
        witness.start(&log.verifier)?;
        if cosigned > Size(0) {
            let last = witness.last(&log.verifier)?;
            ensure!(last.size >= cosigned, "{} after {cosigned}", last.size);
            assert_eq!(last.root, log.root(last.size)?);
            cosigned = last.size;
            let fork = log.request(cosigned, cosigned, TreeHash::new([0xF0; 32]))?;
            assert_eq!(witness.offer(&fork)?.0, 422);
        }
        let (told, sizes) = channel();
        std::thread::scope(|scope| -> Result<()> {
            let (url, log) = (witness.url.clone(), &log);
            let growing = scope.spawn(move || grow(log, &url, cosigned, &told));
            let waited: Result<Vec<_>, _> = (0..=kills * 3)
                .map(|_| sizes.recv_timeout(PATIENCE))
                .collect();
            // Killed in the middle of whatever it does then.
            witness.kill();
            cosigned = waited?.last().copied().unwrap_or(cosigned);
            cosigned = sizes.iter().last().unwrap_or(cosigned);
            growing.join().map_err(|_| anyhow::anyhow!("a panic"))?
        })?;
    }
    assert_eq!(witness.evidence().len(), 5);
    Ok(())
}

#[test]
fn what_a_witness_does_not_serve_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let ports = free_ports(1)?;
    let mut witness = Witness::new(dir.path(), "w1", ports[0])?;
    witness.start(&OwnLog::new(1)?.verifier)?;
    let agent = agent();
    let status = |path: &str| -> Result<u16> {
        let answer = agent.get(format!("{}{path}", witness.url)).call()?;
        Ok(answer.status().as_u16())
    };
    assert_eq!(status("/")?, 404);
    assert_eq!(status("/add-checkpoint")?, 405);
    assert_eq!(status(&format!("/{}/checkpoint", "0".repeat(64)))?, 404);
    assert_eq!(status("/../key/checkpoint")?, 404);
    let hash = hex::encode(sha256(&[b"test/0"]));
    assert_eq!(
        status(&format!("/{hash}/checkpoint"))?,
        404,
        "none is cosigned yet"
    );
    let post = |path: &str, body: &[u8]| -> Result<u16> {
        let answer = agent.post(format!("{}{path}", witness.url)).send(body)?;
        Ok(answer.status().as_u16())
    };
    assert_eq!(post("/", b"old 0\n")?, 404);
    assert_eq!(post("/add-checkpoint", b"old 0\n")?, 400);
    assert_eq!(post("/add-checkpoint", b"\xff")?, 400);
    assert_eq!(
        post("/add-checkpoint", &[b'a'; AddCheckpoint::MAX_BYTES + 1])?,
        413
    );
    Ok(())
}
