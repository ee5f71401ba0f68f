//! Our transport under the HTTP client: sockets, buffers and look-ups (feature `wire`; without it, the client's own).
//!
//! The client does not read while it sends, sends head and body apart, looks a name up for every request, and takes
//! one blocking write for the measure of idleness. Its seams (`ureq::unversioned`) let us do better, and this room is
//! all that knows of them: they may change in a minor release, and then the feature can be switched off.
//!
//! ```text
//!   transport.rs   Call::begin() ─ the body is read until `has_ended()` ─ is_cut(), has_left()
//!        │                              ▲
//!     client                       what became of this call: one Cell per thread
//!        │                              ▲        ▲
//!   above_tls.rs   looks at what TLS had to decrypt │
//!      (TLS)                                     │
//!   socket.rs      collects, sends, ticks, looks, waits, and knows when a connection went stale
//!   buffers.rs     one place for head and body
//! ```
//!
//! - **One write.** Pieces are laid behind each other in one buffer; they leave when it is full or when the client
//!   begins to wait for the answer, which every request ends in. So nothing can be stuck, and bodies, asks, handshakes
//!   and CONNECT need no case of their own.
//! - **Early answers.** While bytes still wait to be sent, a look is taken at what came in. A final status line there,
//!   a failed write or an expired idle limit *ends* the call's sending: what waits is discarded, the body is read no
//!   further, and the answer is read, if there is one. Nothing that was discarded ever leaves, so such a request was
//!   never complete: [`Call::is_cut`]. Its connection is not used again.
//! - **Lent bytes.** Where a body is read straight into our buffer, a big piece of it may be lent instead of copied: it
//!   is sent from where it lies, at once, and given back. Whoever is in between (TLS, chunks, another transport) reads
//!   into a buffer of its own, and then it is copied.
//! - **Idle means that nothing moved.** The kernel wakes a sleeping writer late, so it is let sleep for a tick only.
//! - **Stale connections** are found by a probe before they are used again, as the client does; see `socket.rs` for
//!   the one case in which that is left out.
//!
//! The client calls a transport on the caller's thread only, so a thread-local is as good as an argument, which the
//! seams do not offer.
#![expect(clippy::disallowed_types, reason = "this room is the other side of the one that owns the wire")]

use crate::buffer::Shared;
use std::cell::Cell;
use ureq::{Agent, config::Config};

#[cfg(all(feature = "wire", any(feature = "rustls", feature = "native-tls")))]
mod above_tls;
#[cfg(feature = "wire")]
mod buffers;
#[cfg(feature = "wire")]
mod socket;

/// What became of the call that this thread makes.
#[cfg_attr(not(feature = "wire"), expect(dead_code, reason = "nobody is there to say"))]
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The rest of the body is not wanted: an answer is there, or the connection is gone.
    ended: bool,
    /// The end of the request was discarded.
    cut: bool,
    /// The kernel took bytes of it.
    left: bool,
    /// Bytes of it wait in the socket's buffer.
    waits: bool,
    /// Something came in that has to be decrypted to be known.
    readable: bool,
    /// Only what is there already is asked for.
    looking: bool,
}

/// A piece of the body that need not be copied. Good for the very next read, and the very next piece sent.
#[cfg_attr(not(feature = "wire"), expect(dead_code, reason = "nobody is there to offer"))]
#[derive(Default)]
enum Lending {
    #[default]
    Nothing,
    /// The client was given the buffer at this address to read the body into.
    Offered(usize),
    Lent(Shared),
}

/// Fewer are sooner copied than sent by a write of their own.
const LEAST_LENT: usize = 64 << 10;

thread_local! {
    static LENDING: Cell<Lending> = const { Cell::new(Lending::Nothing) };
    static CALL: Cell<State> = const {
        Cell::new(State { ended: false, cut: false, left: false, waits: false, readable: false, looking: false })
    };
}

/// One call, from before its first byte to the head of its answer.
///
/// A body's reader or a progress callback may make calls of its own meanwhile, or panic: the outer call's state comes
/// back when the inner one goes. What is lent is given back by then, whatever happened.
pub(crate) struct Call {
    outer: State,
    outer_lending: Lending,
}

