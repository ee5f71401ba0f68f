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
            Either::B(tls) => Either::B(AboveTls { inner: Box::new(tls), has_read: false }),
        }))
    }
}

#[derive(Debug)]
pub(super) struct AboveTls {
    inner: Box<dyn Transport>,
    /// A look read something that the client has not been told of.
    has_read: bool,
}

impl AboveTls {
    /// The socket saw that something came in. It may be a session ticket.
    fn look(&mut self, timeout: NextTimeout) {
        note(|call| call.looking = true);
        let read = self.inner.await_input(timeout);
        note(|call| call.looking = false);
        // What fails here fails again where the answer is waited for.
        if read.is_ok_and(|read| read) {
            self.has_read = true;
            if is_final_answer(self.inner.buffers().input()) {
                note(|call| call.ended = true);
            }
        }
    }
}

impl Transport for AboveTls {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if has_ended() {
            note(|call| call.cut |= amount > 0);
            return Ok(());
        }
        self.inner.transmit_output(amount, timeout)?;
        if CALL.get().readable && !has_ended() {
            note(|call| call.readable = false);
            self.look(timeout);
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        match std::mem::take(&mut self.has_read) {
            true => Ok(true),
            false => self.inner.await_input(timeout),
        }
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
