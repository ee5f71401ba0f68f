//! Who does the TLS, and whom it trusts. Beside `transport.rs` the only file that names the HTTP client.

use crate::error::{Error, Result};
use ureq::{config::ConfigBuilder, typestate::AgentScope};

pub(crate) const IS_BUILT_IN: bool = cfg!(any(feature = "rustls", feature = "native-tls"));

#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod built_in {
    use super::{AgentScope, ConfigBuilder, Error, Result};
    use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

    /// Certificates to trust, or why they cannot be used.
    pub(crate) type Roots = Result<Vec<Certificate<'static>>>;

    /// The given certificates and the built-in ones, which are only linked where this is called.
    pub(crate) fn roots(pem: &[u8]) -> Roots {
        let mut roots = Vec::new();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
                Ok(_) => {}
                Err(_) => return Err(Error::invalid_input("root_certs: this is not PEM")),
            }
        }
        if roots.is_empty() {
            return Err(Error::invalid_input(
                "root_certs: there is no certificate in it (-----BEGIN CERTIFICATE-----)",
            ));
        }
        roots.extend(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|der| Certificate::from_der(der).to_owned()));
        Ok(roots)
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
