//! Which bucket of which service.

use super::wire::Wire;
use crate::payloads::PayloadError;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{ObjectStore, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;

/// A place in a bucket of an S3-compatible service. It has no `Debug`: credentials are in it.
pub struct Bucket {
    name: String,
    prefix: Path,
    /// The service's address; empty for AWS itself.
    pub endpoint: String,
    /// Its region.
    pub region: String,
    /// Who writes; without, what the environment or the machine's role says.
    pub credentials: Option<Credentials>,
}

/// An access key of the service.
pub struct Credentials {
    /// Its public name.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: SecretString,
    /// What goes with a key that is lent for a time.
    pub session_token: Option<SecretString>,
}

fn config(what: &str) -> PayloadError {
    PayloadError::Config { what: what.into() }
}

impl Bucket {
    /// The place that `s3://BUCKET/PREFIX` names, at AWS, region `us-east-1`, until told otherwise.
    ///
    /// # Errors
    /// [`PayloadError::Config`].
    pub fn parse(url: &str) -> Result<Self, PayloadError> {
        let place = url
            .strip_prefix("s3://")
            .ok_or_else(|| config("its address must be s3://BUCKET/PREFIX"))?;
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        if name.is_empty() || place.contains(['@', '?', '#']) {
            return Err(config(
                "its address must be s3://BUCKET/PREFIX, without credentials",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            prefix: prefix.split('/').filter(|part| !part.is_empty()).collect(),
            endpoint: String::new(),
            region: "us-east-1".into(),
            credentials: None,
        })
    }

    /// The store, and where in it.
    pub(super) fn store(&self) -> Result<(Arc<dyn ObjectStore>, Path), PayloadError> {
        let clear = self.endpoint.starts_with("http://");
        let known = self.endpoint.is_empty() || clear || self.endpoint.starts_with("https://");
        if !known || self.endpoint.contains('@') {
            return Err(config(
                "its endpoint must begin with https:// (or http://) and name nobody",
            ));
        }
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.name)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(self.endpoint.is_empty())
            .with_allow_http(clear)
            .with_http_connector(Wire::new(clear))
            .with_retry(RetryConfig {
                max_retries: 3,
                retry_timeout: Duration::from_secs(60),
                ..Default::default()
            });
        if !self.endpoint.is_empty() {
            builder = builder.with_endpoint(&self.endpoint);
        }
        if let Some(credentials) = &self.credentials {
            builder = builder
                .with_access_key_id(&credentials.access_key_id)
                .with_secret_access_key(credentials.secret_access_key.expose_secret());
            if let Some(token) = &credentials.session_token {
                builder = builder.with_token(token.expose_secret());
            }
        }
        let refused = |_| config("check its name, endpoint and region");
        let store = builder.build().map_err(refused)?;
        Ok((Arc::new(store), self.prefix.clone()))
    }
}
