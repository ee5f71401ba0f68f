//! A TCP connection: it collects, sends in ticks, looks for early answers, and knows when it went stale.
#![expect(clippy::disallowed_types, reason = "a part of the room that owns the wire")]
#![expect(clippy::disallowed_methods, reason = "patience is measured where the waiting is done")]

use super::{CALL, buffers::Store, has_ended, is_final_answer, note, take_loan};
use crate::buffer::Shared;
use std::{
    fmt,
    io::{self, ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use ureq::{
    Error, Timeout,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport},
    },
};

/// One sleep in the kernel, after which it is seen whether anything moved. On Windows a call that timed out leaves the
/// socket in no state to go on with, so there a sleep is as long as the limit, and its end is final.
const TICK: Duration = if cfg!(windows) { Duration::MAX } else { Duration::from_millis(500) };
/// How long a piece is kept for company. A source that is slow must not look like a client that fell silent.
const KEPT: Duration = Duration::from_millis(500);
/// How long an answer may take that should be there already, when its connection is broken. No multiple of a tick, so
/// that the two need not be told apart by the socket's setting.
const GRACE: Duration = Duration::from_millis(400);
/// A connection that answered so lately is not asked whether it is open; see [`Trust`].
const WARM: Duration = Duration::from_millis(20);
/// No address gets less of the time for connecting.
const LEAST: Duration = Duration::from_millis(10);

// ---- finding the server ------------------------------------------------------------------------------------------

/// Names are looked up where a connection is made, and not for every request: here they are only for proxies.
#[derive(Debug)]
pub(super) struct LookUp;

impl Resolver for LookUp {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        match config.proxy() {
            Some(_) => look_up(uri, config, timeout),
            None => Ok(self.empty()),
        }
    }
}

fn look_up(uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    // A limit costs a thread. An address needs none, and a name only where the user set one for the whole call.
    let timeout = match host.parse::<IpAddr>().is_err() && config.timeouts().global.is_some() {
        true => NextTimeout { reason: Timeout::Resolve, ..timeout },
        false => NextTimeout::default(),
    };
    DefaultResolver::default().resolve(uri, config, timeout)
}

#[derive(Debug, Default)]
pub(super) struct Connect {
    wary: Arc<AtomicBool>,
}

impl<In: Transport> Connector<In> for Connect {
    type Out = Either<In, Socket>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let found;
        let addresses = match details.addrs.is_empty() {
            true => {
                found = look_up(details.uri, details.config, details.timeout)?;
                &found
            }
            false => &details.addrs,
        };
        let stream = Arc::new(connect(addresses, details.timeout)?);
        stream.set_nodelay(details.config.no_delay())?;
        (details.register_shutdown)(Arc::downgrade(&stream) as _)?;
        Ok(Some(Either::B(Socket::new(stream, Arc::clone(&self.wary)))))
    }
}

/// Each address gets half of the time that is left, and the last one all of it.
fn connect(addresses: &[SocketAddr], timeout: NextTimeout) -> Result<TcpStream, Error> {
    let begun = Instant::now();
    let mut failed = Error::HostNotFound;
    for (n, address) in addresses.iter().enumerate() {
        if timeout.after.is_not_happening() {
            match TcpStream::connect(address) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error.into(),
            }
            continue;
        }
        let left = timeout.after.saturating_sub(begun.elapsed());
        let share = if n + 1 == addresses.len() { left } else { left / 2 };
        match TcpStream::connect_timeout(address, share.max(LEAST)) {
            Ok(stream) => return Ok(stream),
            Err(error) if is_pause(&error) => failed = Error::Timeout(Timeout::Connect),
            Err(error) => failed = error.into(),
        }
    }
    Err(failed)
}

// ---- the connection ----------------------------------------------------------------------------------------------

