//! A look at the answer from above TLS, where it can be read.
#![expect(clippy::disallowed_types, reason = "a part of the room that owns the wire")]

use super::{CALL, has_ended, is_final_answer, note};
use ureq::{
    Error,
    unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport},
};

/// A link of the chain that may put TLS over a connection, and a look over that.
#[derive(Debug)]
pub(super) struct LookAbove<C>(pub(super) C);

impl<In: Transport, T: Transport, C: Connector<In, Out = Either<In, T>>> Connector<In> for LookAbove<C> {
    type Out = Either<In, AboveTls>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(self.0.connect(details, chained)?.map(|connected| match connected {
            Either::A(plain) => Either::A(plain),
            // It is some kilobytes, and would be moved again and again.
            Either::B(tls) => {
                Either::B(AboveTls { inner: Box::new(tls), has_sent: false, has_read: false, is_over: false })
            }
        }))
    }
}

#[derive(Debug)]
pub(super) struct AboveTls {
    inner: Box<dyn Transport>,
    /// Something was sent since an answer was waited for.
    has_sent: bool,
    /// A look read something that the client has not been told of.
    has_read: bool,
    /// An answer was there before its request was out. Nothing of that leaves any more, and the connection is not used
    /// again: whoever answered may still take for that request's rest whatever comes.
    is_over: bool,
}

impl AboveTls {
    /// Did something come in? The socket sees that, and TLS is not asked: some take "nothing yet" for the end of all.
    fn has_come(&mut self) -> bool {
        note(|call| (call.looking, call.readable) = (true, false));
        self.inner.is_open();
        let come = CALL.get().readable;
        note(|call| (call.looking, call.readable) = (false, false));
        come
    }

    /// The socket saw that something came in. It may be a session ticket.
    fn look(&mut self, timeout: NextTimeout) {
        note(|call| call.looking = true);
        let read = self.inner.await_input(timeout);
        note(|call| call.looking = false);
        // What fails here fails again where the answer is waited for.
        if read.is_ok_and(|read| read) {
            self.has_read = true;
            if is_final_answer(self.inner.buffers().input()) {
                self.is_over = true;
                // The socket discards what waits there when it is asked for something next.
                note(|call| (call.ended, call.cut) = (true, call.cut | call.waits));
            }
        }
    }
}

