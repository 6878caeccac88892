//! The certificate that a participant shows: a fresh Ed25519 key in a self-signed certificate.
//!
//! What always holds: nobody trusts a certificate for what it says; what counts is the hash of its
//! key, which the ledger names for custodians and a signed statement for whoever asks. The private key
//! is wiped when dropped, has no `Debug` and leaves this type only as the file of its owner.

use medanchor_ledger::{TlsKeyHash, sha256};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use ureq::tls::{ClientCert, PemItem, PrivateKey, parse_pem};
use zeroize::Zeroizing;

/// The most bytes of a certificate or key file.
const MAX_FILE: u64 = 64 << 10;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// None could be made.
    #[error("no certificate could be made for these names; give host names or IP addresses")]
    Make,
    /// The file holds no certificate, or no key.
    #[error("{path} holds no usable {what}; restore it from its back-up, or make a new identity", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Others than its owner may read the key.
    #[error("others can read the key file {path}; run chmod 600 on it, and replace the key if somebody may have read it", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A self-signed certificate and its private key.
pub struct Certificate {
    /// DER.
    certificate: Vec<u8>,
    /// PKCS #8, DER.
    key: Zeroizing<Vec<u8>>,
    hash: TlsKeyHash,
}

impl Certificate {
    /// Draws a key and makes a certificate for these host names and IP addresses. Whoever only asks
    /// needs none.
    ///
    /// # Errors
    /// [`CertificateError::Make`].
    pub fn generate(names: &[String]) -> Result<Self, CertificateError> {
        let make = |_| CertificateError::Make;
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(make)?;
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.self_signed(&key))
            .map_err(make)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            key: Zeroizing::new(key.serialize_der()),
            hash: TlsKeyHash::new(sha256(&[&key.public_key_der()])),
        })
    }

    /// Writes `FOLDER/tls.crt` and, for its owner's eyes only, `FOLDER/tls.key`, both PEM; neither is
    /// ever overwritten.
    ///
    /// # Errors
    /// [`CertificateError::Io`], among others when one is there.
    pub fn save(&self, folder: &Path) -> Result<(), CertificateError> {
        let key = Zeroizing::new(pem("PRIVATE KEY", &self.key));
        write_new(&folder.join("tls.key"), key.as_bytes(), 0o600)?;
        let certificate = pem("CERTIFICATE", &self.certificate);
        write_new(&folder.join("tls.crt"), certificate.as_bytes(), 0o644)
    }

    /// Reads what [`Certificate::save`] wrote.
    ///
    /// # Errors
    /// [`CertificateError`] names the file that is missing, damaged or open to others.
    pub fn load(folder: &Path) -> Result<Self, CertificateError> {
        let (certificate_path, key_path) = (folder.join("tls.crt"), folder.join("tls.key"));
        let content = |path: &Path, what| CertificateError::Content {
            path: path.into(),
            what,
        };
        let certificate = first_certificate(&read(&certificate_path, false)?)
            .ok_or_else(|| content(&certificate_path, "certificate"))?;
        let text = read(&key_path, true)?;
        let key = PrivateKey::from_pem(&text).map_err(|_| content(&key_path, "private key"))?;
        let key = Zeroizing::new(key.der().to_vec());
        let hash = tls_key_hash(&certificate)
            .filter(|hash| hash_of_private(&key) == Some(*hash))
            .ok_or_else(|| content(&key_path, "key for the certificate beside it"))?;
        Ok(Self {
            certificate,
            key,
            hash,
        })
    }

    /// The hash of its key.
    #[must_use]
    pub const fn key_hash(&self) -> TlsKeyHash {
        self.hash
    }

    /// The certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate, PEM: what others need in order to connect.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The private key, PKCS #8 in DER. Whoever calls this keeps it out of logs and errors.
    #[must_use]
    pub fn expose_key(&self) -> &[u8] {
        &self.key
    }

    /// The same as an HTTP client shows it.
    pub(crate) fn client(&self) -> Option<ClientCert> {
        let certificate = ureq::tls::Certificate::from_der(&self.certificate).to_owned();
        let text = Zeroizing::new(pem("PRIVATE KEY", &self.key));
        let key = PrivateKey::from_pem(text.as_bytes()).ok()?;
        Some(ClientCert::new_with_certs(&[certificate], key))
    }
}

/// The hash of the key in a DER certificate; none if it is no certificate.
#[must_use]
pub fn tls_key_hash(certificate: &[u8]) -> Option<TlsKeyHash> {
    let der = rustls_pki_types::CertificateDer::from(certificate);
    let parsed = webpki::EndEntityCert::try_from(&der).ok()?;
    Some(TlsKeyHash::new(sha256(&[parsed
        .subject_public_key_info()
        .as_ref()])))
}

fn hash_of_private(key: &[u8]) -> Option<TlsKeyHash> {
    let der = rustls_pki_types::PrivatePkcs8KeyDer::from(key);
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519);
    pair.ok()
        .map(|pair| TlsKeyHash::new(sha256(&[&pair.public_key_der()])))
}

/// The first certificate of a PEM file, DER.
pub(crate) fn first_certificate(text: &[u8]) -> Option<Vec<u8>> {
    parse_pem(text).find_map(|item| match item {
        Ok(PemItem::Certificate(found)) => Some(found.der().to_vec()),
        _ => None,
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(der));
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        // Base64 is ASCII.
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), CertificateError> {
    let io = |source| CertificateError::Io {
        path: path.into(),
        source,
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let mut file = options.open(path).map_err(io)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io)
}

fn read(path: &Path, secret: bool) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let io = |source| CertificateError::Io {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(io)?;
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(CertificateError::Open { path: path.into() });
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_saved_once_and_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let made = Certificate::generate(&["127.0.0.1".into(), "localhost".into()]).unwrap();
        made.save(folder.path()).unwrap();
        assert!(matches!(
            made.save(folder.path()),
            Err(CertificateError::Io { .. })
        ));
        let read = Certificate::load(folder.path()).unwrap();
        assert_eq!(read.key_hash(), made.key_hash());
        assert_eq!(read.der(), made.der());
        assert_eq!(tls_key_hash(made.der()), Some(made.key_hash()));
        assert!(read.client().is_some());
        assert_eq!(
            first_certificate(made.to_pem().as_bytes()).as_deref(),
            Some(made.der())
        );
    }

    #[test]
    fn anothers_key_beside_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Certificate::generate(&[])
            .unwrap()
            .save(folder.path())
            .unwrap();
        let other = Certificate::generate(&[]).unwrap();
        std::fs::write(folder.path().join("tls.crt"), other.to_pem()).unwrap();
        assert!(matches!(
            Certificate::load(folder.path()),
            Err(CertificateError::Content { .. })
        ));
    }

    #[test]
    fn what_is_no_certificate_has_no_hash() {
        let made = Certificate::generate(&[]).unwrap();
        for length in [0, 1, made.der().len() - 1] {
            assert_eq!(tls_key_hash(&made.der()[..length]), None, "{length}");
        }
        assert_eq!(first_certificate(b"-----BEGIN CERTIFICATE-----"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Certificate::generate(&[])
            .unwrap()
            .save(folder.path())
            .unwrap();
        let key = folder.path().join("tls.key");
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(
            Certificate::load(folder.path()),
            Err(CertificateError::Open { .. })
        ));
    }
}
