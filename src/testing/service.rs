//! The service behind the socket: who may do what, what is scripted, what is still to land.

use super::{
    Recorded, clock,
    codec::percent_decode,
    fault::{Fault, Script},
    http::{Body, Framing, Request, header},
    reply::{Refusal, Reply},
    store::{Action, Operation, Store},
    verify::{Claim, Rules, verify},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

/// Everything the fake knows.
#[derive(Default)]
pub(super) struct Service {
    pub(super) store: Store,
    pub(super) keys: BTreeMap<String, String>,
    region: &'static str,
    pub(super) token: Option<String>,
    /// For how many requests a token is good.
    pub(super) token_life: Option<u64>,
    token_uses: BTreeMap<String, u64>,
    pub(super) anonymous: bool,
    pub(super) forbidden: BTreeSet<String>,
    pub(super) clock_offset: i64,
    pub(super) forgets_bytes: bool,
    pub(super) domains: BTreeMap<String, String>,
    pub(super) faults: BTreeMap<String, VecDeque<Fault>>,
    pub(super) recorded: Vec<Recorded>,
    late: Vec<(When, Operation)>,
    request_ids: u64,
}

/// When a late operation is applied.
#[derive(Debug, Clone, Copy)]
enum When {
    BehindHead,
    Behind(u32),
    Told,
}

impl Service {
    pub(super) fn new(keys: BTreeMap<String, String>, region: &'static str) -> Self {
        Self { keys, region, ..Self::default() }
    }

    pub(super) fn now(&self) -> i64 {
        clock::unix_now().saturating_add(self.clock_offset)
    }

    /// Takes the next fault for requests like this one.
    pub(super) fn script(&mut self, request: &Request) -> Script {
        let seal =
            request.method == "POST" && request.parameters().is_some_and(|all| all.iter().any(|(n, _)| n == b"seal"));
        let queue = self.faults.get_mut(if seal { "SEAL" } else { &request.method });
        queue.and_then(VecDeque::pop_front).map(Script::from).unwrap_or_default()
    }

    /// An answer before the body was read.
    pub(super) fn answer_early(&mut self, request: &Request, script: &Script) -> Option<Reply> {
        let mut reply = script.find(|fault| match *fault {
            Fault::RefuseEarly => Some(self.refuse(request, Refusal::scripted(403, "AccessDenied"))),
            Fault::RefuseEarlyWith(status, code) => Some(self.refuse(request, Refusal::scripted(status, code))),
            Fault::AcceptEarly => Some(accepted(request)),
            _ => None,
        })?;
        self.meet_strangers(request, script);
        reply.set("Connection", "close");
        self.complete(&mut reply, &request.method);
        Some(reply)
    }

    /// A finished refusal of what cannot be carried out at all.
    pub(super) fn turn_down(&mut self, request: Option<&Request>, refusal: Refusal) -> Reply {
        let (method, host) = request.map_or(("", ""), |r| (&r.method, r.header("host").unwrap_or_default()));
        let mut reply = refusal.into_reply(&self.request_id(), host).with("Connection", "close");
        self.complete(&mut reply, method);
        reply
    }

    /// Does what the request asks for, as far as the script lets it. `None` if no answer goes out.
    pub(super) fn handle(&mut self, request: &Request, body: Body, script: &Script) -> Option<Reply> {
        let mut reply = self.apply(request, body, script);
        if let Some(reply) = &mut reply {
            self.complete(reply, &request.method);
            for fault in script.iter() {
                spoil(reply, fault);
            }
        }
        reply.filter(|_| !script.has(&Fault::LoseAnswer) && !script.has(&Fault::Reset))
    }

    fn apply(&mut self, request: &Request, body: Body, script: &Script) -> Option<Reply> {
        let operation = self.admit(request, body);
        self.strangers(request, script, stranger_before);
        let reply = match script.find(instead) {
            Some(Instead::Nothing) => None,
            Some(Instead::Refusal(refusal)) => Some(self.refuse(request, refusal)),
            Some(Instead::Page(status)) => Some(Reply::page(status)),
            Some(Instead::Later(when)) => {
                self.let_land(request);
                self.late.extend(operation.ok().map(|operation| (when, operation)));
                self.land_if(|when| matches!(when, When::Behind(0)));
                self.strangers(request, script, stranger_after);
                return None;
            }
            None => Some(match operation.and_then(|operation| self.perform(operation, script)) {
                Ok(reply) => reply,
                Err(refusal) => self.refuse(request, refusal),
            }),
        };
        self.strangers(request, script, stranger_after);
        self.let_land(request);
        let other = script.find(|fault| match *fault {
            Fault::FailAfter(status, code) => Some(self.refuse(request, Refusal::scripted(status, code))),
            Fault::PageAfter(status) => Some(Reply::page(status)),
            _ => None,
        });
        other.or(reply)
    }

    fn perform(&mut self, mut operation: Operation, script: &Script) -> Result<Reply, Refusal> {
        if script.has(&Fault::IgnoreRange) {
            operation.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("range"));
        }
        let now = self.now();
        let first = self.store.perform(&operation, now);
        if script.has(&Fault::Duplicate) { self.store.perform(&operation, now) } else { first }
    }

    /// They come whatever becomes of the request.
    pub(super) fn meet_strangers(&mut self, request: &Request, script: &Script) {
        self.strangers(request, script, stranger_before);
        self.strangers(request, script, stranger_after);
    }

    fn strangers(&mut self, request: &Request, script: &Script, bytes: impl Fn(&Fault) -> Option<&[u8]>) {
        if let Some((bucket, key)) = self.place(request)
            && let Ok(key) = String::from_utf8(key)
        {
            script.iter().filter_map(bytes).for_each(|bytes| self.append_as_stranger(&bucket, &key, bytes));
        }
    }

    pub(super) fn append_as_stranger(&mut self, bucket: &str, key: &str, bytes: &[u8]) {
        let (body, now) = (self.body_of(bytes), self.now());
        self.store.grow(bucket, key, &body, now);
    }

    pub(super) fn body_of(&self, bytes: &[u8]) -> Body {
        let mut body = Body::new(!self.forgets_bytes).with_md5();
        body.push(bytes);
        body
    }

    /// Behind this request, late ones may arrive.
    fn let_land(&mut self, request: &Request) {
        let is_head = request.method == "HEAD";
        self.land_if(|when| match when {
            When::BehindHead => is_head,
            When::Behind(n) => {
                *n = n.saturating_sub(1);
                *n == 0
            }
            When::Told => false,
        });
    }

    /// Applies everything late; says how many of them had an effect.
    pub(super) fn land(&mut self) -> usize {
        self.land_if(|_| true)
    }

    fn land_if(&mut self, mut due: impl FnMut(&mut When) -> bool) -> usize {
        let (now, mut landed) = (self.now(), 0);
        for (mut when, operation) in std::mem::take(&mut self.late) {
            if due(&mut when) {
                landed += usize::from(self.store.perform(&operation, now).is_ok());
            } else {
                self.late.push((when, operation));
            }
        }
        landed
    }

    /// In the service's order: can it be read, who asks, is there such a bucket, may it be done.
    fn admit(&mut self, request: &Request, body: Body) -> Result<Operation, Refusal> {
        let malformed = || Refusal::new(400, "InvalidURI", "The request URI could not be parsed.", "");
        let parameters = request.parameters().ok_or_else(malformed)?;
        let (bucket, key) = self.place(request).ok_or_else(malformed)?;
        let key = String::from_utf8(key).map_err(|_| {
            Refusal::new(400, "InvalidObjectName", "The specified object is not valid.", "0016-00000002")
        })?;
        self.authenticate(request, &bucket, &key, &parameters)?;
        if !self.store.has_bucket(&bucket) {
            return Err(Refusal::scripted(404, "NoSuchBucket").element("BucketName", bucket));
        }
        if self.forbidden.contains(&request.method) {
            return Err(Refusal::scripted(403, "AccessDenied").element("BucketName", bucket).element("Key", key));
        }
        let action = action(request, &parameters, body)?;
        Ok(Operation { bucket, key, headers: request.headers.clone(), action })
    }

    /// Bucket and key: the bucket is in the host's name, or in front of the path if the host has none.
    fn place(&self, request: &Request) -> Option<(String, Vec<u8>)> {
        let path = request.path_and_query().0.strip_prefix('/')?;
        let host = request.header("host").unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        if let Some(bucket) = self.domains.get(name) {
            return Some((bucket.clone(), percent_decode(path.as_bytes())?));
        }
        let bare = name == "localhost" || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let (bucket, key) = match name.split_once('.') {
            Some((bucket, _)) if !bare => (bucket.as_bytes().to_vec(), path),
            _ => {
                let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
                (percent_decode(bucket.as_bytes())?, key)
            }
        };
        Some((String::from_utf8(bucket).ok()?, percent_decode(key.as_bytes())?))
    }

    fn authenticate(
        &mut self,
        request: &Request,
        bucket: &str,
        key: &str,
        parameters: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<(), Refusal> {
        if header(&request.headers, "authorization").is_none() {
            let refusal = Refusal::scripted(403, "AccessDenied");
            return if self.anonymous { Ok(()) } else { Err(refusal) };
        }
        let claim =
            Claim { method: &request.method, bucket, key: key.as_bytes(), parameters, headers: &request.headers };
        let rules = Rules { keys: &self.keys, region: self.region, token: self.token.as_deref(), now: self.now() };
        verify(&claim, &rules)?;
        match (self.token_life, header(&request.headers, "x-oss-security-token")) {
            (Some(life), Some(token)) => self.use_token(token, life),
            _ => Ok(()),
        }
    }

    fn use_token(&mut self, token: &str, life: u64) -> Result<(), Refusal> {
        let uses = self.token_uses.entry(token.to_owned()).or_default();
        *uses += 1;
        if *uses > life { Err(Refusal::scripted(403, "SecurityTokenExpired")) } else { Ok(()) }
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Reply {
        refusal.into_reply(&self.request_id(), request.header("host").unwrap_or_default())
    }

    fn complete(&mut self, reply: &mut Reply, method: &str) {
        let id = self.request_id();
        reply.complete(method, &id, self.now());
        self.request_ids += 1;
    }

    /// Of the answer that goes out next: 24 hex digits.
    fn request_id(&self) -> String {
        format!("5FA4E5A0{:016X}", self.request_ids)
    }
}

fn stranger_before(fault: &Fault) -> Option<&[u8]> {
    if let Fault::StrangerBefore(bytes) = fault { Some(bytes) } else { None }
}

fn stranger_after(fault: &Fault) -> Option<&[u8]> {
    if let Fault::StrangerAfter(bytes) = fault { Some(bytes) } else { None }
}

/// What comes instead of carrying out the operation.
enum Instead {
    Nothing,
    Refusal(Refusal),
    Page(u16),
    Later(When),
}

fn instead(fault: &Fault) -> Option<Instead> {
    Some(match *fault {
        Fault::LoseRequest => Instead::Nothing,
        Fault::Refuse(status, code) => Instead::Refusal(Refusal::scripted(status, code)),
        Fault::WrongEndpoint(endpoint) => Instead::Refusal(Refusal::wrong_endpoint(endpoint)),
        Fault::Page(status) => Instead::Page(status),
        Fault::ApplyLate => Instead::Later(When::BehindHead),
        Fault::ApplyAfter(n) => Instead::Later(When::Behind(n)),
        Fault::Hold => Instead::Later(When::Told),
        _ => return None,
    })
}

fn action(request: &Request, parameters: &[(Vec<u8>, Vec<u8>)], body: Body) -> Result<Action, Refusal> {
    let parameter = |name: &[u8]| parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice());
    let has = |name| parameter(name).is_some();
    if has(b"append") && has(b"versionId") {
        return Err(position_error("0016-00000504"));
    }
    let position = || match parameter(b"position") {
        None => Err(position_error("0016-00000501")),
        Some(text) => number(text).ok_or_else(|| position_error("0016-00000502")),
    };
    Ok(match request.method.as_str() {
        "POST" | "PUT" if matches!(request.framing(), Framing::Missing) && !has(b"seal") => {
            return Err(no_length("0017-00000101"));
        }
        "POST" if has(b"append") => Action::Append { position: position()?, body },
        "POST" if has(b"seal") => Action::Seal { position: position()? },
        "PUT" => Action::Put { body },
        "HEAD" if has(b"objectMeta") => Action::Meta,
        "HEAD" => Action::Head,
        "GET" => Action::Get,
        "DELETE" => Action::Delete,
        _ => {
            let message = "The specified method is not allowed against this resource.";
            return Err(
                Refusal::new(405, "MethodNotAllowed", message, "").header("Allow", "DELETE, GET, HEAD, POST, PUT")
            );
        }
    })
}

pub(super) fn no_length(ec: &'static str) -> Refusal {
    Refusal::new(411, "MissingContentLength", "You must provide the Content-Length HTTP header.", ec)
}

/// The help's samples use one code for a missing and for a malformed position.
fn position_error(ec: &'static str) -> Refusal {
    Refusal::new(400, "MissingArgument", "Missing Some Required Arguments.", ec).element("ArgumentName", "position")
}

/// Decimal digits only: `+1` is no position.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    digits.then(|| str::from_utf8(text).ok()?.parse().ok())?
}