pub(super) struct Socket {
    stream: Arc<TcpStream>,
    store: Store,
    /// The next piece is the first since an answer: a request's head.
    is_fresh: bool,
    /// Part of this request left already.
    has_sent: bool,
    /// Since when the oldest pending byte waits.
    oldest: Instant,
    /// Nothing is sent any more.
    is_dead: bool,
    /// What it died of, unless of an answer.
    cause: Option<Error>,
    trust: Trust,
    /// As the socket was told last.
    write_sleep: Option<Duration>,
    read_sleep: Option<Duration>,
}

impl Socket {
    fn new(stream: Arc<TcpStream>, wary: Arc<AtomicBool>) -> Self {
        let now = Instant::now();
        Self {
            stream,
            store: Store::new(),
            is_fresh: true,
            has_sent: false,
            oldest: now,
            is_dead: false,
            cause: None,
            trust: Trust { wary, answered: now, is_well: false, was_open: false, is_returned: false, unproved: false },
            write_sleep: None,
            read_sleep: None,
        }
    }

    /// Sends what waits. It never fails: TLS would swallow the first error and tell it late. What went wrong is told
    /// where the answer is waited for.
    fn flush(&mut self, timeout: &NextTimeout) {
        if !self.store.has_pending() {
            return;
        }
        if has_ended() {
            // The answer was seen above TLS.
            return self.die(None);
        }
        // A small request is one write and nothing else.
        if self.has_sent {
            self.look();
        }
        let mut wait = Wait::new(timeout, timeout.per_write.map(|limit| *limit), Timeout::PerWrite);
        while self.store.has_pending() {
            let Ok(sleep) = wait.sleep() else {
                // Perhaps an answer lies there, from a server that stopped reading.
                return self.die(Some(Error::Timeout(wait.reason())));
            };
            set(&mut self.write_sleep, sleep, |sleep| self.stream.set_write_timeout(Some(sleep)));
            match (&*self.stream).write(self.store.pending()) {
                Ok(0) => self.die(Some(io::Error::from(ErrorKind::WriteZero).into())),
                Ok(sent) => {
                    note(|call| call.left = true);
                    self.has_sent = true;
                    self.store.sent(sent);
                    if self.store.has_pending() {
                        wait.moved();
                        self.look();
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_pause(&error) && !cfg!(windows) => self.look(),
                Err(error) if is_pause(&error) => {
                    // Windows does not tell what became of the bytes: they may have left.
                    self.die(Some(Error::Timeout(wait.reason())));
                    note(|call| (call.left, call.cut) = (true, false));
                }
                Err(error) => self.die(Some(error.into())),
            }
        }
    }

    fn take_output(&mut self, amount: usize, timeout: &NextTimeout) {
        let loan = take_loan();
        if self.is_dead || has_ended() {
            note(|call| call.cut |= amount > 0);
            return;
        }
        if let Some(loan) = loan {
            return self.send_loan(loan, amount, timeout);
        }
        if !self.store.has_pending() {
            self.oldest = Instant::now();
        }
        match std::mem::take(&mut self.is_fresh) {
            true => self.store.push_head(amount),
            false => self.store.push(amount),
        }
        if self.store.is_full() || self.oldest.elapsed() >= KEPT {
            self.flush(timeout);
        }
    }

    /// At once, so that it is given back before the client goes on.
    fn send_loan(&mut self, loan: Shared, amount: usize, timeout: &NextTimeout) {
        let is_all = loan.len() == amount;
        self.store.borrow(loan);
        match is_all {
            true => self.flush(timeout),
            // What the client read is not what it sends: in the buffer lie bytes of another time.
            false => self.die(Some(io::Error::other("the client sends other bytes than it read").into())),
        }
    }

    /// Did an answer come in? Only asked while bytes wait, so that what is found is certainly early.
    fn look(&mut self) {
        let mut first = [0; 12];
        match self.peek(&mut first) {
            Ok(n) if is_final_answer(&first[..n]) => self.die(None),
            Ok(1..) => note(|call| call.readable = true),
            // Whether the end of the stream, an error or nothing: it is seen again where the answer is waited for.
            _ => {}
        }
    }

    /// What came in, without waiting for it and without taking it. The standard library knows no flag for that.
    fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_nonblocking(true)?;
        let peeked = self.stream.peek(buffer);
        self.stream.set_nonblocking(false)?;
        peeked
    }

    /// Ends the sending. What waits is discarded for good: the connection takes nothing any more and is not used again.
    fn die(&mut self, cause: Option<Error>) {
        note(|call| {
            call.ended = true;
            call.cut |= self.store.has_pending();
        });
        self.store.discard();
        self.is_dead = true;
        self.cause = self.cause.take().or(cause);
    }

    fn receive(&mut self) -> io::Result<usize> {
        let room = self.store.input_append_buf();
        if room.is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidData, "the answer comes to no end"));
        }
        let received = (&*self.stream).read(room)?;
        self.store.input_appended(received);
        if received > 0 {
            let is_first = self.has_sent;
            (self.is_fresh, self.has_sent) = (true, false);
            self.trust.answered(is_first.then(|| self.store.input()));
        }
        Ok(received)
    }

    /// What came in already, for a look from above TLS.
    fn receive_now(&mut self) -> Result<bool, Error> {
        self.stream.set_nonblocking(true)?;
        let received = (&*self.stream).read(self.store.input_append_buf());
        self.stream.set_nonblocking(false)?;
        let received = received?;
        self.store.input_appended(received);
        Ok(received > 0)
    }
}

