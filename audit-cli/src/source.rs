//! Where a published log is read from: a folder, or an address.
//!
//! What always holds: a file is read whole within a bound, or as a stream; nothing outside the log
//! is asked for; a file that is not there is told apart from one that cannot be read.

use crate::fault::{Failure, Fault, Trouble};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A published log.
pub(crate) trait Source: Send + Sync {
    /// The file at `path` in the log, as a stream; none if there is no such file.
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, Trouble>;

    /// The log's folder, if it is one: only there can be seen which files it has.
    fn folder(&self) -> Option<&Path> {
        None
    }

    /// The file at `path` in the log, of at most `limit` bytes; none if there is no such file. A
    /// longer one is no file of a log.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
        let Some(stream) = self.open(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        let failed = |cause: std::io::Error| unreadable(path, &cause);
        stream
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
            return Ok(Some(bytes));
        }
        let path = path.to_owned();
        Err(Fault::TooLong { path, limit }.into())
    }
}

/// Opens the log in a folder, in the `log` folder of a home, or at an address.
pub(crate) fn open(target: &str) -> Result<Box<dyn Source>, Trouble> {
    if target.starts_with("http://") || target.starts_with("https://") {
        return Ok(Box::new(Address::new(target)));
    }
    let folder = Path::new(target);
    let inner = folder.join("log");
    let holds =
        |folder: &Path| folder.join("checkpoint").is_file() || folder.join("genesis").is_file();
    // A home keeps a genesis of its own beside its `log` folder, so that folder comes first.
    let found = [inner, folder.to_owned()]
        .into_iter()
        .find(|folder| holds(folder));
    let folder = found.ok_or_else(|| unreadable(target, &"there is no checkpoint in it"))?;
    Ok(Box::new(Folder(folder)))
}

pub(crate) fn unreadable(place: &str, cause: &dyn std::fmt::Display) -> Trouble {
    Trouble::Unreadable {
        place: place.to_owned(),
        cause: cause.to_string(),
    }
}

struct Folder(PathBuf);

impl Source for Folder {
    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, Trouble> {
        let path = self.0.join(path);
        match File::open(&path) {
            Ok(file) if file.metadata().is_ok_and(|meta| meta.is_file()) => {
                Ok(Some(Box::new(file)))
            }
            Ok(_) => Err(unreadable(&path.display().to_string(), &"it is no file")),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(unreadable(&path.display().to_string(), &error)),
        }
    }
}

/// Below a full tile's path there is no folder: asking for a partial one is then no error.
fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

struct Address {
    base: String,
    agent: ureq::Agent,
}

impl Address {
    fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(30)))
            .timeout_recv_body(Some(Duration::from_secs(600)))
            .max_redirects(3)
            .user_agent(concat!("medanchor-audit/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            base: base.trim_end_matches('/').to_owned(),
            agent: config.into(),
        }
    }
}

impl Source for Address {
    fn open(&self, path: &str) -> Result<Option<Box<dyn Read + Send>>, Trouble> {
        let address = format!("{}/{path}", self.base);
        let answer = self.agent.get(&address).call();
        let answer = answer.map_err(|error| unreadable(&address, &error))?;
        match answer.status().as_u16() {
            200 => Ok(Some(Box::new(answer.into_body().into_reader()))),
            404 | 410 => Ok(None),
            other => Err(unreadable(
                &address,
                &format_args!("the server answered {other}"),
            )),
        }
    }
}
