//! A TLS server on loopback with an authority of its own: it shows the certificate it is told to, and what comes
//! through goes on to a [`FakeOss`] or to a script.

#![allow(dead_code, reason = "each crate of tests uses its part")]
#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use super::listener::Listener;
use oss_append::{Auth, Bucket, BucketBuilder, testing::FakeOss};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// The names in a good certificate.
pub(crate) const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "log.example.com"];

/// What a script is given, the handshake behind it. Closing it sends no close_notify.
pub(crate) type Tls = StreamOwned<ServerConnection, TcpStream>;

/// Which certificate the server shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    Good,
    WrongHost,
    Expired,
    NotYetValid,
    /// Signed by an authority nobody was told of.
    UnknownIssuer,
    SelfSigned,
}

type Authority = CertifiedIssuer<'static, KeyPair>;

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| authority("The tests' own authority"));
static STRANGER: LazyLock<Authority> = LazyLock::new(|| authority("Somebody else's authority"));
static SELF_SIGNED: LazyLock<(CertificateDer<'static>, KeyPair)> = LazyLock::new(|| {
    let (params, key) = (leaf(&NAMES), KeyPair::generate().unwrap());
    (params.self_signed(&key).unwrap().into(), key)
});

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
}

/// The authority's certificate, which signs every good one.
pub(crate) fn authority_pem() -> String {
    AUTHORITY.pem()
}

pub(crate) fn authority_der() -> Vec<u8> {
    AUTHORITY.der().to_vec()
}

/// Of an authority that signs what [`Shows::UnknownIssuer`] shows.
pub(crate) fn strangers_pem() -> String {
    STRANGER.pem()
}

pub(crate) fn self_signed_der() -> Vec<u8> {
    SELF_SIGNED.0.to_vec()
}

/// A private key, and nothing else.
pub(crate) fn key_pem() -> String {
    AUTHORITY.key().serialize_pem()
}

fn config(shows: Shows) -> ServerConfig {
    let mut params = leaf(if shows == Shows::WrongHost { &["elsewhere.example.com"] } else { &NAMES });
    match shows {
        Shows::Expired => params.not_after = date_time_ymd(2020, 2, 1),
        Shows::NotYetValid => params.not_before = date_time_ymd(2500, 2, 1),
        _ => {}
    }
    let issuer = if shows == Shows::UnknownIssuer { &*STRANGER } else { &*AUTHORITY };
    let key = KeyPair::generate().unwrap();
    let (certificate, key) = match shows {
        Shows::SelfSigned => (SELF_SIGNED.0.clone(), SELF_SIGNED.1.serialize_der()),
        _ => (params.signed_by(&key, issuer).unwrap().into(), key.serialize_der()),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key).unwrap();
    config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap()
}

type Script = dyn Fn(&mut Tls) + Send + Sync;

enum Behind {
    Plain(SocketAddr),
    Script(Box<Script>),
}

struct Shared {
    config: Arc<ServerConfig>,
    behind: Behind,
    says_goodbye: AtomicBool,
    /// TCP connections that came, and the handshakes that went well.
    connections: AtomicU64,
    handshakes: AtomicU64,
    /// Bytes that came in, decrypted.
    received: AtomicU64,
}

/// Stopped when dropped.
pub(crate) struct TlsServer {
    shared: Arc<Shared>,
    listener: Listener,
}

impl TlsServer {
    /// In front of a fake.
    pub(crate) fn before(oss: &FakeOss, shows: Shows) -> Self {
        let address = oss.endpoint().strip_prefix("http://").unwrap().parse().unwrap();
        Self::start(shows, Behind::Plain(address))
    }

    /// Each connection, one after another, is the script's; it is closed when that returns.
    pub(crate) fn script(script: impl Fn(&mut Tls) + Send + Sync + 'static) -> Self {
        Self::start(Shows::Good, Behind::Script(Box::new(script)))
    }