impl Transport for Socket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.store
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.take_output(amount, &timeout);
        note(|call| call.waits = self.store.has_pending());
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        if CALL.get().looking {
            return if self.store.has_news() { Ok(true) } else { self.receive_now() };
        }
        if self.store.has_pending() {
            self.flush(&timeout);
            note(|call| call.waits = false);
            if self.store.has_news() {
                return Ok(true);
            }
        }
        let limit = if self.cause.is_some() { Some(GRACE) } else { timeout.per_read.map(|limit| *limit) };
        let wait = Wait::new(&timeout, limit, Timeout::PerRead);
        let failed = loop {
            let Ok(sleep) = wait.sleep() else { break Error::Timeout(wait.reason()) };
            set(&mut self.read_sleep, sleep, |sleep| self.stream.set_read_timeout(Some(sleep)));
            match self.receive() {
                Ok(0) => {
                    self.trust.lost();
                    return self.cause.take().map_or(Ok(false), Err);
                }
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_pause(&error) && !cfg!(windows) => {}
                Err(error) if is_pause(&error) => break Error::Timeout(wait.reason()),
                Err(error) => {
                    self.trust.lost();
                    break error.into();
                }
            }
        };
        // That it could not be sent is the news, not that nothing came back.
        Err(self.cause.take().unwrap_or(failed))
    }

    fn is_open(&mut self) -> bool {
        if CALL.get().looking {
            // Only asked from above TLS, whether something came.
            self.look();
            return true;
        }
        !self.is_dead
            && !self.store.has_pending()
            // What TLS has not taken yet came behind the answer, and would be taken for the next one.
            && self.store.input().is_empty()
            && (self.trust.is_enough() || {
                let is_open = matches!(self.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
                self.trust.probed(is_open)
            })
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("peer", &self.stream.peer_addr().ok()).finish_non_exhaustive()
    }
}

// ---- stale connections -------------------------------------------------------------------------------------------

/// May a connection be used again without a probe?
///
/// A server that closed it, or said something unasked, must be noticed *before* a request is sent: afterwards nobody
/// could tell whether it was acted on. A probe costs three system calls, so it is left out where it could hardly find
/// anything: in the first moments after a good answer, no longer than a round trip takes on a real network, during
/// which a closing would cross our request unseen in any case. And only for plain HTTP, on a connection that one probe
/// found open, to a server that never closed one or spoke unasked as long as this agent lives: one that does so costs
/// one question, once.
struct Trust {
    /// A server did so. Shared by all connections.
    wary: Arc<AtomicBool>,
    /// When something came in last.
    answered: Instant,
    /// The last answer was a success. Below TLS that cannot be seen, and a probe costs nothing beside its work.
    is_well: bool,
    /// A probe found it open.
    was_open: bool,
    /// It went back to the pool: the question that comes then is not the one before the next use.
    is_returned: bool,
    /// It was used again without a probe, and nothing came back yet.
    unproved: bool,
}

