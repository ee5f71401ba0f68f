//! What can be made to go wrong.

use std::time::Duration;

/// What happens to one request.
///
/// "Applied" means that the operation was carried out, as far as the service's rules let it: an append at a wrong
/// position changes nothing under any fault. Faults can be joined with [`and`](Self::and).
///
/// Numbers of bytes count the whole request or answer, head included.
///
/// ```
/// # let oss = oss_append::testing::FakeOss::start()?;
/// use oss_append::testing::Fault;
///
/// oss.inject(Fault::Stall(std::time::Duration::from_millis(1)));
/// oss.inject(Fault::Refuse(503, "TotalQpsLimitExceeded").and(Fault::StrangerAfter(b"theirs".to_vec())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: this request goes well. For scripting the second or third.
    Pass,

    // Before anything is applied.
    /// The request is read whole and not applied; the connection is closed without an answer.
    LoseRequest,
    /// The connection is closed after so many bytes of the request. Applied only if that was all of it. Bytes that
    /// were already under way make it a reset.
    CutRequest(u64),
    /// 403 AccessDenied after the head; the body is not read, the connection is closed. A client that is still sending
    /// meets a reset.
    RefuseEarly,
    /// As [`RefuseEarly`](Self::RefuseEarly), with this status and code.
    RefuseEarlyWith(u16, &'static str),
    /// An untrue 200 after the head, as an append that went well would have it; then as
    /// [`RefuseEarly`](Self::RefuseEarly).
    AcceptEarly,
    /// An error of the service with this status and code, after the body was read. Not applied.
    Refuse(u16, &'static str),
    /// 403 AccessDenied as for a bucket in another region, whose error document names this endpoint as the right one.
    /// Not applied.
    WrongEndpoint(&'static str),
    /// A proxy's HTML page with this status and no request id. Not applied.
    Page(u16),
    /// One bit of the body arrives flipped, and is applied so. Nothing for an empty body.
    Damage,

    // Applied later than the client thinks. The connection is closed without an answer.
    /// Applied right behind the next HEAD of whatever object, which does not see it yet.
    ApplyLate,
    /// Applied right behind the so manieth request after this one, of whatever kind, which does not see it yet.
    ApplyAfter(u32),
    /// Applied when [`FakeOss::land`](super::FakeOss::land) is called.
    Hold,

    // Others at the same object. Nobody's rules hold them back.
    /// Somebody else appends these bytes just before this request is applied.
    StrangerBefore(Vec<u8>),
    /// Somebody else appends these bytes right behind this request.
    StrangerAfter(Vec<u8>),
    /// A proxy sends the request twice and passes on the second answer.
    Duplicate,

    // Applied, but the answer does not come back as it should.
    /// The connection is closed without an answer.
    LoseAnswer,
    /// As [`LoseAnswer`](Self::LoseAnswer), or as the fault it is joined with, but the connection ends by a reset and
    /// not in order. Only for requests with a body.
    Reset,
    /// Only so many bytes of the answer come, then the connection is closed.
    CutAnswer(u64),
    /// Bytes that are no HTTP come instead of the answer, then the connection is closed.
    Garbage,
    /// An error of the service with this status and code comes instead of the answer.
    FailAfter(u16, &'static str),
    /// A proxy's HTML page with this status comes instead of the answer.
    PageAfter(u16),
    /// The answer comes so much later.
    Stall(Duration),
    /// A 200 without any of the service's headers.
    StripHeaders,
    /// The answer with another status, headers unchanged.
    Status(u16),
    /// The CRC in the answer is another one.
    WrongCrc,
    /// The answer has no CRC.
    NoCrc,
    /// The next position in the answer is one too far.
    WrongNext,
    /// The answer does not say the next position.
    NoNext,
    /// The answer has this header, once.
    WithHeader(&'static str, &'static str),
    /// The answer lacks this header.
    WithoutHeader(&'static str),
    /// A HEAD or GET is answered as when an appendable object had this length and CRC.
    Stale {
        /// In bytes.
        length: u64,
        /// `None` leaves the header out.
        crc64: Option<u64>,
    },
    /// A GET with `Range` is answered with 200 and the whole object.
    IgnoreRange,

    // The connection behind a good answer.
    /// The connection is closed behind the answer, unannounced.
    CloseAfter,
    /// Behind the answer comes another one that nobody asked for, 400 RequestTimeout; then the connection is closed.
    Unasked,
    /// Before the answer comes, the service stops listening: connecting is refused until
    /// [`FakeOss::come_back`](super::FakeOss::come_back).
    GoAway,

    /// Both.
    Both(Box<Self>, Box<Self>),
}

impl Fault {
    /// Both faults to the same request.
    ///
    /// ```
    /// use oss_append::testing::Fault;
    ///
    /// // Applied, the answer lost, and before the client can ask, somebody else has appended.
    /// let fault = Fault::LoseAnswer.and(Fault::StrangerAfter(b"x".to_vec()));
    /// # let _ = fault;
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::Both(Box::new(self), Box::new(other))
    }
}

/// The faults of one request, taken apart.
#[derive(Default)]
pub(super) struct Script(Vec<Fault>);

impl From<Fault> for Script {
    fn from(fault: Fault) -> Self {
        let (mut simple, mut open) = (Vec::new(), vec![fault]);
        while let Some(fault) = open.pop() {
            match fault {
                Fault::Both(one, other) => open.extend([*other, *one]),
                fault => simple.push(fault),
            }
        }
        Self(simple)
    }
}

impl Script {
    pub(super) fn has(&self, fault: &Fault) -> bool {
        self.0.contains(fault)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// What the first fault says of which `pick` knows something.
    pub(super) fn find<'s, T>(&'s self, pick: impl FnMut(&'s Fault) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(pick)
    }
}
