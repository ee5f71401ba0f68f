//! One append, told once: sign, send, read, verify; ask when unsure.
//!
//! A *chunk* is a key, a position P, the CRC-64 of what lies before it, and n bytes. The position is a
//! compare-and-swap: in one life of the object a resend and a late original can never both land. What can go wrong is
//! only to *misjudge* which of them did, and that is what this file is about.
//!
//! ```text
//!                 ┌────────────── again ──────────────┐
//!                 ▼                                   │
//!   chunk ──▶  attempt ── 200, place and CRC fit ──▶ landed
//!                 │
//!                 ├─ not sent ───────────▶ again, after a pause
//!                 ├─ refused, no doubt ──▶ told as it is: not applied
//!                 └─ anything else ──▶ ask: HEAD, read back, or present again
//!                                       │
//!                                       ├─ it is there ───────▶ landed
//!                                       ├─ not there yet ─────▶ again
//!                                       ├─ somebody else's ───▶ conflict, or (Rebase) again behind it
//!                                       └─ no answer ─────────▶ unknown
//! ```
//!
//! **Doubt belongs to the chunk, not to the attempt.** It begins when the last byte may have left without a 200 or a
//! refusal, and ends only by a 200, by finding the chunk, or by finding the object longer than P without it. While it
//! lasts, every error says [`Outcome::Unknown`].

use crate::{
    Progress,
    ask::{Ask, Expected, Seen},
    body::{self, Body},
    client::{Client, Mended},
    crc64,
    error::{Error, ErrorKind, Found, Outcome, Result},
    event::Place,
    options::Headers,
    position::{Appended, Checkpoint, Position, SIZE_LIMIT},
    request::{CONTENT_MD5, Method, Request},
    response::{self, Answer, is_spoiled},
    retry::Pauses,
    transport::{Lost, Sent},
};
use settle::Question;
use std::{
    borrow::Cow,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    time::Duration,
};

mod settle;
mod tell;

/// A busy object moves its end all the time; somewhere it must be said that there is no getting through.
const MOVES: u32 = 16;
/// Below this a body is sent again as cheaply as its refusal is asked for.
const SMALL: u64 = 64 << 10;
/// The refusal's code for an append that is not at the object's end.
const ELSEWHERE: &str = "PositionNotEqualToLength";
const WRONG_CRC: &str = "the object's CRC-64 is not what it should be after this append";

/// What stays the same for all attempts of one append.
#[derive(Clone, Copy)]
pub(crate) struct Append<'a> {
    pub(crate) client: &'a Client,
    pub(crate) key: &'a str,
    pub(crate) headers: &'a Headers,
    pub(crate) progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    /// Is the object (as far as we know) made by this append? Only then do create-time headers go out.
    pub(crate) creates: bool,
    /// Move behind a proved foreign append instead of failing.
    pub(crate) rebase: bool,
}

/// A place in an object that some bytes claim, and what became of them so far.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    pub(crate) start: Position,
    /// Known from the start, or once the source has ended.
    length: Option<u64>,
    /// Known once an attempt has read all bytes.
    crc64: Option<u64>,
    /// Where it is wanted: known before the first attempt, and the same for all.
    content_md5: Option<String>,
    /// May an attempt without a verdict have put it there?
    doubt: bool,
    /// Did all bytes leave in an attempt that was refused for its position? A proxy may have sent them twice.
    presented: bool,
    /// Bytes that an earlier life of this program may have appended, in other cuts.
    resumed: bool,
    /// Must be asked about before anything is sent: an earlier call could not settle it.
    unsettled: bool,
    /// A refusal named an end beyond P: an answer that says P is older than that.
    seen_longer: bool,
    /// A 200 told another CRC than this, and why is not found out yet.
    unverified: Option<u64>,
    /// The last call ended in a refusal that nobody could be asked about: the next one asks.
    unexplained: bool,
}

/// The chunk, or its beginning, is in.
#[derive(Debug)]
pub(crate) struct Landed {
    /// How many of the chunk's bytes. All, unless an earlier life had cut them differently.
    pub(crate) bytes: u64,
    /// Where to go on.
    pub(crate) end: Position,
    /// The service's own answer, if it came.
    pub(crate) answer: Option<Answer>,
}

