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
    ask::{Ask, Expected, Head, ReadBack, Seen},
    body::{self, Body},
    client::{Client, Mended},
    crc64,
    error::{Error, ErrorKind, Found, Outcome, Result},
    options::Headers,
    position::{Appended, Checkpoint, Position, SIZE_LIMIT},
    request::{Method, Request},
    response::{self, Answer, is_spoiled},
    retry::Pauses,
    transport::{Lost, Sent},
};
use std::{borrow::Cow, io, time::Duration};

/// A busy object moves its end all the time; somewhere it must be said that there is no getting through.
const MOVES: u32 = 16;
/// Below this a body is sent again as cheaply as its refusal is asked for.
const SMALL: u64 = 64 << 10;

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

impl Chunk {
    pub(crate) fn new(start: Position, length: Option<u64>) -> Self {
        Self {
            start,
            length,
            crc64: None,
            doubt: false,
            presented: false,
            resumed: false,
            unsettled: false,
            seen_longer: false,
        }
    }

    /// Bytes which an earlier life may have sent already: in doubt until the first 200.
    pub(crate) fn resumed(start: Position, length: u64) -> Self {
        Self { resumed: true, doubt: true, ..Self::new(start, Some(length)) }
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt
    }

    fn position(&self) -> u64 {
        self.start.position
    }

    /// Its length; where that is not known yet, more than any object can hold.
    fn len(&self) -> u64 {
        self.length.unwrap_or(SIZE_LIMIT)
    }

    pub(crate) fn end(&self) -> u64 {
        self.position() + self.len()
    }

    /// It is not there, and nothing of ours can still put it there.
    fn clear(&mut self) {
        (self.doubt, self.presented, self.unsettled) = (false, false, false);
    }

    /// `NotApplied` only where no request of ours can have put it there, or still can.
    fn outcome(&self) -> Outcome {
        if self.doubt { Outcome::Unknown } else { Outcome::NotApplied }
    }

    /// The same where equal bytes may have been found, or nothing could be found out.
    fn outcome_unproved(&self) -> Outcome {
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

/// Why an ask is needed, and what to say if it settles nothing.
struct Question {
    error: Error,
    /// A refusal for the wrong position, with the end it named.
    elsewhere: Option<Option<u64>>,
    /// The service was busy: ask after a pause, and not before this time has passed.
    busy: Option<Option<Duration>>,
    /// A refusal that is only told if the chunk is not found.
    refused: bool,
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
}

impl Append<'_> {
    /// Brings the chunk in, or says what became of it.
    pub(crate) fn run(&self, chunk: &mut Chunk, body: &mut Body<'_>) -> Result<Landed> {
        let mut course = Course {
            attempts: 0,
            moves: 0,
            pauses: self.client.policy.pauses(),
            mended: Mended::default(),
            write_only: false,
            asked: false,
            masked: false,
            probed: false,
        };
        let landed = self.go(chunk, body, &mut course);
        match landed {
            Ok(_) => chunk.clear(),
            Err(_) => chunk.unsettled = chunk.doubt || chunk.presented,
        }
        landed.map_err(|error| error.at(self.place(chunk)))
    }

    /// One attempt and no more, for a destructor: nothing is asked, nothing repeated, nobody told.
    pub(crate) fn try_once(&self, chunk: &mut Chunk, body: &mut Body<'_>) {
        let _ = self.attempt(chunk, body, &mut Mended::default(), &mut false);
    }

    fn go(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course) -> Result<Landed> {
        body.check()?;
        chunk.length = chunk.length.or_else(|| body.length());
        if chunk.position().saturating_add(chunk.length.unwrap_or(0)) > SIZE_LIMIT {
            return Err(body::too_large("the object would grow beyond the 5 GiB it can hold"));
        }
        let mut step = Step::Present;
        if chunk.unsettled {
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
                Step::Verify(crc64) => self.verify(chunk, crc64),
                Step::GiveUp(error) => return self.give_up(chunk, body, course, error),
                Step::Moved if course.moves >= MOVES => {
                    return Err(conflict(Found::Longer, "others append faster than this can follow", chunk.position()));
                }
                Step::Moved => {
                    course.moves += 1;
                    course.pauses.wait(None);
                    Step::Present
                }
                Step::Again(error, retry_after) => {
                    course.attempts += 1;
                    if course.attempts < self.client.policy.attempts && body.can_be_sent() {
                        course.pauses.wait(retry_after);
                        self.reason(chunk, course).unwrap_or(Step::Present)
                    } else {
                        Step::GiveUp(error)
                    }
                }
            };
        }
    }