/// The answer to an append that was not even read.
fn accepted(request: &Request) -> Reply {
    let parameters = request.parameters().unwrap_or_default();
    let position = parameters.iter().find(|(name, _)| name == b"position").and_then(|(_, value)| number(value));
    let len = if let Framing::Length(len) = request.framing() { len } else { 0 };
    Reply::new(200).with("x-oss-next-append-position", position.unwrap_or(0).saturating_add(len))
}

/// Does to the answer what the fault says.
fn spoil(reply: &mut Reply, fault: &Fault) {
    const CRC: &str = "x-oss-hash-crc64ecma";
    const NEXT: &str = "x-oss-next-append-position";
    let told = |reply: &Reply, name| reply.header(name).and_then(|text| text.parse::<u64>().ok());
    match *fault {
        Fault::StripHeaders => {
            reply.status = 200;
            reply.headers.retain(|(name, _)| !name.starts_with("x-oss-"));
        }
        Fault::Status(status) => reply.status = status,
        Fault::WrongCrc => {
            if let Some(crc64) = told(reply, CRC) {
                reply.set(CRC, crc64 ^ 1);
            }
        }
        Fault::WrongNext => {
            if let Some(next) = told(reply, NEXT) {
                reply.set(NEXT, next.saturating_add(1));
            }
        }
        Fault::NoCrc => reply.remove(CRC),
        Fault::NoNext => reply.remove(NEXT),
        Fault::WithHeader(name, value) => reply.set(name, value),
        Fault::WithoutHeader(name) => reply.remove(name),
        Fault::Stale { length, crc64 } => {
            reply.status = 200;
            // It was not sealed then: an object that is does not grow.
            ["x-oss-err", "x-oss-ec", "x-oss-sealed-time", CRC].iter().for_each(|name| reply.remove(name));
            reply.set("Content-Length", length);
            reply.set("x-oss-object-type", "Appendable");
            reply.set(NEXT, length);
            if let Some(crc64) = crc64 {
                reply.set(CRC, crc64);
            }
        }
        _ => {}
    }
}
