//! A look at the answer from above TLS, where it can be read.
#![expect(clippy::disallowed_types, reason = "a part of the room that owns the wire")]

use super::{CALL, has_ended, is_final_answer, note};
use ureq::{
    Error,
    unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport},
};

#[derive(Debug)]
pub(super) struct LookAbove;

impl<In: Transport> Connector<In> for LookAbove {
    type Out = Either<In, AboveTls<In>>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| match inner.is_tls() {
            true => Either::B(AboveTls { inner, has_read: false }),
            false => Either::A(inner),
        }))
    }
}

#[derive(Debug)]
pub(super) struct AboveTls<T> {
    inner: T,
    /// A look read something that the client has not been told of.
    has_read: bool,
}

impl<T: Transport> AboveTls<T> {
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

impl<T: Transport> Transport for AboveTls<T> {
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