    /// No further attempt. What is in doubt is asked about a last time, unless that was just done.
    fn give_up(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course, error: Error) -> Result<Landed> {
        if chunk.doubt && !course.asked && chunk.start.crc64.is_some() {
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

    // ---- sending -------------------------------------------------------------------------------------------------

    fn attempt(&self, chunk: &mut Chunk, body: &mut Body<'_>, mended: &mut Mended, masked: &mut bool) -> Step {
        let room = SIZE_LIMIT.saturating_sub(chunk.position());
        let mut exact = match body.attempt(chunk.crc64, room, self.progress) {
            Ok(exact) => exact,
            Err(error) => return Step::Stop(error.with_outcome(chunk.outcome())),
        };
        let mut request = self.request(chunk);
        let sent = self.client.send(&mut request, &mut exact);
        let whole = exact.is_whole();
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
            "PositionNotEqualToLength" | "FileAlreadyExists" => {
                chunk.presented |= whole;
                let next = answer.number(response::NEXT_POSITION);
                chunk.seen_longer |= next.is_some_and(|next| next > chunk.position());
                let error = elsewhere(error, chunk.position(), next);
                Step::Ask(Question { elsewhere: Some(next), ..Question::new(error) })
            }
            // The service waits for bytes that all were sent: its word about an idle connection, not about this request.
            "RequestTimeout" if whole => self.doubt(chunk, error, None),
            code if is_spoiled(code) => Step::Again(error, None),
            _ if chunk.doubt => Step::Ask(Question { refused: true, ..Question::new(error) }),
            _ => Step::Stop(error),
        }
    }

    fn after_success(&self, chunk: &mut Chunk, answer: Answer) -> Step {
        let next = answer.number(response::NEXT_POSITION);
        if next == Some(chunk.end()) {
            let (theirs, ours) = (answer.number(response::CRC64), chunk.crc64_after());
            match (theirs, ours) {
                (Some(theirs), Some(ours)) if theirs != ours => return Step::Verify(ours),
                (Some(_), Some(_)) => return Step::Done(chunk.landed(ours, Some(answer))),
                (theirs, ours) if answer.is_from_oss() => {
                    return Step::Done(chunk.landed(ours.or(theirs), Some(answer)));
                }
                _ => {}
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

    /// The bytes are in, and the object's CRC is not what it should be.
    fn verify(&self, chunk: &mut Chunk, ours: u64) -> Step {
        if let Seen::Object(head) = self.question().head()
            && (head.length, head.crc64) == (chunk.end(), Some(ours))
        {
            return Step::Done(chunk.landed(Some(ours), None));
        }
        chunk.clear();
        if chunk.len() == 0 {
            let what = "the object is not what was appended to it: its CRC-64 differs";
            return Step::Stop(conflict(Found::Different, what, chunk.position()));
        }
        let read = chunk.expected(None).and_then(|expected| self.question().read_back(&expected, chunk.end()));
        let what = match read {
            Some(read) if read.ours => {
                "the bytes are in unharmed, but what lies before them is not what was appended: its CRC-64 differs"
            }
            Some(_) => "the bytes were damaged on their way: what is in the object has another CRC-64",
            None => "the object's CRC-64 is not what it should be after this append",
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
        if self.creates && chunk.position() == 0 {
            for (name, value) in &self.headers.creating {
                request = request.header(name.clone(), value.clone());
            }
        }
        request
    }

    /// A refusal that comes while the body is still going out can arrive as a reset: the client does not read while it
    /// sends. An append of nothing at the same place is refused in the same way, and is small enough to be answered.
    fn reason(&self, chunk: &mut Chunk, course: &mut Course) -> Option<Step> {
        if !std::mem::take(&mut course.masked) || std::mem::replace(&mut course.probed, true) {
            return None;
        }
        let answer = self.client.once(&mut self.request(chunk)).ok()?;
        if !answer.is_refusal() {
            return None;
        }
        match self.after_refusal(chunk, &answer, false) {
            // In doubt, and just asked about.
            Step::Ask(question) if question.refused => Some(Step::Stop(question.error.with_outcome(chunk.outcome()))),
            step => Some(step),
        }
    }

    // ---- asking --------------------------------------------------------------------------------------------------

    fn ask(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course, question: Question) -> Step {
        if let Some(retry_after) = question.busy {
            course.pauses.wait(retry_after);
        }
        course.asked = true;
        chunk.crc64 = chunk.crc64.or_else(|| body.bytes().map(crc64::of));
        if course.write_only {
            return self.ask_by_presenting(chunk, body, question);
        }
        match self.look(chunk, course) {
            Seen::Object(head) => self.judge(chunk, body, head, question),
            Seen::Missing => self.judge_missing(chunk, question),
            Seen::Forbidden(_) => {
                course.write_only = true;
                self.ask_by_presenting(chunk, body, question)
            }
            Seen::Nothing(_) => self.no_answer(chunk, course, question),
        }
    }

    /// HEAD; an answer that is older than a refusal which named a later end is none, and asked for again.
    fn look(&self, chunk: &Chunk, course: &mut Course) -> Seen {
        let mut tries = self.client.policy.attempts;
        loop {
            let seen = self.question().head();
            let end = match &seen {
                Seen::Object(head) => head.length,
                Seen::Missing => 0,
                _ => return seen,
            };
            if !chunk.seen_longer || end != chunk.position() {
                return seen;
            }
            tries = tries.saturating_sub(1);
            if tries == 0 {
                return Seen::Nothing(Error::new(ErrorKind::Transport, "only old answers came"));
            }
            course.pauses.wait(None);
        }
    }

    fn no_answer(&self, chunk: &mut Chunk, course: &mut Course, question: Question) -> Step {
        match self.reason(chunk, course) {
            Some(Step::Stop(refusal)) => Step::Stop(refusal),
            Some(Step::Ask(named)) => Step::Stop(named.error.with_outcome(chunk.outcome_unproved())),
            _ => Step::Stop(question.error.with_outcome(chunk.outcome_unproved())),
        }
    }

    fn judge(&self, chunk: &mut Chunk, body: &mut Body<'_>, head: Head, question: Question) -> Step {
        let (length, start, end) = (head.length, chunk.position(), chunk.end());
        let after = chunk.crc64_after();
        if length == end && after.is_some() && head.crc64 == after {
            return self.found(chunk, after, &question);
        }
        if length == start && (head.crc64 == chunk.start.crc64 || head.crc64.is_none() || chunk.start.crc64.is_none()) {
            return self.judge_same(chunk, head, question);
        }
        if length == start {
            let what = "the object is as long as it was, but its CRC-64 differs: it was replaced";
            return Step::Stop(question.conflict(Found::Different, what, length).with_outcome(chunk.outcome()));
        }
        if length < start {
            let what = format!("the object ends at {length}, before the position: it was truncated or replaced");
            return Step::Stop(question.conflict(Found::Shorter, what, length).with_outcome(chunk.outcome()));
        }
        self.judge_longer(chunk, body, head, question)
    }

    /// The object ends where the chunk begins.
    fn judge_same(&self, chunk: &mut Chunk, head: Head, question: Question) -> Step {
        if head.appendable && !head.sealed {
            return question.again(chunk);
        }
        // Nothing can land there any more, if it is still the same object.
        if head.crc64.is_some() && head.crc64 == chunk.start.crc64 {
            chunk.clear();
        }
        let error = match head.sealed {
            true => question.conflict(Found::Sealed, "the object is sealed", head.length),
            false => Error::new(ErrorKind::NotAppendable, "the object is not appendable"),
        };
        Step::Stop(error.with_outcome(chunk.outcome()))
    }

    fn judge_missing(&self, chunk: &mut Chunk, question: Question) -> Step {
        if chunk.position() == 0 {
            return question.again(chunk);
        }
        let what = "there is no such object: it was deleted";
        Step::Stop(question.conflict(Found::Missing, what, 0).with_outcome(chunk.outcome()))
    }

    /// The object goes on beyond the chunk's position: ours, somebody else's, or both.
    fn judge_longer(&self, chunk: &mut Chunk, body: &Body<'_>, head: Head, question: Question) -> Step {
        let begun = head.length - chunk.position();
        if chunk.len() == 0 {
            chunk.clear();
            return Step::Stop(question.longer(head.length));
        }
        if head.length < chunk.end() {
            if let Some(landed) = chunk.landed_in_part(body, begun, head.crc64) {
                return Step::Done(landed);
            }
            if !self.rebase && !chunk.resumed {
                // A chunk lands whole, so these are others' bytes, and ours have lost their place.
                chunk.clear();
                return Step::Stop(question.longer(head.length));
            }
        }
        let Some(expected) = chunk.expected(body.bytes()) else {
            // Never sent whole, so it cannot be what is there.
            return Step::Stop(question.longer(head.length).with_outcome(chunk.outcome_unproved()));
        };
        match self.question().read_back(&expected, head.length) {
            Some(read) if read.length > chunk.position() => self.judge_read(chunk, read, &question),
            _ => Step::Stop(question.error.with_outcome(chunk.outcome_unproved())),
        }
    }

    /// The object's bytes from P on, in one snapshot with its length and CRC.
    fn judge_read(&self, chunk: &mut Chunk, read: ReadBack, question: &Question) -> Step {
        let tail = read.length - chunk.position();
        let whole = chunk.start.crc64.zip(read.tail).map(|(start, crc)| crc64::join(start, crc, tail));
        let replaced = whole.is_some() && read.crc64.is_some() && whole != read.crc64;
        // Only a prefix proved unchanged makes the rest an append of somebody else's.
        let proved = whole.filter(|_| whole == read.crc64);
        let error = match replaced {
            true => question.conflict(Found::Different, "the object was replaced by a longer one", read.length),
            false => question.longer(read.length),
        };
        if read.ours && chunk.doubt {
            if !replaced && (chunk.resumed || read.length == chunk.end()) {
                return Step::Done(chunk.landed(chunk.crc64_after(), None));
            }
            if let (true, Some(crc64)) = (self.rebase, proved) {
                let end = Position { position: read.length, crc64: Some(crc64) };
                return Step::Done(Landed { bytes: chunk.len(), end, answer: None });
            }
            chunk.clear();
            return Step::Stop(error.with_outcome(Outcome::Applied));
        }
        if read.ours {
            // Equal bytes, and no attempt of ours that could have put them there unseen: whose they are cannot be told.
            return Step::Stop(error.with_outcome(chunk.outcome_unproved()));
        }
        if chunk.resumed && read.in_common > 0 {
            // The beginning may be an earlier life's, cut elsewhere and followed by others'.
            return Step::Stop(error.with_outcome(Outcome::Unknown));
        }
        chunk.clear();
        match proved {
            Some(crc64) if self.rebase => {
                let start = Position { position: read.length, crc64: Some(crc64) };
                *chunk = Chunk { crc64: chunk.crc64, ..Chunk::new(start, chunk.length) };
                if chunk.end() > SIZE_LIMIT {
                    return Step::Stop(body::too_large("the object would grow beyond the 5 GiB it can hold"));
                }
                Step::Moved
            }
            _ => Step::Stop(error),
        }
    }

    /// The chunk as it should be was found at its place.
    fn found(&self, chunk: &mut Chunk, after: Option<u64>, question: &Question) -> Step {
        if chunk.doubt || chunk.len() == 0 {
            return Step::Done(chunk.landed(after, None));
        }
        // Equal bytes are there, and whose they are cannot be told.
        Step::Stop(question.longer(chunk.end()).with_outcome(chunk.outcome_unproved()))
    }

    /// For keys that may write and not read: the position in a refusal, and the CRC that an append of nothing returns.
    fn ask_by_presenting(&self, chunk: &mut Chunk, body: &Body<'_>, question: Question) -> Step {
        let Some(named) = question.elsewhere else {
            if question.refused {
                return Step::Stop(question.error.with_outcome(Outcome::Unknown));
            }
            return question.again(chunk);
        };
        let next = named.unwrap_or(u64::MAX);
        if next < chunk.position() {
            return Step::Stop(question.error.with_outcome(chunk.outcome()));
        }
        if next == chunk.end() {
            let after = chunk.crc64_after();
            if after.is_some() && self.crc64_at(next) == after {
                return self.found(chunk, after, &question);
            }
        } else if chunk.position() < next && next < chunk.end() {
            if !chunk.resumed {
                chunk.clear();
                return Step::Stop(question.error);
            }
            if let Some(landed) = chunk.landed_in_part(body, next - chunk.position(), self.crc64_at(next)) {
                return Step::Done(landed);
            }
        }
        Step::Stop(question.error.with_outcome(Outcome::Unknown))
    }

    /// The whole object's CRC, if it ends at `position`: an append of nothing tells, and changes nothing.
    fn crc64_at(&self, position: u64) -> Option<u64> {
        let probe = Chunk::new(Position { position, crc64: None }, Some(0));
        let answer = self.client.once(&mut self.request(&probe)).ok()?;
        let there =
            answer.is_success() && answer.is_from_oss() && answer.number(response::NEXT_POSITION) == Some(position);
        there.then(|| answer.number(response::CRC64))?
    }

    fn question(&self) -> Ask<'_> {
        Ask { client: self.client, key: self.key, payer: self.headers.request_payer() }
    }

    fn place(&self, chunk: &Chunk) -> String {
        match chunk.length {
            Some(length) => format!("append to {:?} at {}..{}", self.key, chunk.position(), chunk.position() + length),
            None => format!("append to {:?} at {}", self.key, chunk.position()),
        }
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

impl Question {
    fn new(error: Error) -> Self {
        Self { error, elsewhere: None, busy: None, refused: false }
    }

    /// The chunk is not there yet. What was refused is not presented again: the refusal would only be repeated.
    fn again(self, chunk: &mut Chunk) -> Step {
        if self.refused {
            return Step::Stop(self.error.with_outcome(chunk.outcome()));
        }
        Step::Again(self.error, None)
    }

    fn longer(&self, end: u64) -> Error {
        self.conflict(Found::Longer, format!("the object goes on to {end}: somebody else appended"), end)
    }

    /// A conflict, with what the service said if it was what told of it.
    fn conflict(&self, found: Found, what: impl Into<Cow<'static, str>>, end: u64) -> Error {
        match self.elsewhere {
            Some(_) => {
                self.error.clone().with_kind(ErrorKind::Conflict(found)).with_what(what).with_next_position(Some(end))
            }
            None => conflict(found, what, end),
        }
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
