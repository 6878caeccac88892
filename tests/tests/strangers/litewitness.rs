//! torchwood's litewitness: fed by the publisher's node, killed, and asked to sign what it must not. Its
//! cosignatures, as the node serves them, are checked by torchwood under a policy that demands them.

use super::witness::{configured, cosigned, offer, without_signatures_by};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::Size;
use medanchor_ledger::note::VerifierKey;
use medanchor_node::process::free_ports;
use medanchor_tests::client::{Client, batch};
use medanchor_tests::network::{
    Network, PATIENCE, binary, change_config, found_with_publisher, wait_for,
};
use medanchor_tests::tool::{Running, Tool, installed};
use std::path::{Path, PathBuf};

const NAME: &str = "witness.example/litewitness";
/// The institution that `found_with_publisher` lets hold the publisher key.
const PUBLISHER: &str = "north-hospital";
/// Its notes carry the signatures of a whole quorum: litewitness reads 10 KiB of a request.
const VALIDATORS: usize = 4;

#[test]
fn litewitness_cosigns_what_the_node_feeds_it_and_nothing_else() -> Result<()> {
    let (Some(program), Some(aid), Some(torchwood)) = (
        installed("bin/litewitness"),
        installed("bin/litewitness-aid"),
        installed("bin/torchwood"),
    ) else {
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let layout = found_with_publisher(&dir.path().join("net"), VALIDATORS)?;
    let log = layout.genesis.publisher_key().context("a publisher")?;
    let home = Home::new(program, aid, dir.path())?;
    let mut witness = home.start()?;
    let unknown = format!("old 0\n\n{}\n1\n{EMPTY_ROOT}\n\n", log.name());
    ensure!(offer(&home.url(), &unknown)? == 404);
    home.follow(&log)?;
    let fed = configured(home.url(), &witness.key);
    let place = layout
        .nodes
        .iter()
        .position(|node| node.name.as_str() == PUBLISHER);
    let place = place.context("the publisher's home")?;
    change_config(&layout.nodes[place], &|config| {
        config.witness = vec![fed.clone()];
    })?;
    let network = Network::run(&binary("medanchor")?, layout)?;
    let author = network.authors()?.pop().context("an author")?;
    let node = network.client(place);
    let mut size = Size(0);
    for _ in 0..2 {
        node.post(&batch(&author.seal_many(300)?), true)?;
        size = witness.wait_for_cosigned(&node)?;
        ensure!(size.0 >= 300);
        // Killed; what it cosigned last is in its database.
        let key = witness.key.clone();
        drop(witness);
        witness = home.start()?;
        ensure!(witness.key == key);
    }
    ensure!(witness.knows(size)?, "after a restart");

    let note = node.get("/witnessed")?;
    let file = dir.path().join("witnessed").display().to_string();
    std::fs::write(&file, &note)?;
    let demanding = |key: &VerifierKey, name: &str| -> Result<String> {
        let path = dir.path().join(name);
        let policy = format!("log {log}\nwitness w1 {key}\nquorum w1\n");
        std::fs::write(&path, policy)?;
        Ok(path.display().to_string())
    };
    let said = torchwood.accepts(&["checkpoint", &demanding(&witness.key, "policy")?, &file])?;
    ensure!(said.contains(&format!("{NAME} cosigned at ")), "{said}");
    let other = Home::new(
        installed("bin/litewitness").context("it is there")?,
        installed("bin/litewitness-aid").context("it is there")?,
        &dir.path().join("other"),
    )?;
    let stranger = other.start()?.key;
    torchwood.refuses(
        "refused",
        &["checkpoint", &demanding(&stranger, "other-policy")?, &file],
    )?;

    let (url, signed) = (home.url(), std::str::from_utf8(&note)?);
    let unsigned = without_signatures_by(&log, &note)?;
    ensure!(offer(&url, &format!("old 0\n\n{unsigned}"))? == 403);
    ensure!(offer(&url, "nonsense\n")? == 400);
    // It has cosigned more than that, and the proof proves nothing.
    ensure!(offer(&url, &format!("old 0\n\n{signed}"))? == 409);
    let nonsense = format!("old {}\n{EMPTY_ROOT}\n\n{signed}", size.0);
    ensure!(offer(&url, &nonsense)? == 422);
    Ok(())
}

/// The root of a log without entries, where any hash will do.
const EMPTY_ROOT: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// A litewitness's database and address, and the ssh-agent that has its key.
struct Home {
    program: Tool,
    aid: Tool,
    dir: PathBuf,
    listen: String,
    fingerprint: String,
    _agent: Running,
}

impl Home {
    fn new(program: Tool, aid: Tool, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let said = dir.join("agent.said");
        let socket = dir.join("agent").display().to_string();
        let agent = aid.start(&said, &["agent", &socket])?;
        let mut fingerprint = String::new();
        wait_for("the agent's key", PATIENCE, || {
            let said = std::fs::read_to_string(&said)?;
            if let Some(line) = said.strip_suffix('\n') {
                line.clone_into(&mut fingerprint);
            }
            Ok(!fingerprint.is_empty())
        })?;
        ensure!(fingerprint.starts_with("SHA256:"), "{fingerprint}");
        Ok(Self {
            program,
            aid,
            dir: dir.into(),
            listen: format!("127.0.0.1:{}", free_ports(1)?.first().context("a port")?),
            fingerprint,
            _agent: agent,
        })
    }

    fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// Starts it, waits until it answers, and reads its key from its own page.
    fn start(&self) -> Result<Witness> {
        let (database, socket) = (self.path("witness.db"), self.path("agent"));
        let said = self.dir.join("witness.said");
        let arguments = [
            ["-name", NAME],
            ["-db", &database],
            ["-ssh-agent", &socket],
            ["-key", &self.fingerprint],
            ["-listen", &self.listen],
        ];
        let running = self.program.start(&said, arguments.as_flattened())?;
        let client = Client::new(self.url(), PATIENCE);
        let mut page = String::new();
        let heard = wait_for("litewitness to answer", PATIENCE, || {
            let answer = client.get("/").unwrap_or_default();
            page = String::from_utf8(answer)?;
            Ok(!page.is_empty())
        });
        heard.with_context(|| std::fs::read_to_string(&said).unwrap_or_default())?;
        let key = page.lines().find_map(|line| line.parse().ok());
        Ok(Witness {
            key: key.with_context(|| format!("no key in {page}"))?,
            client,
            _running: running,
        })
    }

    /// Lets it follow a log.
    fn follow(&self, log: &VerifierKey) -> Result<()> {
        let arguments = ["add-log", &self.path("witness.db"), &log.to_string()];
        self.aid.accepts(&arguments).map(drop)
    }
}

/// A litewitness that runs.
struct Witness {
    key: VerifierKey,
    client: Client,
    _running: Running,
}

impl Witness {
    /// Whether that is the size which it cosigned last, by its own page.
    fn knows(&self, size: Size) -> Result<bool> {
        let page = String::from_utf8(self.client.get("/")?)?;
        Ok(page.contains(&format!("(size {}, root", size.0)))
    }

    /// Waits until the node serves all that is published with the witness's cosignature; gives the size.
    fn wait_for_cosigned(&self, node: &Client) -> Result<Size> {
        let mut size = Size(0);
        wait_for("the cosignature of litewitness", PATIENCE, || {
            let status = node.status()?;
            let Ok(note) = node.get("/witnessed") else {
                return Ok(false);
            };
            size = cosigned(&note, &self.key)?;
            Ok(size.0 == status.published && self.knows(size)?)
        })?;
        Ok(size)
    }
}