/// Where an object ends, as an append of nothing tells it.
pub(crate) enum End {
    /// Where it was asked for; with the CRC of the whole object, if that is told.
    Here(Option<u64>),
    Elsewhere(u64),
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) landed: Result<Landed>,
    /// Was there anything to tell on the way? Then a good end is told as well.
    troubled: bool,
}

impl Chunk {
    pub(crate) fn new(start: Position, length: Option<u64>) -> Self {
        Self {
            start,
            length,
            crc64: None,
            content_md5: None,
            doubt: false,
            presented: false,
            resumed: false,
            unsettled: false,
            seen_longer: false,
            unverified: None,
            unexplained: false,
        }
    }

    /// Bytes which an earlier life may have sent already: in doubt until the first 200.
    pub(crate) fn resumed(start: Position, length: u64) -> Self {
        Self { resumed: true, doubt: true, ..Self::new(start, Some(length)) }
    }

    /// Is its fate open?
    pub(crate) fn is_open(&self) -> bool {
        self.doubt || self.unsettled || self.unverified.is_some()
    }

    /// Is it for the next call to find out why it was refused?
    pub(crate) fn is_unexplained(&self) -> bool {
        self.unexplained
    }

    /// To be asked about before anything is sent.
    pub(crate) fn unsettled(self) -> Self {
        Self { unsettled: true, ..self }
    }

    /// What a panic leaves of it: what may be there, or may still get there.
    pub(crate) fn after_panic(self) -> Option<Self> {
        let unsettled = self.unsettled || self.doubt || self.presented;
        Some(Self { unsettled, ..self }).filter(Self::is_open)
    }

    fn position(&self) -> u64 {
        self.start.position
    }

    /// Its length; where that is not known yet, more than any object can hold.
    fn len(&self) -> u64 {
        self.length.unwrap_or(SIZE_LIMIT)
    }

    pub(crate) fn end(&self) -> u64 {
        self.position().saturating_add(self.len())
    }

    /// It is not there, and nothing of ours can still put it there.
    fn clear(&mut self) {
        (self.doubt, self.presented, self.unsettled, self.unverified) = (false, false, false, None);
    }

    /// `NotApplied` only where no request of ours can have put it there, or still can.
    fn outcome(&self) -> Outcome {
        if self.doubt || self.presented { Outcome::Unknown } else { Outcome::NotApplied }
    }
}

/// What to do next.
enum Step {
    Done(Landed),
    /// Present the chunk again; the error is why, should there be no further attempt.
    Again(Error, Option<Duration>),
    /// The chunk moved behind somebody else's bytes: present it there.
    Moved,
    /// Present it now. Also after the request was mended (date, token), which is no further attempt.
    Present,
    Ask(Question),
    /// It is in, but the object's CRC is not what it should be, which is this.
    Verify(u64),
    /// No further attempt, though nothing final was said.
    GiveUp(Error),
    Stop(Error),
}

/// One call's way through attempts and questions.
struct Course {
    attempts: u32,
    moves: u32,
    pauses: Pauses,
    mended: Mended,
    /// HEAD is forbidden: the service is asked by presenting the chunk again.
    write_only: bool,
    /// Was the last attempt followed by a question?
    asked: bool,
    /// The last attempt broke off as it would if a refusal had come while the body was still going out.
    masked: bool,
    probed: bool,
    /// Was there anything to tell? Then the end is told as well.
    troubled: bool,
}

