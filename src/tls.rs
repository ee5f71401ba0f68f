//! Who does the TLS, and whom it trusts. One of the rooms that name the HTTP client.

use crate::error::{Error, Result};
use ureq::{config::ConfigBuilder, typestate::AgentScope};

pub(crate) const IS_BUILT_IN: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod built_in {
    use super::{AgentScope, ConfigBuilder, Error, Result};
    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

    const PEM: &[u8] = b"-----BEGIN";
    const SEQUENCE: u8 = 0x30;
    const BIT_STRING: u8 = 0x03;

    /// Certificates to trust, or why they cannot be used.
    pub(crate) type Roots = Result<Vec<Certificate<'static>>>;

    /// The given certificates and the built-in ones, which are only linked where this is called.
    pub(crate) fn roots(bytes: &[u8]) -> Roots {
        let mut roots = match bytes.windows(PEM.len()).any(|text| text == PEM) {
            true => from_pem(bytes)?,
            false if is_certificate(bytes) => vec![Certificate::from_der(bytes).to_owned()],
            false => {
                return Err(Error::invalid_input(
                    "root_certs: this is neither PEM (-----BEGIN CERTIFICATE-----) nor one certificate in DER",
                ));
            }
        };
        roots.extend(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der).to_owned()));
        Ok(roots)
    }

    fn from_pem(pem: &[u8]) -> Roots {
        let (mut roots, mut keys) = (Vec::new(), 0);
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                Ok(PemItem::PrivateKey(_)) => keys += 1,
                Ok(_) => {}
                Err(_) => return Err(Error::invalid_input("root_certs: the PEM is damaged")),
            }
        }
        // The client would pass over what is none, and trust less than it was told to.
        if let Some(n) = roots.iter().position(|root| !is_certificate(root.der())) {
            return Err(Error::invalid_input(format!("root_certs: certificate {} is damaged", n + 1)));
        }
        match (roots.is_empty(), keys) {
            (false, _) => Ok(roots),
            (true, 0) => {
                Err(Error::invalid_input("root_certs: there is no certificate in it (-----BEGIN CERTIFICATE-----)"))
            }
            (true, _) => Err(Error::invalid_input(
                "root_certs: there is only a private key in it; give the certificate, and keep the key to its owner",
            )),
        }
    }

    /// By its outer form (RFC 5280, section 4.1): a sequence of what is signed, the algorithm and the signature, and
    /// nothing behind it.
    fn is_certificate(der: &[u8]) -> bool {
        let Some((SEQUENCE, certificate, [])) = element(der) else { return false };
        let Some((SEQUENCE, _, rest)) = element(certificate) else { return false };
        let Some((SEQUENCE, _, rest)) = element(rest) else { return false };
        matches!(element(rest), Some((BIT_STRING, _, [])))
    }

    /// The first element: its tag, its content and what follows.
    fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
        let (&tag, rest) = der.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            short @ ..0x80 => (short.into(), rest),
            long => {
                let (length, rest) = rest.split_at_checked((long & 0x7f).into())?;
                // No certificate is longer than three bytes of length can say.
                (length.len() <= 3).then_some(())?;
                (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        Some((tag, content, rest))
    }

    pub(crate) fn configure(
        config: ConfigBuilder<AgentScope>,
        roots: Option<&Roots>,
    ) -> Result<ConfigBuilder<AgentScope>> {
        let mut tls = TlsConfig::builder();
        // Left to itself the client would choose rustls, and panic where that is not built in.
        if !cfg!(feature = "rustls") {
            tls = tls.provider(TlsProvider::NativeTls);
        }
        if let Some(roots) = roots {
            tls = tls.root_certs(RootCerts::new_with_certs(roots.as_ref().map_err(Error::clone)?));
        }
        Ok(config.tls_config(tls.build()))
    }
}

#[cfg(not(any(feature = "rustls", feature = "native-tls")))]
mod built_in {
    use super::{AgentScope, ConfigBuilder, Error, Result};

    pub(crate) type Roots = Result<()>;

    pub(crate) fn roots(_: &[u8]) -> Roots {
        Err(Error::invalid_input("root_certs: this build has no TLS; switch on the feature `rustls` or `native-tls`"))
    }

    pub(crate) fn configure(
        config: ConfigBuilder<AgentScope>,
        roots: Option<&Roots>,
    ) -> Result<ConfigBuilder<AgentScope>> {
        match roots {
            Some(Err(refused)) => Err(refused.clone()),
            _ => Ok(config),
        }
    }
}

pub(crate) use built_in::{Roots, configure, roots};

/// What the libraries' errors say, of which only the text can be had; what that means, and whether waiting may help.
/// rustls' words, then OpenSSL's.
const TROUBLE: [(&[&str], &str, bool); 6] = [
    (&["certificate not valid for name", "NotValidForName", "mismatch)"], "its certificate is for another host", false),
    (&["certificate expired", "certificate has expired"], "its certificate has expired", false),
    (
        &["certificate not valid yet", "certificate is not yet valid"],
        "its certificate is not valid yet, or this clock is slow",
        false,
    ),
    (
        &["UnknownIssuer", "local issuer certificate", "self-signed certificate", "self signed certificate"],
        "its certificate is signed by nobody who is trusted here; root_certs adds whom to trust",
        false,
    ),
    (&["invalid peer certificate", "certificate verify failed"], "its certificate is not accepted", false),
    (
        &["corrupt message", "wrong version number", "packet length too long"],
        "what answers there does not speak TLS",
        true,
    ),
];

/// Why there is no TLS, in plain words, and whether waiting may help. Nothing if it is not TLS that failed.
pub(crate) fn trouble(told: &str) -> Option<(&'static str, bool)> {
    let row = TROUBLE.iter().find(|(theirs, ..)| theirs.iter().any(|text| told.contains(text)));
    row.map(|&(_, ours, transient)| (ours, transient))
}

/// Is this an error that only a handshake can end in? Of rustls: OpenSSL may look at a certificate again later.
pub(crate) fn ended_in_handshake(told: &str) -> bool {
    told.contains("invalid peer certificate")
}
