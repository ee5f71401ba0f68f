//! The wire: one request out, one answer in. With `tls.rs`, `proxy.rs` and `wire` the only room that names
//! the HTTP client.
//!
//! What the client does by itself, and why it cannot hurt here:
//!
//! - *A body that ends early makes it spin for ever*: it is only given [`Exact`], for which that is an error.
//! - *It does not read while it sends*, so an early refusal can arrive as a reset: no answer is never taken for no.
//! - *It follows redirects and turns a POST into a GET*: `max_redirects(0)`.
//! - *`Expect: 100-continue` loses final answers*: never sent (a reserved header).
//! - *Total timeouts cost a thread per request for name resolution*: only set when the user wants one.
//! - *Idle timeouts bound one blocking write or read*, and the kernel may take long over either: see [`answer_limit`].
//! - *Odd settings make it panic* (endless durations, bad user agents): checked in [`Transport::new`].
//! - *Its errors do not tell what was sent*: [`Sent`] is decided by the bytes that were taken from us.
//! - *It takes proxies from the environment*, and not those it does not like: `proxy.rs` does, when asked to.
//! - *Connections after a fault*: it drops them by itself after every error and every answer not read to its end.
#![expect(clippy::disallowed_types, reason = "this is the room that owns the wire")]

use crate::{
    body::Exact,
    error::{Error, ErrorKind, Result},
    proxy::{self, ProxyChoice},
    request::{Method, Request},
    response::Answer,
    tls::{self, Roots},
    wire,
};
use std::{
    fmt,
    io::{self, Read},
    time::Duration,
};
use ureq::{
    Agent, BodyReader, SendBody, Timeout,
    http::{self, HeaderValue},
};

/// How many connections may wait for reuse. As many threads may share one bucket without opening new ones each time.
const IDLE_CONNECTIONS: usize = 32;
/// Below the idle limits of common servers and balancers, so that a connection is rarely found closed.
const IDLE_AGE: Duration = Duration::from_secs(10);
/// What may still lie in the kernel's send buffer when the last byte "was sent" (Linux: `tcp_wmem`).
const SEND_BUFFER: u64 = 4 << 20;
/// The slowest link on which such a buffer must still be able to drain.
const FLOOR_BYTES_PER_SECOND: u64 = 32 << 10;
/// The client computes deadlines by adding to the time: an endless limit would overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(crate) struct Transport {
    agent: Agent,
    idle: Duration,
    /// By which way, where that belongs into a message.
    by_way: String,
}

/// How to reach a server.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) connect_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) proxy: ProxyChoice,
    pub(crate) user_agent: String,
    pub(crate) roots: Option<Roots>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            request_timeout: None,
            proxy: ProxyChoice::Direct,
            user_agent: concat!("oss-append/", env!("CARGO_PKG_VERSION")).to_owned(),
            roots: None,
        }
    }
}

/// How much of a request may have left this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// No byte of the body: the server cannot have acted on it.
    Nothing,
    /// Not the last byte: an honest server cannot have stored anything.
    Part,
    /// All of it, perhaps.
    All,
}

/// No (whole) answer.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) sent: Sent,
    pub(crate) error: Error,
}

