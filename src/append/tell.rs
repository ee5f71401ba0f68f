//! What the hook is told of an append: each repetition, each question and what came of it, and the end.

use super::{Append, Chunk, Course, Ended, Step};
use crate::{
    error::{Error, Outcome},
    event::{Event, Operation, Verdict},
};
use std::time::Duration;

impl Append<'_> {
    /// Before the pause; `made`: attempts until now.
    pub(super) fn tell_retry(&self, chunk: &Chunk, made: u32, pause: Duration, error: &Error) {
        let (operation, key) = (Operation::Append, self.key);
        let (position, length) = (Some(chunk.position()), chunk.length);
        let (attempt, attempts) = (made + 1, self.client.policy.attempts);
        let error = &error.clone().with_outcome(chunk.outcome());
        self.client.hook.tell(Event::Retry { operation, key, position, length, attempt, attempts, pause, error });
    }

    pub(super) fn tell_ask(&self, chunk: &Chunk, pause: Duration, error: &Error) {
        let (position, length) = (chunk.position(), chunk.length);
        let error = &error.clone().with_outcome(Outcome::Unknown);
        self.client.hook.tell(Event::Ask { key: self.key, position, length, pause, error });
    }

    /// What a question came to, asked for the bytes at `position`. What ends the append is told at its end.
    pub(super) fn tell_asked(&self, position: u64, chunk: &Chunk, course: &Course, step: &Step) {
        let verdict = match step {
            Step::Again(..) if course.write_only => Verdict::Forbidden,
            Step::Again(..) => Verdict::NotThere,
            Step::Moved => Verdict::Moved { position: chunk.position() },
            _ => return,
        };
        self.client.hook.tell(Event::Settled { key: self.key, position, length: chunk.length, verdict });
    }

    /// A good end is worth a word only where there was one before.
    pub(crate) fn tell_end(&self, chunk: &Chunk, ended: &Ended) {
        match &ended.landed {
            Ok(landed) if ended.troubled => {
                let (position, length, verdict) = (chunk.position(), Some(landed.bytes), Verdict::Landed);
                self.client.hook.tell(Event::Settled { key: self.key, position, length, verdict });
            }
            Ok(_) => {}
            Err(error) => self.tell_failed(chunk, error),
        }
    }

    pub(super) fn tell_failed(&self, chunk: &Chunk, error: &Error) {
        let (position, length) = (chunk.position(), chunk.length);
        self.client.hook.tell(Event::Failed { key: self.key, position, length, error });
    }

    /// HEAD told what cannot be true any more, and is asked for again.
    pub(super) fn tell_stale(&self, made: u32, pause: Duration, error: &Error) {
        let (operation, key, position, length) = (Operation::Head, self.key, None, None);
        let (attempt, attempts) = (made + 1, self.client.policy.attempts);
        self.client.hook.tell(Event::Retry { operation, key, position, length, attempt, attempts, pause, error });
    }
}