impl Transport for AboveTls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.is_over || has_ended() {
            note(|call| call.cut |= amount > 0);
            return Ok(());
        }
        self.has_sent = true;
        self.inner.transmit_output(amount, timeout)?;
        if CALL.get().readable && !has_ended() {
            note(|call| call.readable = false);
            self.look(timeout);
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        // A last look, before the end of what was begun leaves. A small request waits here whole and goes without. (What
        // is read here later, an object perhaps, may be for another call's body, which waits and has begun as well.)
        let call = CALL.get();
        if std::mem::take(&mut self.has_sent) && !self.is_over && call.waits && call.left && self.has_come() {
            self.look(timeout);
            // What was no answer may have one behind it.
            self.has_sent = self.has_read && !self.is_over;
        }
        if std::mem::take(&mut self.has_read) && !self.inner.buffers().input().is_empty() {
            return Ok(true);
        }
        let call = CALL.get();
        // Also when the call is over, and only its answer's body is read.
        note(|call| call.ended |= self.is_over);
        let read = self.inner.await_input(timeout);
        if self.is_over {
            CALL.set(call);
        }
        read
    }

    fn is_open(&mut self) -> bool {
        !self.is_over && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Call, *};
    use ureq::unversioned::transport::LazyBuffers;

    /// TLS over a socket that sees something come in with every piece that is sent.
    #[derive(Debug)]
    struct Tls {
        buffers: LazyBuffers,
        comes: &'static [u8],
        /// Was it told, when it was asked for input last, that the call's sending had ended?
        told: Option<bool>,
        asked: u32,
    }

    impl Transport for Tls {
        fn buffers(&mut self) -> &mut dyn Buffers {
            &mut self.buffers
        }

        fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
            note(|call| call.readable = true);
            Ok(())
        }

        fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
            (self.told, self.asked) = (Some(has_ended()), self.asked + 1);
            let came = std::mem::take(&mut self.comes);
            self.buffers.input_append_buf()[..came.len()].copy_from_slice(came);
            self.buffers.input_appended(came.len());
            Ok(!came.is_empty())
        }

        fn is_open(&mut self) -> bool {
            note(|call| call.readable |= call.looking && !self.comes.is_empty());
            true
        }
    }

    fn above(comes: &'static [u8]) -> AboveTls {
        let tls = Tls { buffers: LazyBuffers::new(1024, 1024), comes, told: None, asked: 0 };
        AboveTls { inner: Box::new(tls), has_sent: false, has_read: false, is_over: false }
    }

    const EARLY: &[u8] = b"HTTP/1.1 403 Forbidden\r\n\r\n";

    fn send(above: &mut AboveTls, amount: usize) {
        above.transmit_output(amount, NextTimeout::default()).unwrap();
    }

    #[test]
    fn after_an_early_answer_nothing_is_sent_and_the_connection_not_used_again() {
        let (mut above, call) = (above(EARLY), Call::begin());
        assert!(above.is_open());
        send(&mut above, 10);
        assert!(has_ended() && !call.is_cut() && !above.is_open());
        send(&mut above, 10);
        assert!(call.is_cut());
        drop(call);
        let call = Call::begin();
        send(&mut above, 10);
        assert!(call.is_cut() && !above.is_open());
    }

    #[test]
    fn what_waits_in_the_socket_when_an_answer_is_seen_is_cut() {
        let (mut above, call) = (above(EARLY), Call::begin());
        note(|call| call.waits = true);
        send(&mut above, 10);
        assert!(call.is_cut());
    }

    #[test]
    fn the_socket_is_told_to_discard_what_waits_after_the_call_too() {
        let (mut above, call) = (above(EARLY), Call::begin());
        send(&mut above, 10);
        drop(call);
        let length = above.buffers().input().len();
        above.buffers().input_consume(length);
        assert!(!has_ended());
        above.await_input(NextTimeout::default()).unwrap();
        assert!(format!("{:?}", above.inner).contains("told: Some(true)"));
        assert!(!has_ended(), "it is the other call's no more");
    }

    #[test]
    fn what_a_look_read_is_news_once() {
        let (mut above, _call) = (above(b"HTTP/1.1 100 Continue\r\n\r\n"), Call::begin());
        send(&mut above, 10);
        assert!(!has_ended() && above.is_open());
        assert!(above.await_input(NextTimeout::default()).unwrap(), "it is there");
        assert!(!above.await_input(NextTimeout::default()).unwrap(), "nothing came since");
    }

    #[test]
    fn before_the_end_of_what_was_begun_leaves_a_last_look_is_taken() {
        let (mut above, call) = (above(b""), Call::begin());
        send(&mut above, 10);
        above.inner = self::above(EARLY).inner;
        note(|call| (call.waits, call.left) = (true, true));
        assert!(above.await_input(NextTimeout::default()).unwrap());
        assert!(has_ended() && call.is_cut() && !above.is_open());
    }

    #[test]
    fn where_nothing_came_tls_is_not_asked_before_the_end_has_left() {
        let (mut above, _call) = (above(b""), Call::begin());
        send(&mut above, 10);
        above.inner = self::above(b"").inner;
        note(|call| (call.waits, call.left) = (true, true));
        above.await_input(NextTimeout::default()).unwrap();
        assert!(format!("{:?}", above.inner).contains("asked: 1"), "{:?}", above.inner);
    }

    #[test]
    fn behind_what_is_no_answer_the_next_look_finds_one() {
        let (mut above, call) = (above(b""), Call::begin());
        send(&mut above, 10);
        above.inner = self::above(b"HTTP/1.1 100 Continue\r\n\r\n").inner;
        note(|call| (call.waits, call.left) = (true, true));
        assert!(above.await_input(NextTimeout::default()).unwrap() && !has_ended());
        above.inner = self::above(EARLY).inner;
        assert!(above.await_input(NextTimeout::default()).unwrap());
        assert!(call.is_cut() && !above.is_open());
    }

    #[test]
    fn what_is_read_for_another_calls_body_is_no_answer_to_that() {
        let (mut above, call) = (above(EARLY), Call::begin());
        note(|call| (call.waits, call.left) = (true, true));
        assert!(above.await_input(NextTimeout::default()).unwrap());
        assert!(!has_ended() && !call.is_cut() && above.is_open());
    }

    #[test]
    fn what_was_taken_meanwhile_is_no_news() {
        let (mut above, _call) = (above(EARLY), Call::begin());
        send(&mut above, 10);
        let length = above.buffers().input().len();
        above.buffers().input_consume(length);
        assert!(!above.await_input(NextTimeout::default()).unwrap());
    }
}