impl Call {
    pub(crate) fn begin() -> Self {
        Self { outer: CALL.take(), outer_lending: replace_lending(Lending::Nothing) }
    }

    /// Was the end of the request discarded? Then no server can have got it whole. False where that is not known.
    pub(crate) fn is_cut(&self) -> bool {
        CALL.get().cut
    }

    /// Did any byte leave? Only known of a call that was cut.
    pub(crate) fn has_left(&self) -> bool {
        CALL.get().left
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALL.set(self.outer);
        replace_lending(std::mem::take(&mut self.outer_lending));
    }
}

/// On a thread that is ending there is no place for it any more: then nothing is lent.
fn replace_lending(new: Lending) -> Lending {
    LENDING.try_with(|lending| lending.replace(new)).unwrap_or_default()
}

/// Instead of copying these bytes to the beginning of the buffer. False: they are to be copied.
pub(crate) fn lend(buffer: &[u8], bytes: &Shared) -> bool {
    let Lending::Offered(place) = replace_lending(Lending::Nothing) else { return false };
    let is_lent = place == buffer.as_ptr().addr() && bytes.len() >= LEAST_LENT;
    if is_lent {
        replace_lending(Lending::Lent(bytes.clone()));
    }
    is_lent
}

/// A body may be read to there. What was lent before and not sent is so no more.
#[cfg(feature = "wire")]
fn offer(buffer: &[u8]) {
    replace_lending(Lending::Offered(buffer.as_ptr().addr()));
}

#[cfg(feature = "wire")]
fn take_loan() -> Option<Shared> {
    match replace_lending(Lending::Nothing) {
        Lending::Lent(bytes) => Some(bytes),
        _ => None,
    }
}

/// Is the rest of the body not wanted any more?
pub(crate) fn has_ended() -> bool {
    CALL.get().ended
}

#[cfg(not(feature = "wire"))]
pub(crate) fn agent(config: Config) -> Agent {
    config.new_agent()
}

#[cfg(feature = "wire")]
pub(crate) fn agent(config: Config) -> Agent {
    use ureq::unversioned::transport::{ConnectProxyConnector, Connector};

    // Each link makes a connection where there is none yet, wraps what it is given, or passes it on. A SOCKS proxy's is
    // the client's own, without what is promised here.
    let chain = ();
    #[cfg(feature = "socks")]
    let chain = chain.chain(ureq::unversioned::transport::SocksConnector::default());
    let chain = chain.chain(ConnectProxyConnector::default()).chain(socket::Connect::default());
    #[cfg(feature = "rustls")]
    let chain = chain.chain(above_tls::LookAbove(ureq::unversioned::transport::RustlsConnector::default()));
    #[cfg(feature = "native-tls")]
    let chain = chain.chain(above_tls::LookAbove(ureq::unversioned::transport::NativeTlsConnector::default()));
    Agent::with_parts(config, chain, socket::LookUp)
}

#[cfg(feature = "wire")]
fn note(change: impl FnOnce(&mut State)) {
    let mut state = CALL.get();
    change(&mut state);
    CALL.set(state);
}

/// Does it begin with an answer that is more than "go on"?
#[cfg(feature = "wire")]
fn is_final_answer(mut input: &[u8]) -> bool {
    // HTTP/1.1 100 Continue
    while input.len() >= 10 && input.starts_with(b"HTTP/1.") {
        if input[9] != b'1' {
            return true;
        }
        let Some(end) = input.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
        input = &input[end + 4..];
    }
    false
}

#[cfg(all(test, feature = "wire"))]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_final_unless_it_says_go_on() {
        for (input, is_final) in [
            ("", false),
            ("HTTP/1.1 ", false),
            ("HTTP/1.1 4", true),
            ("HTTP/1.0 200 OK\r\n", true),
            ("HTTP/1.1 100 Continue\r\n\r\n", false),
            ("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 403", true),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP", false),
            ("\x17\x03\x03 cipher text", false),
        ] {
            assert_eq!(is_final_answer(input.as_bytes()), is_final, "{input}");
        }
    }
}
