//! `[payloads]` of `vault.toml`: where the sealed payloads are.

use super::SecretError;
use super::file::{absolute, quoted};
use medanchor_vault::PayloadPlace;
use serde::Deserialize;
use std::path::PathBuf;

const REGION: &str = "us-east-1";

/// Where sealed payloads are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PayloadsAt {
    /// In the vault's own folder.
    #[default]
    Folder,
    /// In a bucket of an S3-compatible service.
    Bucket(BucketAt),
}

/// A place in a bucket, and where the credentials for it are to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAt {
    /// `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The service's address; none for AWS itself.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: String,
    /// A file with `access_key_id`, `secret_access_key` and perhaps `session_token`; without one, what the
    /// environment or the machine's role says.
    pub credentials: Option<PathBuf>,
}

impl BucketAt {
    /// A place at AWS, region `us-east-1`, with the environment's credentials, until told otherwise.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            endpoint: None,
            region: REGION.into(),
            credentials: None,
        }
    }

    #[cfg(feature = "objects")]
    fn fetch(&self) -> Result<PayloadPlace, SecretError> {
        let wrong = |error: medanchor_vault::PayloadError| SecretError::Bucket(error.to_string());
        let mut bucket = medanchor_vault::Bucket::parse(&self.url).map_err(wrong)?;
        bucket.endpoint = self.endpoint.clone().unwrap_or_default();
        bucket.region.clone_from(&self.region);
        let credentials = self.credentials.as_deref();
        bucket.credentials = credentials.map(super::secret::credentials).transpose()?;
        Ok(PayloadPlace::Bucket(bucket))
    }
}

impl PayloadsAt {
    /// Fetches the credentials; no service is asked.
    ///
    /// # Errors
    /// [`SecretError`] when they are not to be had, or this build has no buckets.
    pub fn fetch(&self) -> Result<PayloadPlace, SecretError> {
        match self {
            Self::Folder => Ok(PayloadPlace::Folder),
            #[cfg(feature = "objects")]
            Self::Bucket(bucket) => bucket.fetch(),
            #[cfg(not(feature = "objects"))]
            Self::Bucket(_) => Err(SecretError::NoBuckets),
        }
    }

    /// The bucket's address, or `the vault's folder`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Folder => "the vault's folder",
            Self::Bucket(bucket) => &bucket.url,
        }
    }

    pub(super) fn to_text(&self) -> String {
        let Self::Bucket(bucket) = self else {
            return "[payloads]\n# folder or bucket\nplace = \"folder\"\n".into();
        };
        let mut text = format!(
            "[payloads]\n# folder or bucket\nplace = \"bucket\"\nurl = {}\n# the service's region\nregion = {}\n",
            quoted(&bucket.url),
            quoted(&bucket.region)
        );
        if let Some(endpoint) = &bucket.endpoint {
            text += &format!(
                "# its address; AWS itself without\nendpoint = {}\n",
                quoted(endpoint)
            );
        }
        if let Some(file) = &bucket.credentials {
            let file = quoted(&file.to_string_lossy());
            text += &format!(
                "# without, what the environment or the machine's role says\ncredentials_file = {file}\n"
            );
        }
        text
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    place: Option<String>,
    url: Option<String>,
    endpoint: Option<String>,
    region: Option<String>,
    credentials_file: Option<PathBuf>,
}

impl Written {
    pub(super) fn checked(self) -> Result<PayloadsAt, String> {
        match self.place.as_deref() {
            None | Some("folder") => self.folder(),
            Some("bucket") => self.bucket().map(PayloadsAt::Bucket),
            Some(_) => Err("payloads.place: give folder or bucket".into()),
        }
    }

    fn folder(self) -> Result<PayloadsAt, String> {
        let given = [
            ("url", self.url.is_some()),
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("credentials_file", self.credentials_file.is_some()),
        ];
        match given.iter().find(|(_, is)| *is) {
            Some((key, _)) => Err(format!(
                "payloads.{key}: it has no meaning with place = \"folder\"; take it out"
            )),
            None => Ok(PayloadsAt::Folder),
        }
    }

    fn bucket(self) -> Result<BucketAt, String> {
        let url = self.url.unwrap_or_default();
        let place = url.strip_prefix("s3://").unwrap_or_default();
        let name = place.split('/').next().unwrap_or_default();
        if name.is_empty() || place.contains(['@', '?', '#']) {
            return Err("payloads.url: give s3://BUCKET/PREFIX, without credentials".into());
        }
        let known = |endpoint: &String| {
            let schemes = ["https://", "http://"];
            schemes.iter().any(|scheme| endpoint.starts_with(scheme)) && !endpoint.contains('@')
        };
        if self
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| !known(endpoint))
        {
            return Err(
                "payloads.endpoint: begin with https:// (or http://), and name nobody".into(),
            );
        }
        let region = self.region.unwrap_or_else(|| REGION.into());
        if region.is_empty() {
            return Err("payloads.region: it is empty; leave it out, or name one".into());
        }
        let credentials = self
            .credentials_file
            .map(|file| absolute("payloads.credentials_file", file));
        Ok(BucketAt {
            url,
            endpoint: self.endpoint,
            region,
            credentials: credentials.transpose()?,
        })
    }
}