impl Trust {
    /// `first`: what the answer begins with.
    fn answered(&mut self, first: Option<&[u8]>) {
        if let Some(first) = first {
            self.is_well = first.starts_with(b"HTTP/1.1 2");
        }
        (self.answered, self.is_returned, self.unproved) = (Instant::now(), false, false);
    }

    fn is_enough(&mut self) -> bool {
        if !std::mem::replace(&mut self.is_returned, true) {
            return true;
        }
        let is_kept = self.is_well && self.was_open && !self.wary.load(Ordering::Relaxed);
        self.unproved = is_kept && self.answered.elapsed() < WARM;
        self.unproved
    }

    fn probed(&mut self, is_open: bool) -> bool {
        if !is_open {
            self.wary.store(true, Ordering::Relaxed);
        }
        self.was_open = is_open;
        is_open
    }

    /// No answer came.
    fn lost(&self) {
        if self.unproved {
            self.wary.store(true, Ordering::Relaxed);
        }
    }
}

// ---- patience ----------------------------------------------------------------------------------------------------

/// A wait with two ends, of which the nearer counts: that of the whole call, and of nothing moving.
struct Wait {
    total: Duration,
    total_reason: Timeout,
    idle: Duration,
    idle_reason: Timeout,
    begun: Instant,
    moved: Instant,
}

impl Wait {
    fn new(timeout: &NextTimeout, idle: Option<Duration>, idle_reason: Timeout) -> Self {
        let now = Instant::now();
        let idle = idle.unwrap_or(Duration::MAX);
        Self { total: *timeout.after, total_reason: timeout.reason, idle, idle_reason, begun: now, moved: now }
    }

    fn moved(&mut self) {
        self.moved = Instant::now();
    }

    fn left(&self) -> (Duration, Timeout) {
        let now = Instant::now();
        let total = self.total.saturating_sub(now - self.begun);
        let idle = self.idle.saturating_sub(now - self.moved);
        if idle < total { (idle, self.idle_reason) } else { (total, self.total_reason) }
    }

    /// How long to sleep in the kernel, if there is any time left.
    fn sleep(&self) -> Result<Duration, ()> {
        match self.left() {
            (Duration::ZERO, _) => Err(()),
            (left, _) => Ok(left.min(TICK)),
        }
    }

    fn reason(&self) -> Timeout {
        self.left().1
    }
}

