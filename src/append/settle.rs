//! What became of a chunk: the service is asked, and its answer judged.

use super::{Append, Chunk, Course, End, Landed, Step};
use crate::{
    ask::{Head, ReadBack, Seen},
    body::{self, Body},
    crc64,
    error::{Error, ErrorKind, Found, Outcome},
    position::{Position, SIZE_LIMIT},
};
use std::{borrow::Cow, time::Duration};

/// Why an ask is needed, and what to say if it settles nothing.
pub(super) struct Question {
    pub(super) error: Error,
    /// A refusal for the wrong position, with the end it named.
    pub(super) elsewhere: Option<Option<u64>>,
    /// The service was busy: ask after a pause, and not before this time has passed.
    pub(super) busy: Option<Option<Duration>>,
    /// A refusal that is only told if the chunk is not found.
    pub(super) refused: bool,
}

impl Append<'_> {
    /// The one question: is the chunk there?
    pub(super) fn ask(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course, question: Question) -> Step {
        match question.busy {
            Some(retry_after) => {
                course.pauses.wait(retry_after, |pause| self.tell_ask(chunk, pause, &question.error));
            }
            None => self.tell_ask(chunk, Duration::ZERO, &question.error),
        }
        (course.asked, course.troubled) = (true, true);
        let position = chunk.position();
        let step = self.inquire(chunk, body, course, question);
        self.tell_asked(position, chunk, course, &step);
        step
    }

    fn inquire(&self, chunk: &mut Chunk, body: &mut Body<'_>, course: &mut Course, question: Question) -> Step {
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
        let mut tried = 1;
        loop {
            let seen = self.question().head();
            let end = match &seen {
                Seen::Object(head) => head.length,
                Seen::Missing => 0,
                _ => return seen,
            };
            if !chunk.seen_longer || end > chunk.position() {
                return seen;
            }
            if tried == self.client.policy.attempts {
                return Seen::Nothing(Error::new(ErrorKind::Transport, "only old answers came"));
            }
            let error = Error::new(ErrorKind::Transport, "the answer is older than one before");
            course.pauses.wait(None, |pause| self.tell_stale(tried, pause, &error));
            tried += 1;
        }
    }

    fn no_answer(&self, chunk: &mut Chunk, course: &mut Course, question: Question) -> Step {
        chunk.unexplained = true;
        match self.reason(chunk, course) {
            Some(Step::Stop(refusal)) => Step::Stop(refusal),
            Some(Step::Ask(named)) => Step::Stop(named.error.with_outcome(chunk.outcome())),
            _ => Step::Stop(question.error.with_outcome(chunk.outcome())),
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
            let what = "the object is as long as it should be, but its CRC-64 differs: it holds other bytes";
            return Step::Stop(question.conflict(Found::Different, what, length).with_outcome(chunk.outcome()));
        }
        if length < start {
            let what = format!("the object ends at {length}, before this position");
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
            false => question.named(ErrorKind::NotAppendable, "the object is not appendable"),
        };
        Step::Stop(error.with_outcome(chunk.outcome()))
    }

    fn judge_missing(&self, chunk: &mut Chunk, question: Question) -> Step {
        if chunk.position() == 0 {
            return question.again(chunk);
        }
        let what = "there is no such object";
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
            return Step::Stop(question.longer(head.length).with_outcome(chunk.outcome()));
        };
        match self.question().read_back(&expected, head.length) {
            Some(read) if read.length > chunk.position() => self.judge_read(chunk, read, &question),
            _ => {
                chunk.unexplained = true;
                Step::Stop(question.error.with_outcome(chunk.outcome()))
            }
        }
    }

    /// The object's bytes from P on, in one snapshot with its length and CRC.
    fn judge_read(&self, chunk: &mut Chunk, read: ReadBack, question: &Question) -> Step {
        let whole = read.whole(chunk.start);
        let replaced = whole.is_some() && read.crc64.is_some() && whole != read.crc64;
        // Only a prefix proved unchanged makes the rest an append of somebody else's.
        let proved = read.proved(chunk.start);
        let error = match replaced {
            true => question.conflict(
                Found::Different,
                "the object is longer, and not what it was before this position: it was replaced",
                read.length,
            ),
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
            return Step::Stop(error.with_outcome(chunk.outcome()));
        }
        if chunk.resumed && (read.in_common > 0 || self.rebase) {
            // The beginning may be an earlier life's, cut elsewhere and followed by others'; or it had moved behind
            // what others appended, and its bytes are there.
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
        Step::Stop(question.longer(chunk.end()).with_outcome(chunk.outcome()))
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
        if next == chunk.position() {
            return question.again(chunk);
        }
        if next < chunk.position() {
            return Step::Stop(question.error.with_outcome(chunk.outcome()));
        }
        if next == chunk.end() {
            let (after, there) = (chunk.crc64_after(), self.crc64_at(next));
            if after.is_some() && there == after {
                return self.found(chunk, after, &question);
            }
            chunk.unexplained = there.is_none();
        } else if chunk.position() < next && next < chunk.end() {
            if !chunk.resumed {
                chunk.clear();
                return Step::Stop(question.error);
            }
            let there = self.crc64_at(next);
            if let Some(landed) = chunk.landed_in_part(body, next - chunk.position(), there) {
                return Step::Done(landed);
            }
            chunk.unexplained = there.is_none();
        }
        Step::Stop(question.error.with_outcome(Outcome::Unknown))
    }

    /// The whole object's CRC, if it ends at `position`.
    fn crc64_at(&self, position: u64) -> Option<u64> {
        match self.end_at(position) {
            Ok(End::Here(crc64)) => crc64,
            _ => None,
        }
    }
}

impl Question {
    pub(super) fn new(error: Error) -> Self {
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
        self.conflict(Found::Longer, format!("the object goes on beyond this position, to {end}"), end)
    }

    /// A conflict, and where the object ends.
    fn conflict(&self, found: Found, what: impl Into<Cow<'static, str>>, end: u64) -> Error {
        self.named(ErrorKind::Conflict(found), what).with_next_position(Some(end))
    }

    /// What was found, with what the service said if a refusal of its own led to it.
    fn named(&self, kind: ErrorKind, what: impl Into<Cow<'static, str>>) -> Error {
        match self.refused || self.elsewhere.is_some() {
            true => self.error.clone().with_kind(kind).with_what(what),
            false => Error::new(kind, what),
        }
    }
}