    fn start(shows: Shows, behind: Behind) -> Self {
        let shared = Arc::new(Shared {
            config: Arc::new(config(shows)),
            behind,
            says_goodbye: AtomicBool::new(true),
            connections: AtomicU64::new(0),
            handshakes: AtomicU64::new(0),
            received: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        Self { shared, listener: Listener::start(move |client| serving.serve(client)) }
    }

    /// From now on connections end without a close_notify.
    pub(crate) fn leaves_without_goodbye(&self) {
        self.shared.says_goodbye.store(false, Ordering::Relaxed);
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// `https://127.0.0.1:<port>`
    pub(crate) fn endpoint(&self) -> String {
        format!("https://{}", self.address())
    }

    /// A bucket's of this fake behind it. Nothing is trusted yet but the built-in roots.
    pub(crate) fn builder(&self, oss: &FakeOss, bucket: &str) -> BucketBuilder {
        oss.create_bucket(bucket);
        let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
        let builder = Bucket::builder(auth, &self.endpoint(), bucket).region(oss.region());
        builder.backoff(Duration::ZERO, Duration::ZERO)
    }

    /// TCP connections that came.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Handshakes that went well.
    pub(crate) fn handshakes(&self) -> u64 {
        self.shared.handshakes.load(Ordering::SeqCst)
    }

    /// Bytes that came in, decrypted.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn serve(&self, mut client: &TcpStream) -> io::Result<()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        // A ticket goes out behind the handshake: without this the answer would wait for its acknowledgement.
        client.set_nodelay(true)?;
        let mut tls = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        tls.complete_io(&mut client)?;
        self.handshakes.fetch_add(1, Ordering::SeqCst);
        match &self.behind {
            Behind::Script(script) => {
                script(&mut StreamOwned::new(tls, client.try_clone()?));
                Ok(())
            }
            Behind::Plain(address) => {
                let plain = TcpStream::connect(address)?;
                plain.set_nodelay(true)?;
                let tls = Mutex::new(tls);
                thread::scope(|scope| {
                    let up = scope.spawn(|| self.up(&tls, client, &plain));
                    let down = self.down(&tls, client, &plain);
                    // Whoever is behind has closed: as with a server's own socket, nothing more is taken.
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = plain.shutdown(Shutdown::Both);
                    let _ = up.join();
                    down
                })
            }
        }
    }

    /// What the client says, decrypted.
    fn up(&self, tls: &Mutex<ServerConnection>, mut client: &TcpStream, mut plain: &TcpStream) -> io::Result<()> {
        let (mut encrypted, mut decrypted) = (vec![0; 64 << 10], Vec::new());
        let ended = loop {
            // What came with the handshake, then what comes.
            let open = {
                let mut tls = lock(tls);
                let state = tls.process_new_packets().map_err(io::Error::other);
                take(&mut tls, state.as_ref().map_or(0, rustls::IoState::plaintext_bytes_to_read), &mut decrypted)?;
                flush(&mut tls, client)?;
                state.map(|state| !state.peer_has_closed())
            };
            self.received.fetch_add(decrypted.len() as u64, Ordering::SeqCst);
            plain.write_all(&decrypted)?;
            match open {
                Ok(true) => {}
                Ok(false) => break plain.shutdown(Shutdown::Write),
                Err(error) => break Err(error),
            }
            let mut rest = match client.read(&mut encrypted) {
                Ok(0) => break plain.shutdown(Shutdown::Write),
                Ok(n) => &encrypted[..n],
                Err(error) => break Err(error),
            };
            while !rest.is_empty() {
                let mut tls = lock(tls);
                tls.read_tls(&mut rest)?;
                if !rest.is_empty() {
                    let state = tls.process_new_packets().map_err(io::Error::other)?;
                    let mut more = Vec::new();
                    take(&mut tls, state.plaintext_bytes_to_read(), &mut more)?;
                    drop(tls);
                    self.received.fetch_add(more.len() as u64, Ordering::SeqCst);
                    plain.write_all(&more)?;
                }
            }
        };
        if ended.is_err() {
            let _ = plain.shutdown(Shutdown::Both);
        }
        ended
    }

    /// What is behind says, encrypted.
    fn down(&self, tls: &Mutex<ServerConnection>, client: &TcpStream, mut plain: &TcpStream) -> io::Result<()> {
        let mut decrypted = vec![0; 16 << 10];
        loop {
            let n = plain.read(&mut decrypted).unwrap_or(0); // a reset is an end, too
            let mut tls = lock(tls);
            if n > 0 {
                tls.writer().write_all(&decrypted[..n])?;
                flush(&mut tls, client)?;
                continue;
            }
            if self.says_goodbye.load(Ordering::Relaxed) {
                tls.send_close_notify();
                flush(&mut tls, client)?;
            }
            return Ok(());
        }
    }
}

fn lock(tls: &Mutex<ServerConnection>) -> MutexGuard<'_, ServerConnection> {
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(tls: &mut ServerConnection, n: usize, into: &mut Vec<u8>) -> io::Result<()> {
    into.resize(n, 0);
    tls.reader().read_exact(into)
}

/// Under the lock, so that records leave in their order.
fn flush(tls: &mut ServerConnection, mut client: &TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(&mut client)?;
    }
    Ok(())
}