impl Append<'_> {
    /// Brings the chunk in, or says what became of it.
    pub(crate) fn run(&self, chunk: &mut Chunk, body: &mut Body<'_>) -> Result<Landed> {
        let ended = self.run_untold(chunk, body);
        self.tell_end(chunk, &ended);
        ended.landed
    }

    /// The same, but for telling the hook how it ended: it may panic, and what is known by then must be kept first.
    pub(crate) fn run_untold(&self, chunk: &mut Chunk, body: &mut Body<'_>) -> Ended {
        let mut course = Course {
            attempts: 0,
            moves: 0,
            pauses: self.client.policy.pauses(),
            mended: Mended::default(),
            write_only: false,
            asked: false,
            masked: false,
            probed: false,
            troubled: false,
        };
        let landed = self.go(chunk, body, &mut course);
        match &landed {
            Ok(_) => chunk.clear(),
            Err(error) => chunk.unsettled = error.outcome() == Outcome::Unknown,
        }
        Ended { landed: landed.map_err(|error| error.at(self.place(chunk))), troubled: course.troubled }
    }

    /// One attempt and no more, for a destructor: nothing is asked, nothing repeated, and only the hook told.
    pub(crate) fn try_once(&self, chunk: &mut Chunk, body: &mut Body<'_>) {
        let error = match self.attempt(chunk, body, &mut Mended::default(), &mut false) {
            Step::Done(_) => return,
            Step::Again(error, _) | Step::GiveUp(error) | Step::Stop(error) => error.with_outcome(chunk.outcome()),
            Step::Ask(question) => question.error.with_outcome(chunk.outcome()),
            Step::Verify(_) => Error::new(ErrorKind::Integrity, WRONG_CRC).with_outcome(Outcome::Applied),
            Step::Present | Step::Moved => {
                let what = "the date or the credentials were refused";
                Error::new(ErrorKind::Service, what).with_outcome(chunk.outcome())
            }
        };
        self.tell_failed(chunk, &error.at(format_args!("{}, by a destructor", self.place(chunk))));
    }

    fn go(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course) -> Result<Landed> {
        body.check()?;
        chunk.length = chunk.length.or_else(|| body.length());
        if chunk.position().saturating_add(chunk.length.unwrap_or(0)) > SIZE_LIMIT {
            let error = body::too_large("the object would grow beyond the 5 GiB it can hold");
            return Err(error.with_outcome(chunk.outcome()));
        }
        let mut step = chunk.unverified.map_or(Step::Present, Step::Verify);
        chunk.unexplained = false;
        if chunk.unsettled && chunk.unverified.is_none() {
            // What a refusal named long ago need not be true any more.
            chunk.seen_longer = false;
            let error = Error::new(ErrorKind::Transport, "an earlier attempt is still in doubt");
            step = match self.ask(chunk, body, course, Question::new(error)) {
                Step::Again(..) => Step::Present,
                step => step,
            };
        }
        loop {
            step = match step {
                Step::Done(landed) => return Ok(landed),
                Step::Stop(error) => return Err(error),
                Step::Present => {
                    course.asked = false;
                    self.attempt(chunk, body, &mut course.mended, &mut course.masked)
                }
                Step::Ask(question) => self.ask(chunk, body, course, question),
                Step::Verify(crc64) => {
                    (course.troubled, chunk.unverified) = (true, Some(crc64));
                    self.verify(chunk, crc64)
                }
                Step::GiveUp(error) => return self.give_up(chunk, body, course, error),
                Step::Moved if course.moves >= MOVES => {
                    return Err(conflict(Found::Longer, "others append faster than this can follow", chunk.position()));
                }
                Step::Moved => {
                    course.moves += 1;
                    course.pauses.wait(None, |_| {});
                    Step::Present
                }
                Step::Again(error, retry_after) => {
                    course.attempts += 1;
                    if course.attempts < self.client.policy.attempts && body.can_be_sent() {
                        course.troubled = true;
                        course.pauses.wait(retry_after, |pause| self.tell_retry(chunk, course.attempts, pause, &error));
                        self.reason(chunk, course).unwrap_or(Step::Present)
                    } else {
                        Step::GiveUp(error)
                    }
                }
            };
        }
    }

    /// No further attempt. What may be in is asked about a last time, unless that was just done.
    fn give_up(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course, error: Error) -> Result<Landed> {
        if (chunk.doubt || chunk.presented) && !course.asked && chunk.start.crc64.is_some() {
            match self.ask(chunk, body, course, Question::new(error.clone())) {
                Step::Done(landed) => return Ok(landed),
                Step::Stop(error) => return Err(error),
                _ => {}
            }
        }
        match self.reason(chunk, course) {
            Some(Step::Stop(refusal)) => Err(refusal),
            Some(Step::Ask(question)) => match self.ask(chunk, body, course, question) {
                Step::Done(landed) => Ok(landed),
                Step::Stop(refusal) => Err(refusal),
                _ => Err(error.with_outcome(chunk.outcome())),
            },
            _ => Err(error.with_outcome(chunk.outcome())),
        }
    }

    fn attempt(&self, chunk: &mut Chunk, body: &mut Body<'_>, mended: &mut Mended, masked: &mut bool) -> Step {
        #[cfg(feature = "md5")]
        if self.headers.content_md5 && chunk.content_md5.is_none() {
            match body.content_md5() {
                Ok(md5) => chunk.content_md5 = Some(md5),
                Err(error) => return Step::Stop(error.with_outcome(chunk.outcome())),
            }
        }
        let room = SIZE_LIMIT.saturating_sub(chunk.position());
        let mut exact = match body.attempt(chunk.crc64, room, self.progress) {
            Ok(exact) => exact,
            Err(error) => return Step::Stop(error.with_outcome(chunk.outcome())),
        };
        let mut request = self.request(chunk);
        // A token may expire again behind every attempt that was not refused for it.
        let repeated = std::mem::take(mended);
        let sent = catch_unwind(AssertUnwindSafe(|| self.client.send(&mut request, &mut exact)));
        let whole = exact.is_whole();
        let sent = sent.unwrap_or_else(|panic| {
            chunk.doubt |= whole;
            resume_unwind(panic)
        });
        if whole {
            chunk.length = Some(exact.taken());
            chunk.crc64 = Some(exact.crc64());
        }
        *masked = false;
        // From here on the bytes may be there, until something says that they are not.
        match sent {
            Err(lost) => {
                *masked = chunk.len() > 0 && is_reset(&lost.error) && (lost.sent == Sent::Part || chunk.len() > SMALL);
                self.after_loss(chunk, lost)
            }
            Ok(_) if !whole && exact.taken() == 0 => {
                let what = "an answer was there before the request was sent";
                Step::Again(Error::new(ErrorKind::Transport, what).with_transient(true), None)
            }
            Ok(answer) if answer.is_success() && whole => self.after_success(chunk, answer),
            Ok(answer) => {
                *mended = repeated;
                let mend = self.client.mend(&answer, &request, mended);
                match mend && body.can_be_sent() {
                    true => Step::Present,
                    false => self.after_refusal(chunk, &answer, whole),
                }
            }
        }
    }

    fn after_loss(&self, chunk: &mut Chunk, lost: Lost) -> Step {
        if lost.error.kind() != ErrorKind::Transport {
            // The source or the provider failed, not the network: the connection is gone and nothing was completed.
            return Step::Stop(lost.error.with_outcome(chunk.outcome()));
        }
        match lost.sent {
            Sent::Nothing => Step::Again(lost.error, None),
            Sent::Part if chunk.start.crc64.is_some() => Step::Ask(Question::new(lost.error)),
            Sent::Part => Step::GiveUp(lost.error),
            Sent::All => self.doubt(chunk, lost.error, None),
        }
    }

    fn after_refusal(&self, chunk: &mut Chunk, answer: &Answer, whole: bool) -> Step {
        let error = answer.error();
        if !answer.is_refusal() {
            let busy = answer.is_transient().then(|| answer.retry_after());
            return match (whole, chunk.start.crc64) {
                (true, _) => self.doubt(chunk, error, busy),
                (false, Some(_)) => Step::Ask(Question { busy, ..Question::new(error) }),
                (false, None) => Step::GiveUp(error),
            };
        }
        let code = error.code().unwrap_or_default();
        match code {
            ELSEWHERE | "FileAlreadyExists" => {
                let next = answer.number(response::NEXT_POSITION);
                // An end before P: no copy of this request can have been let in.
                chunk.presented |= whole && next.is_none_or(|next| next > chunk.position());
                chunk.seen_longer |= next.is_some_and(|next| next > chunk.position());
                let error = elsewhere(error, chunk.position(), next);
                Step::Ask(Question { elsewhere: Some(next), ..Question::new(error) })
            }
            // The service waits for bytes that all were sent: its word about an idle connection, not about this request.
            "RequestTimeout" if whole => self.doubt(chunk, error, None),
            code if is_spoiled(code) => Step::Again(error, None),
            _ if chunk.doubt || chunk.presented => Step::Ask(Question { refused: true, ..Question::new(error) }),
            _ => Step::Stop(error),
        }
    }

    fn after_success(&self, chunk: &mut Chunk, answer: Answer) -> Step {
        let next = answer.number(response::NEXT_POSITION);
        if next == Some(chunk.end()) {
            let (theirs, ours) = (answer.number(response::CRC64), chunk.crc64_after());
            match (theirs, ours) {
                (Some(theirs), Some(sum)) if theirs == sum => return Step::Done(chunk.landed(ours, Some(answer))),
                // A page that is not the service's proves nothing but by the right sum.
                _ if !answer.is_from_oss() => {}
                (Some(_), Some(ours)) => return Step::Verify(ours),
                _ => return Step::Done(chunk.landed(ours.or(theirs), Some(answer))),
            }
        }
        let error = match answer.is_from_oss() {
            true => Error::new(ErrorKind::Protocol, "the service says 200, but not where the object ends now")
                .with_next_position(next)
                .with_refusal(answer.refusal()),
            false => answer.error(),
        };
        self.doubt(chunk, error, None)
    }

    /// All bytes left, and nobody said what became of them.
    fn doubt(&self, chunk: &mut Chunk, error: Error, busy: Option<Option<Duration>>) -> Step {
        chunk.doubt = true;
        match chunk.start.crc64 {
            Some(_) => Step::Ask(Question { busy, ..Question::new(error) }),
            // Without the CRC of what lies before, an equal length would prove nothing.
            None => Step::GiveUp(error),
        }
    }

    /// The answer says that the bytes are in, and that the object's CRC is not what it should be.
    fn verify(&self, chunk: &mut Chunk, ours: u64) -> Step {
        self.tell_ask(chunk, Duration::ZERO, &Error::new(ErrorKind::Integrity, WRONG_CRC));
        let length = match self.question().head() {
            Seen::Object(head) if (head.length, head.crc64) == (chunk.end(), Some(ours)) => {
                return Step::Done(chunk.landed(Some(ours), None));
            }
            Seen::Object(head) => head.length,
            _ => chunk.end(),
        };
        if chunk.len() == 0 {
            chunk.clear();
            let what = "the object is not what was appended to it: its CRC-64 differs";
            return Step::Stop(conflict(Found::Different, what, chunk.position()));
        }
        let read = chunk.expected(None).and_then(|expected| self.question().read_back(&expected, length));
        chunk.clear();
        let what = match read {
            // The answer was wrong, and somebody appended before the question.
            Some(read) if read.ours && read.proved(chunk.start).is_some() => {
                return Step::Done(chunk.landed(Some(ours), None));
            }
            Some(read) if read.ours => {
                "the bytes are in unharmed, but what lies before them is not what was appended: its CRC-64 differs"
            }
            Some(_) => "the bytes were damaged on their way: what is in the object has another CRC-64",
            None => WRONG_CRC,
        };
        let error = Error::new(ErrorKind::Integrity, what);
        Step::Stop(error.with_outcome(Outcome::Applied).with_next_position(Some(chunk.end())))
    }

    fn request(&self, chunk: &Chunk) -> Request {
        let position = chunk.position().to_string();
        let mut request = Request::new(Method::Post, self.key).query("append", "").query("position", position);
        for (name, value) in &self.headers.always {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(md5) = &chunk.content_md5 {
            request = request.header(CONTENT_MD5, md5.clone());
        }
        if self.creates && chunk.position() == 0 {
            for (name, value) in &self.headers.creating {
                request = request.header(name.clone(), value.clone());
            }
        }
        request
    }

    /// A refusal that comes while the body is still going out can arrive as a reset: the client does not read while it
    /// sends. An append of nothing at the same place is refused in the same way, and is small enough to be answered.
    ///
    /// At 0 it would make the object; at 1 it cannot, and an object that is absent or empty answers that 1 is not its
    /// end (or, should the service ever say so, that it is not there), which is no reason.
    fn reason(&self, chunk: &mut Chunk, course: &mut Course) -> Option<Step> {
        if !std::mem::take(&mut course.masked) || std::mem::replace(&mut course.probed, true) {
            return None;
        }
        let place = Position { position: chunk.position().max(1), crc64: None };
        let answer = self.append_nothing(place).ok().filter(Answer::is_refusal)?;
        let is_of_place =
            answer.number(response::NEXT_POSITION) == Some(0) || answer.refusal().code.as_deref() == Some("NoSuchKey");
        if chunk.position() == 0 && is_of_place {
            return None;
        }
        match self.after_refusal(chunk, &answer, false) {
            // In doubt, and just asked about.
            Step::Ask(question) if question.refused => Some(Step::Stop(question.error.with_outcome(chunk.outcome()))),
            step => Some(step),
        }
    }

    /// Does the object end at `position`? An append of nothing tells those who may not read, and changes nothing.
    pub(crate) fn end_at(&self, position: u64) -> Result<End> {
        let answer = self.append_nothing(Position { position, crc64: None }).map_err(|lost| lost.error)?;
        match answer.number(response::NEXT_POSITION) {
            Some(next) if next == position && answer.is_success() && answer.is_from_oss() => {
                Ok(End::Here(answer.number(response::CRC64)))
            }
            Some(next)
                if next != position && answer.is_refusal() && answer.refusal().code.as_deref() == Some(ELSEWHERE) =>
            {
                Ok(End::Elsewhere(next))
            }
            _ => Err(answer.error()),
        }
    }

    fn append_nothing(&self, at: Position) -> Result<Answer, Lost> {
        let mut request = self.request(&Chunk::new(at, Some(0)));
        // Checksums of the body are not those of nothing.
        request.without(&[CONTENT_MD5, response::CRC64]);
        self.client.once(&mut request)
    }

    fn question(&self) -> Ask<'_> {
        Ask { client: self.client, key: self.key, payer: self.headers.request_payer() }
    }

    fn place(&self, chunk: &Chunk) -> Place<'_> {
        Place::append(self.key, chunk.position(), chunk.length)
    }
}

