//! The store that the configuration names: a folder, or a bucket of an S3-compatible service.

use super::PushError;
use super::wire::Wire;
use crate::config::{Place, Publish};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a file with credentials.
const MAX_CREDENTIALS: u64 = 16 * 1024;

/// A store, and where in it. It has no `Debug`: a store's own would show the credentials.
pub struct Target {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// What all names begin with there.
    pub prefix: Path,
    /// Whether it keeps content types and the like.
    pub keeps_attributes: bool,
}

/// A file with credentials. It has no `Debug`, so that it cannot reach a log line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

impl Target {
    /// Opens the store that the configuration names; a folder must be there, so that nothing is written
    /// where something should be mounted.
    ///
    /// # Errors
    /// [`PushError::Config`] with what to change.
    pub fn open(config: &Publish) -> Result<Self, PushError> {
        match config.place().map_err(PushError::Config)? {
            Place::Folder(folder) => {
                let store = LocalFileSystem::new_with_prefix(&folder).map_err(|_| {
                    let folder = folder.display();
                    PushError::Config(format!(
                        "publish.url: {folder} is no folder; make or mount it"
                    ))
                })?;
                Ok(Self {
                    store: Arc::new(store.with_fsync(true).with_automatic_cleanup(true)),
                    prefix: Path::default(),
                    keeps_attributes: false,
                })
            }
            Place::Bucket { bucket, prefix } => Ok(Self {
                store: bucket_store(config, &bucket)?,
                prefix: prefix.split('/').filter(|part| !part.is_empty()).collect(),
                keeps_attributes: true,
            }),
        }
    }
}

fn bucket_store(config: &Publish, bucket: &str) -> Result<Arc<dyn ObjectStore>, PushError> {
    let clear = config.endpoint.starts_with("http://");
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(config.endpoint.is_empty())
        .with_allow_http(clear)
        .with_http_connector(Wire::new(clear))
        .with_retry(RetryConfig {
            // The rounds have pauses of their own.
            max_retries: 2,
            retry_timeout: Duration::from_secs(30),
            ..Default::default()
        });
    if !config.endpoint.is_empty() {
        builder = builder.with_endpoint(&config.endpoint);
    }
    if !config.credentials.is_empty() {
        let credentials = credentials(&config.credentials)?;
        builder = builder
            .with_access_key_id(credentials.access_key_id)
            .with_secret_access_key(credentials.secret_access_key);
        if let Some(token) = credentials.session_token {
            builder = builder.with_token(token);
        }
    }
    let store = builder.build();
    let refused = "publish: the store cannot be used so; check url, endpoint and region";
    store
        .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        .map_err(|_| PushError::Config(refused.into()))
}

/// Reads a file with credentials; no error tells what is in it.
fn credentials(path: &str) -> Result<Credentials, PushError> {
    let refused = |what: &str| PushError::Config(format!("publish.credentials: {path} {what}"));
    let length =
        std::fs::metadata(path).map_err(|error| refused(&format!("cannot be read: {error}")))?;
    if length.len() > MAX_CREDENTIALS {
        return Err(refused("is too large for a file of credentials"));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| refused(&format!("cannot be read: {}", error.kind())))?;
    toml::from_str(&text).map_err(|_| {
        refused("must have access_key_id and secret_access_key, and may have session_token")
    })
}