impl Transport {
    /// For URLs that begin with `base`, as `https://host:port/`.
    pub(crate) fn new(settings: &Settings, base: &str) -> Result<Self> {
        if base.starts_with("https:") && !tls::IS_BUILT_IN {
            return Err(Error::invalid_input(
                "this build cannot speak https: switch on the feature `rustls` or `native-tls`, or name an http:// endpoint",
            ));
        }
        let connect = limit("connect_timeout", settings.connect_timeout)?;
        let idle = limit("idle_timeout", settings.idle_timeout)?;
        let total = settings.request_timeout.map(|total| limit("request_timeout", total)).transpose()?;
        let agent = &settings.user_agent;
        if !agent.is_ascii() || HeaderValue::from_str(agent).is_err() || agent.trim().is_empty() {
            return Err(Error::invalid_input("the user agent must be one line of printable ASCII"));
        }
        let proxy = settings.proxy.proxy_to(base)?;
        let by_way = proxy.as_ref().map(|proxy| format!(" by way of the proxy {}", proxy::name(proxy)));
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(&settings.user_agent)
            .accept("")
            .accept_encoding("")
            .timeout_global(total)
            .timeout_connect(Some(connect))
            .timeout_per_write(Some(idle))
            .timeout_per_read(Some(answer_limit(idle, 0)))
            .max_response_header_size(32 << 10)
            .max_idle_connections(IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .max_idle_age(IDLE_AGE);
        let config = tls::configure(config, settings.roots.as_ref())?;
        Ok(Self { agent: wire::agent(config.build()), idle, by_way: by_way.unwrap_or_default() })
    }

    /// Sends a request, with a body if it is a POST, and reads the answer to its end.
    pub(crate) fn send(&self, url: &str, request: &Request, body: &mut Exact<'_>) -> Result<Answer, Lost> {
        let answer = self.run(url, request, body).and_then(|(answer, reader)| read_to_end(answer, reader));
        answer.map_err(|error| self.lost(error, url, body))
    }

    /// Sends a request without a body; the answer's body is left to be read, however long.
    pub(crate) fn open(&self, url: &str, request: &Request) -> Result<(Answer, Incoming), Lost> {
        let nothing = &mut crate::Body::from(&[]);
        let mut nothing = nothing.attempt(None, 0, None).map_err(|error| Lost { sent: Sent::Nothing, error })?;
        self.run(url, request, &mut nothing).map_err(|error| self.lost(error, url, &mut nothing))
    }

    fn run(&self, url: &str, request: &Request, body: &mut Exact<'_>) -> Result<(Answer, Incoming), ureq::Error> {
        let length = body.length();
        let call = wire::Call::begin();
        let mut outgoing = Outgoing { body, skipped: 0 };
        let mut builder = http::Request::builder().method(method(request.method)).uri(url);
        for (name, value) in &request.headers {
            builder = builder.header(name.as_ref(), value.as_ref());
        }
        let response = match length {
            _ if request.method != Method::Post => self.agent.run(builder.body(SendBody::none())?),
            Some(0) => {
                outgoing.body.check_empty()?;
                self.agent.run(builder.body(&[0; 0])?)
            }
            _ => {
                if let Some(length) = length {
                    builder = builder.header(http::header::CONTENT_LENGTH, length);
                }
                let request = builder.body(SendBody::from_reader(&mut outgoing))?;
                match answer_limit(self.idle, length.unwrap_or(SEND_BUFFER)) {
                    // The agent's own. To say another for one request copies all that is configured.
                    limit if limit == self.idle => self.agent.run(request),
                    limit => {
                        self.agent.run(self.agent.configure_request(request).timeout_per_read(Some(limit)).build())
                    }
                }
            }
        };
        if call.is_cut() {
            outgoing.body.cut_short(call.has_left());
        }
        let (head, body) = response?.into_parts();
        let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes().trim_ascii())).collect();
        let answer = Answer { status: head.status.as_u16(), headers, body: Vec::new() };
        Ok((answer, Incoming(Box::new(body.into_with_config().reader()))))
    }

    fn lost(&self, error: ureq::Error, url: &str, body: &mut Exact<'_>) -> Lost {
        let sent = match (body.taken(), body.is_whole()) {
            // Nothing to count by: only what cannot happen after a connection was made proves that nothing left.
            (_, true) if body.length() == Some(0) && never_connected(&error) => Sent::Nothing,
            (_, true) => Sent::All,
            (0, false) => Sent::Nothing,
            _ => Sent::Part,
        };
        let error = body.take_fault().unwrap_or_else(|| {
            let host = format_args!("{}{}", url.split('/').nth(2).unwrap_or_default(), self.by_way);
            let (why, transient) = trouble(&error);
            let what = match sent {
                Sent::Nothing => format!("the request to {host} was not sent{why}"),
                Sent::Part => "the connection failed while the body was being sent".to_owned(),
                Sent::All if body.length() == Some(0) => format!("no whole answer came from {host}{why}"),
                Sent::All => "the request was sent, but no whole answer came back".to_owned(),
            };
            let cause = match error {
                ureq::Error::Io(error) => error,
                other => into_io(other),
            };
            Error::new(ErrorKind::Transport, what).with_source(cause).with_transient(transient)
        });
        Lost { sent, error }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("idle", &self.idle).finish_non_exhaustive()
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        #[cfg(feature = "credentials")]
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    }
}

