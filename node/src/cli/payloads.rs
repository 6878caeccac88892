//! `medanchor vault payloads`: where the sealed payloads are.

use super::protect::{from_the_root, identity, not_done};
use crate::exit::{Exit, Fatal};
use crate::output::{complain, say};
use medanchor_sdk::Identity;
use medanchor_sdk::keeping::{BucketAt, PayloadsAt, SecretError};
use std::path::PathBuf;

/// Keep sealed payloads in a bucket of an S3-compatible service, or in the vault's folder again
///
/// Copies every payload there, notes the place in HOME/identity/vault.toml, and then removes what was in
/// the vault's folder. What was in a bucket stays there, sealed, for whoever owns it to remove. Keys stay
/// in the vault's folder: the service holds nothing that opens a payload. Stop `medanchor vault serve`, or
/// the application that embeds this identity, and start it again afterwards.
///
/// Run it again after a failure or a crash. Run again when all is done, it changes nothing.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  medanchor vault payloads --home north-hospital --bucket s3://hospital/vault \\
      --endpoint https://s3.example --credentials-file /etc/medanchor/s3.toml
  medanchor vault payloads --home north-hospital --folder

The file has access_key_id and secret_access_key, and may have session_token; its owner alone can
read it. Without one, the environment (AWS_ACCESS_KEY_ID, ...) or the machine's role says who
writes.

Exit codes: 0 the payloads are there; 1 they are where they were, or not all removed there: run it
again, or records are listed whose payload is nowhere; 2 wrong usage; 11 the identity cannot be
used; 12 another process holds it; 16 the credentials cannot be used, and nothing has changed.")]
pub struct Payloads {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    #[command(flatten)]
    to: To,
    /// The service's address; AWS itself if left out
    #[arg(long, value_name = "URL", requires = "bucket")]
    endpoint: Option<String>,
    /// The bucket's region; us-east-1 if left out
    #[arg(long, value_name = "NAME", requires = "bucket")]
    region: Option<String>,
    /// A file with the service's credentials
    #[arg(long, value_name = "FILE", requires = "bucket")]
    credentials_file: Option<PathBuf>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// The place in a bucket, which no other vault uses: s3://BUCKET/PREFIX
    #[arg(long, value_name = "URL")]
    bucket: Option<String>,
    /// The vault's own folder
    #[arg(long)]
    folder: bool,
}

/// Moves them.
///
/// # Errors
/// [`Fatal`] with the exit code and what to do.
pub fn run(asked: &Payloads) -> Result<Exit, Fatal> {
    let next = asked.next()?;
    next.fetch().map_err(not_to_be)?;
    let moved = Identity::move_payloads(&identity(&asked.home), &next).map_err(not_done)?;
    let name = next.name();
    match moved.copied {
        Some(copied) => say(format_args!("vault: {copied} payload(s) copied to {name}"))?,
        None => say(format_args!(
            "vault: the payloads are in {name}, as they were"
        ))?,
    }
    for version in &moved.missing {
        let (record, version) = (version.record, version.version);
        say(format_args!(
            "record {record} version {version}: no payload"
        ))?;
    }
    if moved.missing.is_empty() {
        return Ok(Exit::Success);
    }
    complain(format_args!(
        "{} version(s) have a key and no payload: it was lost, or its sealing was cut off. Restore it from a back-up, or seal it again",
        moved.missing.len()
    ));
    Ok(Exit::Failure)
}

/// Why it cannot be what the command line says, before the vault is looked at.
fn not_to_be(error: SecretError) -> Fatal {
    let exit = match error {
        SecretError::Bucket(_) | SecretError::NoBuckets => Exit::Usage,
        _ => Exit::Keys,
    };
    Fatal::new(exit, error.to_string())
}

impl Payloads {
    fn next(&self) -> Result<PayloadsAt, Fatal> {
        let Some(url) = &self.to.bucket else {
            return Ok(PayloadsAt::Folder);
        };
        let mut bucket = BucketAt::new(url);
        bucket.endpoint.clone_from(&self.endpoint);
        if let Some(region) = &self.region {
            bucket.region.clone_from(region);
        }
        let file = self.credentials_file.as_deref();
        bucket.credentials = file.map(from_the_root).transpose()?;
        Ok(PayloadsAt::Bucket(bucket))
    }
}
