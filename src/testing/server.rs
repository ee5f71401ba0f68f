//! Sockets and threads: one thread listens, one serves each connection, all are gone when the fake is dropped.

use super::{
    Recorded,
    fault::{Fault, Script},
    http::{Body, Framing, Request, Wire},
    reply::{Refusal, Reply},
    service::{Service, no_length},
};
use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

/// What the threads share.
pub(super) struct Server {
    address: SocketAddr,
    service: Mutex<Service>,
    mode: Mutex<Mode>,
    mode_changed: Condvar,
    /// So many there were.
    connections: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Listening,
    /// Told to, but the socket still listens.
    GoingAway,
    Away,
    /// Told to, but the socket does not listen yet.
    ComingBack,
    /// For good.
    Stopping,
}

type Connections = Vec<(Weak<TcpStream>, JoinHandle<()>)>;

impl Server {
    pub(super) fn start(port: u16, service: Service) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let server = Arc::new(Self {
            address: listener.local_addr()?,
            service: Mutex::new(service),
            mode: Mutex::new(Mode::Listening),
            mode_changed: Condvar::new(),
            connections: AtomicU64::new(0),
        });
        let shared = Arc::clone(&server);
        let thread = thread::Builder::new().name("fake-oss".into()).spawn(move || shared.listen(listener))?;
        Ok((server, thread))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request that panicked must not take the others with it.
    pub(super) fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mode(&self) -> MutexGuard<'_, Mode> {
        self.mode.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut Mode) -> bool) -> Mode {
        *self.mode_changed.wait_while(self.mode(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    /// From one mode to another; nothing if it is a third one.
    fn switch(&self, from: Mode, to: Mode) {
        let mut mode = self.mode();
        if *mode == from {
            *mode = to;
        }
        self.mode_changed.notify_all();
    }

    /// Whoever waits in `accept` is to look at the mode. If nobody does, nobody needs it.
    fn wake_listener(&self) {
        drop(TcpStream::connect(self.address));
    }

    /// Returns when nothing listens any more.
    pub(super) fn go_away(&self) {
        self.switch(Mode::Listening, Mode::GoingAway);
        self.wake_listener();
        self.wait_while(|mode| *mode == Mode::GoingAway);
    }

    /// Returns when connections are taken again.
    pub(super) fn come_back(&self) {
        self.switch(Mode::Away, Mode::ComingBack);
        self.wait_while(|mode| *mode == Mode::ComingBack);
    }

    pub(super) fn stop(&self) {
        *self.mode() = Mode::Stopping;
        self.mode_changed.notify_all();
        self.wake_listener();
    }

    fn is_listening(&self) -> bool {
        *self.mode() == Mode::Listening
    }

    fn listen(self: &Arc<Self>, listener: TcpListener) {
        let mut listener = Some(listener);
        let mut connections = Connections::new();
        while let Some(open) = listener.take() {
            self.accept_from(&open, &mut connections);
            drop(open);
            // Answers that are due still go out.
            hang_up(&connections, Shutdown::Read);
            self.switch(Mode::GoingAway, Mode::Away);
            listener = self.listen_again();
        }
        hang_up(&connections, Shutdown::Both);
        for (_, thread) in connections {
            let _ = thread.join(); // a panic there was printed there
        }
    }

    fn accept_from(self: &Arc<Self>, listener: &TcpListener, connections: &mut Connections) {
        loop {
            let accepted = listener.accept();
            if !self.is_listening() {
                return;
            }
            if let Ok((stream, _)) = accepted {
                connections.retain(|(_, thread)| !thread.is_finished());
                connections.extend(self.spawn(stream));
            }
        }
    }

    /// `None` when the fake is being dropped.
    fn listen_again(&self) -> Option<TcpListener> {
        loop {
            if self.wait_while(|mode| *mode == Mode::Away) == Mode::Stopping {
                return None;
            }
            if let Ok(listener) = TcpListener::bind(self.address) {
                self.switch(Mode::ComingBack, Mode::Listening);
                return Some(listener);
            }
            thread::yield_now(); // somebody else has the port at this moment
        }
    }

    fn spawn(self: &Arc<Self>, stream: TcpStream) -> Option<(Weak<TcpStream>, JoinHandle<()>)> {
        let stream = Arc::new(stream);
        // Whoever closes it must be the last owner, so the list does not count.
        let weak = Arc::downgrade(&stream);
        let server = Arc::clone(self);
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let thread = thread::Builder::new().name("fake-oss connection".into());
        let thread = thread.spawn(move || server.serve(&stream, number)).ok()?;
        Some((weak, thread))
    }

    /// One connection. Every error is its end: there is nobody to tell.
    fn serve(&self, stream: &TcpStream, connection: u64) {
        let _ = stream.set_nodelay(true);
        while self.is_listening() && matches!(self.exchange(stream, connection), Ok(true)) {}
    }

    /// One request and its answer. True if another may follow.
    fn exchange(&self, stream: &TcpStream, connection: u64) -> io::Result<bool> {
        let mut wire = Wire::new(stream);
        let request = match Request::read(&mut wire) {
            Ok(request) => request,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let refusal = Refusal::new(400, "InvalidRequest", "This is no HTTP/1.1.", "");
                return self.turn_down(stream, None, refusal);
            }
            Err(error) => return Err(error),
        };
        if !self.is_listening() {
            // It went away while this was on its way.
            return Ok(false);
        }
        if request.method == "CONNECT" {
            // As a proxy that leads to itself.
            self.record(&request, 0, connection);
            return send(stream, b"HTTP/1.1 200 Connection established\r\n\r\n").map(|()| true);
        }
        let script = self.service().script(&request);
        let early = self.service().answer_early(&request, &script);
        if let Some(reply) = early {
            self.record(&request, 0, connection);
            return close_with(stream, &reply);
        }
        if let Framing::Bad = request.framing() {
            self.record(&request, 0, connection);
            return self.turn_down(stream, Some(&request), no_length("0017-00000103"));
        }
        let cut = script.find(|fault| if let Fault::CutRequest(n) = fault { Some(*n) } else { None });
        if let Some(n) = cut {
            wire.cut_after(n.saturating_sub(request.head.len() as u64));
        }
        if request.wants("expect", "100-continue") {
            send(stream, b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = self.body_for(&request, &script);
        let read = body.read(&mut wire, request.framing(), script.has(&Fault::Reset));
        self.record(&request, body.len, connection);
        if read.is_err() || cut.is_some_and(|n| n < request.head.len() as u64) {
            self.service().meet_strangers(&request, &script);
            let refusal =
                Refusal::new(400, "IncompleteBody", "The request body is shorter than it said.", "0017-00000505");
            return if wire.was_cut() { Ok(false) } else { self.turn_down(stream, Some(&request), refusal) };
        }
        let reply = self.service().handle(&request, body, &script);
        self.stall(&script);
        if script.has(&Fault::GoAway) {
            self.go_away();
        }
        let go_on = !request.wants("connection", "close") && cut.is_none();
        match reply.filter(|_| cut.is_none()) {
            Some(reply) => self.answer(stream, &reply, &script).map(|open| open && go_on),
            None => Ok(false),
        }
    }

    fn body_for(&self, request: &Request, script: &Script) -> Body {
        let mut body = Body::new(!self.service().forgets_bytes);
        if request.method == "PUT" || request.header("content-md5").is_some() {
            body = body.with_md5();
        }
        if script.has(&Fault::Damage) {
            body.damage();
        }
        body
    }

    fn record(&self, request: &Request, body_len: u64, connection: u64) {
        self.service().recorded.push(Recorded {
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            body_len,
            head: request.head.clone(),
            connection,
        });
    }

    fn turn_down(&self, stream: &TcpStream, request: Option<&Request>, refusal: Refusal) -> io::Result<bool> {
        let reply = self.service().turn_down(request, refusal);
        close_with(stream, &reply)
    }

    /// Not a sleep: stopping ends it.
    fn stall(&self, script: &Script) {
        if let Some(pause) = script.find(|fault| if let Fault::Stall(pause) = fault { Some(*pause) } else { None }) {
            let waited = self.mode_changed.wait_timeout_while(self.mode(), pause, |mode| *mode != Mode::Stopping);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn answer(&self, stream: &TcpStream, reply: &Reply, script: &Script) -> io::Result<bool> {
        let mut bytes = if script.has(&Fault::Garbage) {
            b"\x16\x03\x01 this is no HTTP\r\n\r\n".to_vec()
        } else {
            reply.to_bytes()
        };
        let cut = script.find(|fault| if let Fault::CutAnswer(n) = fault { usize::try_from(*n).ok() } else { None });
        bytes.truncate(cut.unwrap_or(usize::MAX));
        send(stream, &bytes)?;
        if script.has(&Fault::Unasked) {
            let refusal = Refusal::new(400, "RequestTimeout", "Your socket connection was idle for too long.", "");
            return self.turn_down(stream, None, refusal);
        }
        let ended = [Fault::Garbage, Fault::CloseAfter, Fault::GoAway].iter().any(|fault| script.has(fault));
        Ok(cut.is_none() && !ended)
    }
}

fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)
}

/// What the client still sends meets a reset, as with the service.
fn close_with(stream: &TcpStream, reply: &Reply) -> io::Result<bool> {
    send(stream, &reply.to_bytes()).map(|()| false)
}

fn hang_up(connections: &Connections, how: Shutdown) {
    for stream in connections.iter().filter_map(|(stream, _)| stream.upgrade()) {
        let _ = stream.shutdown(how); // it may be closed already
    }
}
