//! Mutual TLS for services that participants ask directly.
//!
//! What always holds: TLS 1.3 alone; a client must show a certificate and prove that it has its key;
//! what the certificate says counts for nothing, only the hash of its key, which the statement that
//! comes over the connection must name.

use super::server::ConnectionLimits;
use medanchor_ledger::TlsKeyHash;
use medanchor_sdk::direct::{Certificate, tls_key_hash};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, UnixTime};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The hash of the TLS key that a client showed.
#[derive(Clone, Copy, Debug)]
pub struct ClientKey(pub TlsKeyHash);

/// Makes the acceptor of a service that shows this certificate.
///
/// # Errors
/// When the certificate and its key do not fit together.
pub fn acceptor(certificate: &Certificate) -> Result<TlsAcceptor, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivatePkcs8KeyDer::from(certificate.expose_key().to_vec());
    let config = builder(provider)?
        .with_client_cert_verifier(Arc::new(AnyKey { algorithms }))
        .with_single_cert(chain, key.into())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier>, Error> {
    rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
}

/// Shakes hands, within the time that a client has for its first headers.
pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: &TlsAcceptor,
    stream: S,
    limits: ConnectionLimits,
) -> Option<(TlsStream<S>, ClientKey)> {
    let shaken = tokio::time::timeout(limits.header_timeout, acceptor.accept(stream)).await;
    let stream = shaken.ok()?.ok()?;
    let shown = stream.get_ref().1.peer_certificates()?.first()?;
    let key = tls_key_hash(shown)?;
    Some((stream, ClientKey(key)))
}

/// Takes every certificate whose key the client proves to have.
#[derive(Debug)]
struct AnyKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match tls_key_hash(end_entity) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("a client must speak TLS 1.3".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