impl Chunk {
    /// CRC of the whole object once these bytes are in.
    fn crc64_after(&self) -> Option<u64> {
        Some(crc64::join(self.start.crc64?, self.crc64?, self.length?))
    }

    fn expected<'b>(&self, bytes: Option<&'b [u8]>) -> Option<Expected<'b>> {
        Some(Expected { position: self.position(), length: self.length?, crc64: self.crc64?, bytes })
    }

    /// Did an earlier life put the first `begun` bytes there, in another cut?
    fn landed_in_part(&self, body: &Body<'_>, begun: u64, crc64: Option<u64>) -> Option<Landed> {
        let first = self.expected(body.bytes()).filter(|_| self.resumed)?.crc64_of_first(begun)?;
        let end = Checkpoint { position: self.position(), crc64: self.start.crc64? }.join(first, begun);
        (crc64 == Some(end.crc64)).then(|| Landed { bytes: begun, end: end.into(), answer: None })
    }

    fn landed(&self, crc64: Option<u64>, answer: Option<Answer>) -> Landed {
        Landed { bytes: self.len(), end: Position { position: self.end(), crc64 }, answer }
    }
}

impl From<Landed> for Appended {
    fn from(landed: Landed) -> Self {
        let answer = landed.answer.as_ref();
        Self {
            next_position: landed.end.position,
            crc64: landed.end.crc64,
            etag: answer.and_then(Answer::etag),
            request_id: answer.and_then(|a| a.request_id().map(str::to_owned)),
            version_id: answer.and_then(|a| a.header(response::VERSION_ID).map(str::to_owned)),
        }
    }
}

fn conflict(found: Found, what: impl Into<Cow<'static, str>>, end: u64) -> Error {
    Error::new(ErrorKind::Conflict(found), what).with_next_position(Some(end))
}

/// The refusal for a wrong position, as a conflict with all that the service said.
pub(crate) fn elsewhere(refusal: Error, position: u64, next: Option<u64>) -> Error {
    let found = if next.is_some_and(|next| next < position) { Found::Shorter } else { Found::Longer };
    let what = match next {
        Some(_) => "the position is not the object's end",
        None => "the service did not take it at this position",
    };
    refusal.with_kind(ErrorKind::Conflict(found)).with_what(what).with_next_position(next)
}

fn is_reset(error: &Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(cause.kind(), ConnectionReset | BrokenPipe | ConnectionAborted | UnexpectedEof)
    })
}
