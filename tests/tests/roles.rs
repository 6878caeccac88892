//! The SDK's examples, one for each role, really run against a live network of four processes: what
//! one writes, the next reads, as it goes between institutions and a patient.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::Time;
use medanchor_ledger::rules::Role;
use medanchor_node::network::{Founding, Institution, Layout, Part, Ports};
use medanchor_node::process::NodeProcess;
use medanchor_tests::network::{PATIENCE, binary};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// How often other ports are tried when somebody took one.
const PORT_ATTEMPTS: usize = 5;

#[test]
fn each_role_does_its_part_on_a_live_network() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let members = [
        ("hospital", Role::Hospital),
        ("maker", Role::Manufacturer),
        ("pharmacy", Role::Pharmacy),
        ("regulator", Role::Regulator),
    ];
    let city = City::start(&dir.path().join("city"), &members)?;
    let out = dir.path().join("out");
    let (token, claim, packs, grant) = (
        out.join("token.txt"),
        out.join("claim.txt"),
        out.join("packs.txt"),
        out.join("grant.txt"),
    );
    let (receipts, policy) = (out.join("receipts"), city.layout.dir.join("policy"));

    let hospital = city
        .as_member("hospital")
        .path("--out", &out)
        .word("--grantee", "regulator");
    let said = hospital.run("hospital")?;
    ensure!(
        said.contains("anchored prescription.issue") && said.contains("anchored consent.grant")
    );

    let wallet = Call::default()
        .path("--token", &token)
        .word("--pharmacy", "pharmacy");
    wallet.path("--out", &out).run("patient")?;

    let maker = city
        .as_member("maker")
        .path("--out", &out)
        .word("--to", "pharmacy");
    let said = maker.run("manufacturer")?;
    ensure!(said.contains("anchored unit.ship"));

    let pharmacy = city
        .as_member("pharmacy")
        .path("--out", &out)
        .path("--claim", &claim);
    let said = pharmacy
        .path("--packs", &packs)
        .word("--sender", "maker")
        .run("pharmacy")?;
    ensure!(said.contains("redeemed: entry") && said.contains("anchored unit.dispense"));
    ensure!(said.contains("not twice: prescription.already-redeemed") && said.contains("won)"));

    let regulator = city.as_member("regulator").path("--policy", &policy);
    let said = regulator
        .path("--receipts", &receipts)
        .path("--grant", &grant)
        .run("regulator")?;
    ensure!(said.contains("10 receipts hold") && said.contains("permitted at height"));

    // Offline, with nothing but the files, and with every node stopped.
    drop(city);
    let offline = || {
        Call::default()
            .path("--policy", &policy)
            .path("--receipts", &receipts)
    };
    ensure!(offline().run("regulator")?.contains("10 receipts hold"));
    flip_a_bit(&receipts)?;
    ensure!(
        offline().run("regulator").is_err(),
        "a changed event has no receipt"
    );
    Ok(())
}

/// Changes one bit of the signature of one of the events.
fn flip_a_bit(receipts: &Path) -> Result<()> {
    for entry in std::fs::read_dir(receipts)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "event")
        {
            let mut bytes = std::fs::read(&path)?;
            *bytes.last_mut().context("an empty event")? ^= 1;
            return Ok(std::fs::write(&path, bytes)?);
        }
    }
    bail!("no event was kept")
}

/// The arguments of an example.
#[derive(Default)]
struct Call(Vec<PathBuf>);

impl Call {
    fn path(mut self, name: &str, value: &Path) -> Self {
        self.0.extend([PathBuf::from(name), value.to_owned()]);
        self
    }

    fn word(self, name: &str, value: &str) -> Self {
        self.path(name, Path::new(value))
    }

    /// Runs the example and gives what it said.
    fn run(self, example: &str) -> Result<String> {
        let program = binary(&format!("examples/{example}"))?;
        let output = Command::new(program).args(&self.0).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{example} failed: {complained}\n{said}"
        );
        println!("{said}");
        Ok(said)
    }
}

/// A network of four processes, each member with its own role.
struct City {
    layout: Layout,
    urls: BTreeMap<String, String>,
    _running: Vec<NodeProcess>,
}

impl City {
    fn start(dir: &Path, members: &[(&str, Role)]) -> Result<Self> {
        let institution = |(name, role): &(&str, Role)| -> Result<Institution> {
            let (name, roles) = (name.parse()?, vec![*role]);
            Ok(Institution {
                name,
                roles,
                part: Part::Validator,
            })
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let founding = Founding {
            name: "roles".parse()?,
            institutions: members.iter().map(institution).collect::<Result<_>>()?,
            publisher: None,
            ports: Ports::Free,
            time: Time(u64::try_from(now)?),
        };
        let mut layout = founding.found(dir)?;
        for _ in 0..PORT_ATTEMPTS {
            match Self::run(&layout)? {
                Some(city) => return Ok(city),
                None => layout.choose_other_ports()?,
            }
        }
        bail!("no free ports after {PORT_ATTEMPTS} attempts")
    }

    /// Starts every node; none if somebody took a port meanwhile.
    fn run(layout: &Layout) -> Result<Option<Self>> {
        let program = binary("medanchor")?;
        let (mut urls, mut running) = (BTreeMap::new(), Vec::new());
        for node in &layout.nodes {
            running.push(NodeProcess::spawn(&program, &node.home, &[])?);
        }
        for (node, process) in layout.nodes.iter().zip(&mut running) {
            match process.wait_until_listening(PATIENCE) {
                Ok(addresses) => urls.insert(node.name.to_string(), addresses.url()),
                Err(error) if error.is_port_in_use() => return Ok(None),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(Some(Self {
            layout: layout.clone(),
            urls,
            _running: running,
        }))
    }

    /// The arguments by which an example acts as a member, at the member's own node.
    fn as_member(&self, name: &str) -> Call {
        let identity = self.layout.dir.join(name).join("identity");
        let url = self.urls.get(name).map_or("", String::as_str);
        Call::default()
            .word("--node", url)
            .path("--identity", &identity)
    }
}
