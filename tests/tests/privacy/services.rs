//! What a custodian's and a vault's service answer and log when they are asked in the wrong way, with
//! personal values wherever something from outside goes.

use super::input::BROKEN_FILE;
use super::nodes::{Client, Shown, babble, is_header, percent};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::{Nonce, ParticipantName};
use medanchor_node::direct::config::ServiceConfig;
use medanchor_sdk::direct::{AddressBook, Ask, Certificate, Counterpart, Statement};
use medanchor_sdk::{Context as _, Identity, System};
use medanchor_tests::service::Service;
use std::fs;
use std::path::Path;
use ureq::tls::{ClientCert, PrivateKey, RootCerts, TlsConfig};

const CUSTODIAN: &str = "city-archive";
pub const OWNER: &str = "north-hospital";
const ASKER: &str = "south-hospital";
const CBOR: &str = "application/cbor";
/// As long as a record's handle.
const HANDLE: usize = 16;

/// Asks both services, which run for as long.
pub fn provoke(
    dir: &Path,
    node: &str,
    values: &[&str],
    input: &Path,
    shown: &mut Shown,
) -> Result<()> {
    Service::init_vault(&dir.join(OWNER), node)?;
    let asker = Identity::open(&dir.join(ASKER).join("identity"))?;
    for (home, folder) in [(CUSTODIAN, "custodian"), (OWNER, "vault-service")] {
        let home = dir.join(home);
        let config = home.join(folder).join("config.toml");
        let unlimited = ServiceConfig {
            requests_per_second: 0,
            ..ServiceConfig::read(&config)?
        };
        fs::write(&config, unlimited.to_text())?;
        let _running = match folder {
            "custodian" => Service::custodian(&home)?,
            _ => Service::vault(&home)?,
        };
        let book = AddressBook::read(&home.join(folder).join("entry.toml"))?;
        let to = book.iter().next().context("its own entry")?;
        let mut asking = Asking::new(&asker, to)?;
        for value in values {
            asking.with(value)?;
        }
        let files = super::files(input)?;
        let file = files.first().context("no input")?;
        for file in [file, &input.join(BROKEN_FILE)] {
            asking.with_bytes(&fs::read(file)?)?;
        }
        shown.append(&mut asking.shown);
    }
    Ok(())
}

/// Requests to one service, none of which it grants.
struct Asking<'a> {
    asker: &'a Identity,
    own: Certificate,
    to: &'a Counterpart,
    client: Client,
    shown: Shown,
}

impl<'a> Asking<'a> {
    fn new(asker: &'a Identity, to: &'a Counterpart) -> Result<Self> {
        let own = Certificate::generate(&[])?;
        Ok(Self {
            asker,
            client: Client::over(&to.address, keys(&own, to)?),
            own,
            to,
            shown: Shown::new(),
        })
    }

    fn answered(&mut self, what: &str, (status, body): (u16, Vec<u8>)) -> Result<()> {
        ensure!(
            status >= 400 && status != 429,
            "{what} was answered with {status}"
        );
        self.shown
            .push(("services' HTTP error", what.to_owned(), body));
        Ok(())
    }

    /// The value in paths, queries, headers and types of content, as a body, as the body of a statement
    /// that is signed, as who asks and who is asked, and where no HTTP is.
    fn with(&mut self, value: &str) -> Result<()> {
        let word = percent(value);
        for path in [
            format!("/{word}"),
            format!("/v1/{word}"),
            format!("/v1/deals?patient={word}"),
            format!("/v1/releases/{word}"),
            format!("/v1/payloads/{word}?record={word}"),
            format!("/health/{word}"),
        ] {
            let answer = self.client.get(&path)?;
            self.answered("GET", answer)?;
        }
        if is_header(value) {
            let answer = self.client.post("/v1/releases", value, b"{}")?;
            self.answered("POST", answer)?;
        }
        let patient = serde_json::json!({"resourceType": "Patient", "name": [{"text": value}]});
        self.with_bytes(patient.to_string().as_bytes())?;
        self.with_bytes(value.as_bytes())?;
        if let Some(handle) = value.as_bytes().get(..HANDLE) {
            self.with_bytes(handle)?;
        }
        if let Ok(name) = value.parse::<ParticipantName>() {
            self.in_the_name_of(&name)?;
        }
        // A name in the certificate that is shown; not every value can be one.
        if let Ok(own) = Certificate::generate(&[value.to_owned()]) {
            let client = Client::over(&self.to.address, keys(&own, self.to)?);
            self.answered("POST", client.post("/v1/releases", CBOR, value.as_bytes())?)?;
        }
        let babbled = babble(&self.to.address, value)?;
        let what = "no request".to_owned();
        self.shown.push(("services' HTTP error", what, babbled));
        Ok(())
    }

    /// To every path: the bytes themselves, as JSON and as CBOR, and in a statement that is signed.
    fn with_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        for ask in Ask::ALL {
            for kind in [CBOR, "application/json"] {
                let answer = self.client.post(ask.path(), kind, bytes)?;
                self.answered("POST", answer)?;
            }
            let body = bytes.to_vec();
            let signed = self.asker.state_to(&self.to.name, &self.own, ask, body)?;
            // What everybody may see is given: a page of a log from where none is.
            let (status, answer) = self.client.post(ask.path(), CBOR, &signed)?;
            match status < 400 {
                true => self
                    .shown
                    .push(("services' HTTP answer", "statement".into(), answer)),
                false => self.answered("statement", (status, answer))?,
            }
        }
        Ok(())
    }

    /// Statements by somebody who is no participant, and to one.
    fn in_the_name_of(&mut self, name: &ParticipantName) -> Result<()> {
        let statement = |from: &ParticipantName, to: &ParticipantName| Statement {
            network: self.asker.network(),
            from: from.clone(),
            to: to.clone(),
            channel: self.own.key_hash(),
            time: System.now(),
            nonce: Nonce::new([7; 16]),
            ask: Ask::Release,
            body: name.as_str().into(),
        };
        let key = SigningKey::from_seed(&[7; 32]);
        let both = [
            statement(name, &self.to.name),
            statement(self.asker.participant(), name),
        ];
        for statement in both.map(|one| one.sign(&key)) {
            let answer = self.client.post(Ask::Release.path(), CBOR, &statement)?;
            self.answered("statement", answer)?;
        }
        Ok(())
    }
}

/// Mutual TLS: what is shown, and whom alone it trusts.
fn keys(own: &Certificate, to: &Counterpart) -> Result<TlsConfig> {
    let saved = tempfile::tempdir()?;
    own.save(saved.path())?;
    let key = PrivateKey::from_pem(&fs::read(saved.path().join("tls.key"))?)?;
    let certificate = ureq::tls::Certificate::from_der(own.der()).to_owned();
    let trusted = ureq::tls::Certificate::from_der(&to.certificate).to_owned();
    Ok(TlsConfig::builder()
        .client_cert(Some(ClientCert::new_with_certs(&[certificate], key)))
        .root_certs(RootCerts::new_with_certs(&[trusted]))
        .build())
}
