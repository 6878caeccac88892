//! `[publish]`: a copy of the published log in an object store.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// `[publish]`: where the published log is copied to, and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// `file:///FOLDER` or `s3://BUCKET/PREFIX`; empty for no copy.
    pub url: String,
    /// Where an S3-compatible service is; empty for AWS itself.
    pub endpoint: String,
    /// The region of the bucket.
    pub region: String,
    /// A file with credentials; empty for those of the environment.
    pub credentials: String,
    /// Shortest time between two rounds.
    pub interval_ms: u64,
    /// Bytes of certificates and cosignatures that may be pushed in a second, on average.
    pub record_bytes_per_second: u64,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: String::new(),
            region: "us-east-1".into(),
            credentials: String::new(),
            interval_ms: 5_000,
            record_bytes_per_second: 1024 * 1024,
        }
    }
}

/// Where the copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// A bucket, and the path in it.
    Bucket {
        /// Its name.
        bucket: String,
        /// The path, without slashes at its ends; it may be empty.
        prefix: String,
    },
}

impl Publish {
    /// Whether there is a copy.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    /// Shortest time between two rounds.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    /// Where the copy is.
    ///
    /// # Errors
    /// What is wrong with the address, and how it should look.
    pub fn place(&self) -> Result<Place, String> {
        if let Some(folder) = self.url.strip_prefix("file://") {
            if folder.starts_with('/') {
                return Ok(Place::Folder(folder.into()));
            }
            return Err("publish.url must name a folder from the root on: file:///FOLDER".into());
        }
        let Some(place) = self.url.strip_prefix("s3://") else {
            return Err("publish.url must be file:///FOLDER or s3://BUCKET/PREFIX".into());
        };
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        if bucket.is_empty() || place.contains(['@', '?', '#']) {
            return Err("publish.url must be s3://BUCKET/PREFIX; put credentials into a file of their own (publish.credentials)".into());
        }
        Ok(Place::Bucket {
            bucket: bucket.to_owned(),
            prefix: prefix.trim_matches('/').to_owned(),
        })
    }

    /// Refuses what could never work.
    ///
    /// # Errors
    /// The key, and what to give.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.is_on() {
            self.place()?;
        }
        let endpoint = &self.endpoint;
        let known = ["https://", "http://"];
        if !endpoint.is_empty() && !known.iter().any(|scheme| endpoint.starts_with(scheme)) {
            return Err("publish.endpoint must begin with https:// (or http://)".into());
        }
        if endpoint.contains('@') {
            return Err("publish.endpoint has a name in it; put credentials into a file of their own (publish.credentials)".into());
        }
        if self.record_bytes_per_second == 0 {
            return Err("publish.record_bytes_per_second is 0; give a number above 0".into());
        }
        Ok(())
    }
}
