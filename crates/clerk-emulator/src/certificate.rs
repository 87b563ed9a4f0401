//! The certificate of a development instance's host. It is signed by its own key, so no client trusts it by itself: a
//! browser that is to trust it needs a flag, and then trusts this one alone.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::pem::pem;

/// The certificate and its key, as they are kept.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Certificate {
    certificate_der: String,
    private_key_pkcs8: String,
}

impl Certificate {
    /// One for the host, and for this machine's own names.
    pub(crate) fn generate(host: &str) -> Result<Self, rcgen::Error> {
        let names = [host, "localhost", "127.0.0.1"].map(str::to_owned);
        let mut parameters = CertificateParams::new(names)?;
        parameters.distinguished_name.push(DnType::CommonName, "Clerk emulator on this machine");
        let key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key)?;
        Ok(Self {
            certificate_der: BASE64.encode(certificate.der()),
            private_key_pkcs8: BASE64.encode(key.serialize_der()),
        })
    }

    /// The public half as PEM.
    pub(crate) fn pem(&self) -> Option<String> {
        Some(pem("CERTIFICATE", &BASE64.decode(&self.certificate_der).ok()?))
    }

    /// Base64 of the SHA-256 of the public key, by which a browser can be made to trust it.
    pub(crate) fn public_key_hash(&self) -> Option<String> {
        let key = KeyPair::try_from(BASE64.decode(&self.private_key_pkcs8).ok()?).ok()?;
        Some(BASE64.encode(digest::digest(&digest::SHA256, &key.subject_public_key_info())))
    }

    /// How to serve with it: HTTP/1.1, for this offers no other.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        let chain = vec![CertificateDer::from(BASE64.decode(&self.certificate_der).ok()?)];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(BASE64.decode(&self.private_key_pkcs8).ok()?));
        // The provider is named: one that is installed for the whole process is up to the program that embeds the emulator.
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        config.ok().map(Arc::new)
    }
}