/// A body on its way out. Once the rest is not wanted any more it is only counted, so that the client comes to its end
/// and reads the answer: nothing of it is sent, and the body knows nothing of it.
struct Outgoing<'a, 'b> {
    body: &'a mut Exact<'b>,
    skipped: u64,
}

impl Read for Outgoing<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !wire::has_ended() {
            return self.body.read(buffer);
        }
        let left = self.body.length().map_or(0, |length| length - self.body.taken() - self.skipped);
        let skipped = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        self.skipped += skipped as u64;
        Ok(skipped)
    }
}

/// An answer's body, as it comes in.
pub(crate) struct Incoming(Box<BodyReader<'static>>);

impl Incoming {
    /// Where only the beginning matters, or more would be too much.
    pub(crate) fn read_up_to(&mut self, most: u64, into: &mut Vec<u8>) -> io::Result<usize> {
        self.take(most).read_to_end(into)
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match ureq::Error::from(error) {
            ureq::Error::Io(error) => error,
            other => into_io(other),
        })
    }
}

fn read_to_end(mut answer: Answer, mut reader: Incoming) -> Result<Answer, ureq::Error> {
    reader.read_up_to(Answer::BODY_LIMIT + 1, &mut answer.body)?;
    if answer.body.len() as u64 > Answer::BODY_LIMIT {
        return Err(ureq::Error::BodyExceedsLimit(Answer::BODY_LIMIT));
    }
    Ok(answer)
}

/// How long one read of the answer may wait: "sent" only means that the kernel has the bytes, and a slow link needs its
/// time to drain them.
fn answer_limit(idle: Duration, body: u64) -> Duration {
    idle.saturating_add(Duration::from_secs(body.min(SEND_BUFFER) / FLOOR_BYTES_PER_SECOND)).min(LONGEST)
}

fn limit(name: &str, value: Duration) -> Result<Duration> {
    if value.is_zero() {
        return Err(Error::invalid_input(format!("{name} is zero: nothing could ever be sent")));
    }
    Ok(value.min(LONGEST))
}

/// Errors that belong to connecting, whatever else was to be sent.
fn never_connected(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve)
        | ureq::Error::HostNotFound
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::ConnectProxyFailed(_)
        | ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => true,
        other => tls::ended_in_handshake(&other.to_string()),
    }
}

/// Why there was no connection, in plain words where there are some; and whether waiting may help.
fn trouble(error: &ureq::Error) -> (String, bool) {
    match error {
        ureq::Error::ConnectProxyFailed(answer) => proxy::trouble(answer),
        other => match tls::trouble(&other.to_string()) {
            Some((why, transient)) => (format!(": {why}"), transient),
            None => (String::new(), true),
        },
    }
}

/// The client's error in std's words, so that its type stays in this room.
fn into_io(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Timeout(limit) => {
            let what = match limit {
                Timeout::Connect | Timeout::Resolve => "no connection within connect_timeout",
                Timeout::PerWrite | Timeout::PerRead => "nothing moved for as long as idle_timeout allows",
                _ => "not done within request_timeout",
            };
            io::Error::new(io::ErrorKind::TimedOut, what)
        }
        ureq::Error::HostNotFound => io::Error::new(io::ErrorKind::NotFound, "the host name is not known"),
        ureq::Error::Protocol(error) => {
            let text = error.to_string();
            let hint = if text.ends_with("invalid HTTP version") { "; does the endpoint want https?" } else { "" };
            io::Error::new(io::ErrorKind::InvalidData, format!("no HTTP/1.1 came back: {text}{hint}"))
        }
        other => io::Error::other(other.to_string()),
    }
}