/// The two names of the same thing: a sleep in the kernel ended and nothing had moved.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Tells the socket only what is new. macOS refuses to be told anything once the peer has closed; then what is there
/// to be read or refused comes without sleep, so that is no failure.
fn set(sleep: &mut Option<Duration>, wanted: Duration, set: impl FnOnce(Duration) -> io::Result<()>) {
    if *sleep != Some(wanted) && set(wanted).is_ok() {
        *sleep = Some(wanted);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Call, lend},
        *,
    };
    use crate::buffer::Buffer;
    use std::net::{Shutdown, TcpListener};

    /// So much has to be lent at least, and a kernel takes it all at once.
    const LENT: usize = 64 << 10;

    fn pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(Arc::new(stream), Arc::default()), listener.accept().unwrap().0)
    }

    fn put(socket: &mut Socket, bytes: &[u8]) {
        socket.buffers().output()[..bytes.len()].copy_from_slice(bytes);
        socket.transmit_output(bytes.len(), NextTimeout::default()).unwrap();
    }

    #[test]
    fn pieces_leave_together_when_the_answer_is_waited_for() {
        let (mut socket, mut server) = pair();
        put(&mut socket, b"head, ");
        put(&mut socket, b"body");
        server.set_nonblocking(true).unwrap();
        assert_eq!(server.peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        server.set_nonblocking(false).unwrap();
        server.write_all(b"answer").unwrap();
        assert!(socket.await_input(NextTimeout::default()).unwrap());
        assert_eq!(socket.buffers().input(), b"answer");
        let mut all = [0; 20];
        assert_eq!(server.read(&mut all).unwrap(), 10);
        assert!(all.starts_with(b"head, body"));
    }

    #[test]
    fn a_piece_is_not_kept_for_long() {
        let (mut socket, mut server) = pair();
        put(&mut socket, b"a line, ");
        socket.oldest -= KEPT;
        put(&mut socket, b"and one more");
        let mut all = [0; 20];
        server.read_exact(&mut all).unwrap();
        assert_eq!(&all, b"a line, and one more");
    }

    #[test]
    fn of_what_was_refused_whole_nothing_has_left() {
        let (mut socket, _server) = pair();
        let call = Call::begin();
        put(&mut socket, b"head and body");
        socket.stream.shutdown(Shutdown::Both).unwrap();
        let error = socket.await_input(NextTimeout::default()).unwrap_err();
        assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe));
        assert!(call.is_cut() && !call.has_left() && has_ended() && !socket.is_open());
    }

    #[test]
    fn of_what_was_refused_in_part_something_has() {
        let (mut socket, _server) = pair();
        let call = Call::begin();
        put(&mut socket, b"head");
        socket.flush(&NextTimeout::default());
        assert!(!call.is_cut() && call.has_left());
        put(&mut socket, b"body");
        socket.stream.shutdown(Shutdown::Both).unwrap();
        socket.await_input(NextTimeout::default()).unwrap_err();
        assert!(call.is_cut() && call.has_left());
    }

    #[test]
    fn that_something_waits_is_said_until_it_left() {
        let (mut socket, mut server) = pair();
        let _call = Call::begin();
        put(&mut socket, b"a request");
        assert!(CALL.get().waits && !CALL.get().left);
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        assert!(socket.await_input(NextTimeout::default()).unwrap());
        assert!(!CALL.get().waits && CALL.get().left);
    }

    #[test]
    fn what_waits_when_an_answer_is_seen_is_discarded() {
        let (mut socket, mut server) = pair();
        let call = Call::begin();
        put(&mut socket, b"the first part, ");
        socket.flush(&NextTimeout::default());
        server.write_all(b"HTTP/1.1 403 No\r\n\r\n").unwrap();
        put(&mut socket, b"the rest");
        assert!(socket.await_input(NextTimeout::default()).unwrap());
        assert!(call.is_cut() && socket.buffers().input().starts_with(b"HTTP/1.1 403"));
        drop(socket);
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"the first part, ");
    }

    /// A head that waits, stale bytes where the body is to be read to, and the body that is lent instead.
    fn lent(socket: &mut Socket, length: usize) -> (Buffer, bool) {
        put(socket, b"head");
        socket.buffers().output().fill(b'?');
        let mut buffer = Buffer::new(length);
        buffer.free(length).fill(b'b');
        buffer.grow(length);
        let is_lent = lend(socket.buffers().tmp_and_output().1, &buffer.share(length));
        (buffer, is_lent)
    }

    /// Everything that was ever sent.
    fn sent(socket: Socket, mut server: TcpStream) -> Vec<u8> {
        drop(socket);
        let mut all = Vec::new();
        server.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn what_is_lent_is_sent_at_once_and_given_back() {
        let (mut socket, server) = pair();
        let call = Call::begin();
        let (mut buffer, is_lent) = lent(&mut socket, LENT);
        assert!(is_lent);
        socket.transmit_output(LENT, NextTimeout::default()).unwrap();
        buffer.consume(LENT);
        assert!(!call.is_cut() && call.has_left() && !socket.store.has_pending());
        assert_eq!(sent(socket, server), [&b"head"[..], &[b'b'; LENT]].concat());
    }

    #[test]
    fn little_is_not_lent_and_nothing_twice_or_to_another_buffer() {
        let (mut socket, _server) = pair();
        let (mut buffer, is_lent) = lent(&mut socket, LENT - 1);
        assert!(!is_lent && !lend(socket.buffers().output(), &buffer.share(LENT - 1)));
        let (mut buffer, is_lent) = lent(&mut socket, LENT);
        assert!(is_lent && !lend(socket.buffers().output(), &buffer.share(LENT)));
        let output = socket.buffers().tmp_and_output().1;
        assert!(!lend(&output[1..], &buffer.share(LENT)), "another place");
        assert!(!lend(socket.buffers().output(), &buffer.share(LENT)), "the offer is gone");
    }

    #[test]
    fn of_a_piece_that_is_not_what_was_lent_nothing_leaves() {
        for amount in [1, LENT - 1, LENT + 1] {
            let (mut socket, server) = pair();
            let call = Call::begin();
            let (mut buffer, _) = lent(&mut socket, LENT);
            socket.transmit_output(amount, NextTimeout::default()).unwrap();
            buffer.consume(LENT);
            assert!(call.is_cut() && !call.has_left() && has_ended() && !socket.is_open());
            socket.transmit_output(10, NextTimeout::default()).unwrap();
            assert!(socket.cause.is_some());
            assert_eq!(sent(socket, server), b"");
        }
    }

    #[test]
    fn what_was_lent_is_given_back_by_whatever_comes_next() {
        let (mut socket, _server) = pair();
        {
            let _call = Call::begin();
            let (mut buffer, _) = lent(&mut socket, LENT);
            socket.buffers().tmp_and_output();
            buffer.consume(1);
        }
        let mut buffer = {
            let _call = Call::begin();
            lent(&mut socket, LENT).0
        };
        buffer.consume(1);
        let outer = Call::begin();
        let (mut buffer, _) = lent(&mut socket, LENT);
        {
            let _inner = Call::begin();
            assert!(take_loan().is_none(), "it is not the inner call's");
        }
        note(|call| call.ended = true);
        socket.transmit_output(LENT, NextTimeout::default()).unwrap();
        buffer.consume(1);
        assert!(outer.is_cut());
    }

    #[test]
    fn a_loan_is_cut_where_the_connection_breaks() {
        let (mut socket, _server) = pair();
        let call = Call::begin();
        let (mut buffer, _) = lent(&mut socket, LENT);
        socket.stream.shutdown(Shutdown::Both).unwrap();
        socket.transmit_output(LENT, NextTimeout::default()).unwrap();
        buffer.consume(LENT);
        assert!(call.is_cut() && !call.has_left() && socket.cause.is_some());
    }

    #[test]
    fn what_is_left_of_a_loan_when_an_answer_is_seen_is_discarded() {
        let (mut socket, mut server) = pair();
        let call = Call::begin();
        server.write_all(b"HTTP/1.1 403 No\r\n\r\n").unwrap();
        let (mut buffer, _) = lent(&mut socket, LENT);
        socket.transmit_output(LENT, NextTimeout::default()).unwrap();
        buffer.consume(LENT);
        assert!(call.is_cut() && call.has_left() && has_ended());
        assert!(socket.await_input(NextTimeout::default()).unwrap());
        assert_eq!(sent(socket, server), b"head");
    }

    #[test]
    fn go_on_is_no_answer() {
        let (mut socket, mut server) = pair();
        let call = Call::begin();
        put(&mut socket, b"the first part, ");
        socket.flush(&NextTimeout::default());
        server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        put(&mut socket, b"the rest");
        assert!(socket.await_input(NextTimeout::default()).unwrap());
        assert!(!call.is_cut());
        let mut all = [0; 24];
        server.read_exact(&mut all).unwrap();
    }

    #[test]
    fn an_inner_call_gives_the_outer_its_state_back() {
        let outer = Call::begin();
        note(|call| (call.ended, call.cut) = (true, true));
        {
            let inner = Call::begin();
            assert!(!has_ended() && !inner.is_cut());
        }
        assert!(has_ended() && outer.is_cut());
        drop(outer);
        assert!(!has_ended());
    }

    /// An exchange on a connection, as far as trust is concerned.
    fn exchange(trust: &mut Trust, answer: &[u8]) {
        trust.answered(Some(answer));
        assert!(trust.is_enough(), "it goes back to the pool");
    }

    #[test]
    fn trust_takes_a_probe_a_good_answer_and_a_server_that_never_closed() {
        let (mut socket, _server) = pair();
        let trust = &mut socket.trust;
        exchange(trust, b"HTTP/1.1 200 OK");
        assert!(!trust.is_enough(), "never probed");
        assert!(trust.probed(true));
        exchange(trust, b"HTTP/1.1 200 OK");
        assert!(trust.is_enough());
        exchange(trust, b"HTTP/1.1 200 OK");
        trust.answered -= WARM;
        assert!(!trust.is_enough(), "it is long ago");
        exchange(trust, b"HTTP/1.1 409 Conflict");
        assert!(!trust.is_enough(), "many close after those");
        exchange(trust, b"\x17\x03\x03");
        assert!(!trust.is_enough(), "what is encrypted is no known success");
        exchange(trust, b"HTTP/1.1 200 OK");
        assert!(trust.is_enough());
        trust.lost();
        exchange(trust, b"HTTP/1.1 200 OK");
        assert!(!trust.is_enough(), "it was wrong once");
    }

    #[test]
    fn a_connection_found_closed_ends_the_trust_in_all() {
        let (mut one, server) = pair();
        drop(server);
        let (mut other, _server) = pair();
        other.trust.wary = Arc::clone(&one.trust.wary);
        exchange(&mut other.trust, b"HTTP/1.1 200 OK");
        assert!(other.is_open());
        exchange(&mut other.trust, b"HTTP/1.1 200 OK");
        exchange(&mut one.trust, b"HTTP/1.1 200 OK");
        // The server's end of the stream may still be on its way.
        one.stream.peek(&mut [0]).unwrap();
        assert!(!one.is_open());
        assert!(!other.trust.is_enough());
    }

    #[test]
    fn a_wait_ends_when_nothing_moved_or_the_call_is_over() {
        let limit = |seconds| NextTimeout {
            after: Duration::from_secs(seconds).into(),
            reason: Timeout::Global,
            ..NextTimeout::default()
        };
        let mut wait = Wait::new(&limit(100), Some(Duration::from_secs(10)), Timeout::PerWrite);
        assert!(wait.sleep().unwrap() <= TICK);
        wait.begun -= Duration::from_secs(60);
        wait.moved -= Duration::from_secs(10);
        assert_eq!((wait.sleep(), wait.reason()), (Err(()), Timeout::PerWrite));
        wait.moved();
        assert!(wait.sleep().is_ok());
        wait.begun -= Duration::from_secs(40);
        assert_eq!((wait.sleep(), wait.reason()), (Err(()), Timeout::Global));
    }

    #[test]
    fn a_name_is_looked_up_for_a_proxy_and_otherwise_not_before_connecting() {
        let (name, config) = (Uri::from_static("http://oss.invalid/"), Config::builder().proxy(None).build());
        assert!(LookUp.resolve(&name, &config, NextTimeout::default()).unwrap().is_empty());
        let proxy = ureq::Proxy::new("http://127.0.0.1:3128").unwrap();
        let config = Config::builder().proxy(Some(proxy)).build();
        let uri = Uri::from_static("http://127.0.0.1:3128");
        assert_eq!(
            LookUp.resolve(&uri, &config, NextTimeout::default()).unwrap()[0],
            "127.0.0.1:3128".parse().unwrap()
        );
    }
}
