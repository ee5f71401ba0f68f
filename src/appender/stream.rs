//! The stream behind an appender: what is confirmed, what is pending, what is in doubt.

use super::builder::{OnConflict, Roll, Rolled};
use crate::{
    AppendOptions, Body, Bucket, Checkpoint,
    append::{Append, Chunk, End, Ended},
    ask::{Ask, Seen},
    body::{read_some, too_large},
    buffer::Buffer,
    clock, crc64, endpoint,
    error::{Error, ErrorKind, Found, Outcome, Result},
    event::Event,
    options::Headers,
    position::SIZE_LIMIT,
};
use std::{
    io::{self, Read},
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::PoisonError,
    time::{Duration, Instant},
};

pub(super) struct Stream {
    pub(super) bucket: Bucket,
    pub(super) key: String,
    pub(super) options: AppendOptions,
    pub(super) headers: Headers,
    pub(super) flush_threshold: usize,
    pub(super) max_age: Option<Duration>,
    pub(super) whole_lines: bool,
    pub(super) on_conflict: OnConflict,
    pub(super) roll: Option<Roll>,
    pub(super) confirmed: Checkpoint,
    pub(super) existed: Option<bool>,
    /// An earlier life may have sent what will be written: true until the first answer of the service's.
    pub(super) resumed: bool,
    /// Accepted and not confirmed.
    pub(super) buffer: Buffer,
    /// Since when the oldest of them waits.
    pub(super) oldest: Option<Instant>,
    /// The beginning of the buffer, cut and sent, its fate open or failed. It keeps its cut.
    pub(super) chunk: Option<Chunk>,
    /// What every call repeats until `resync`.
    pub(super) failed: Option<Error>,
    /// The user was told that pending bytes did not get through: dropping must not send them behind his back.
    pub(super) reported: bool,
}

impl Stream {
    // ---- taking bytes --------------------------------------------------------------------------------------------

    /// Takes what fits, after everything that can fail.
    pub(super) fn accept(&mut self, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        // More than the buffer holds is no record, and is taken piece by piece.
        let record = data.len() <= self.buffer.capacity();
        let wanted = if record { data.len() } else { 1 };
        let room = self.make_room(wanted, record)?;
        if self.end() + wanted as u64 > SIZE_LIMIT {
            return Err(self.is_full());
        }
        let taken = self.buffer.push(&data[..room.min(data.len())]);
        self.note_age();
        Ok(taken)
    }

    pub(super) fn copy_from(&mut self, reader: &mut impl Read) -> io::Result<u64> {
        let mut copied = 0;
        loop {
            self.check()?;
            self.settle_frozen()?;
            // Only a further byte asks for another object, or is one too many for this.
            let at_limit = self.end() >= self.limit();
            let done = at_limit && self.is_done_with_this()?;
            let read = if done || (at_limit && self.end() >= SIZE_LIMIT) {
                let mut one = [0];
                let read = read_some(reader, &mut one)?;
                if self.roll.is_some() && read > 0 {
                    let refused = (!done).then(|| self.is_full());
                    // It cannot be given back, whatever comes, be it a panic; and there is room for it.
                    self.buffer.push(&one);
                    self.note_age();
                    if let Some(error) = refused {
                        return Err(error.into());
                    }
                    self.go_on_in_the_next()?;
                    read
                } else {
                    self.accept(&one[..read])?
                }
            } else {
                let room = self.make_room(1, false)?;
                if room == 0 {
                    // Others filled the object meanwhile. An empty read would look like the reader's end.
                    continue;
                }
                let read = read_some(reader, self.buffer.free(room.min(crc64::PIECE)))?;
                self.buffer.grow(read);
                self.note_age();
                read
            };
            if read == 0 {
                return Ok(copied);
            }
            copied += read as u64;
        }
    }

    /// Everything that can fail before `wanted` more bytes are taken; returns how many can be.
    fn make_room(&mut self, wanted: usize, record: bool) -> Result<usize> {
        self.check()?;
        self.settle_frozen()?;
        self.send_due()?;
        let after = self.end() + wanted as u64;
        let full = self.roll.is_some() && if record { after > self.limit() } else { self.end() >= self.limit() };
        if full {
            self.roll_over()?;
        }
        if wanted > self.buffer.len_free() {
            self.send_lines()?;
        }
        if self.buffer.len_free() == 0 {
            self.send_everything()?;
        }
        // A record, or a line longer than what an object should hold, has one to itself.
        let limit = if record || self.end() >= self.limit() { SIZE_LIMIT } else { self.limit() };
        let (left, free) = (limit.saturating_sub(self.end()), self.buffer.len_free());
        Ok(usize::try_from(left).map_or(free, |left| left.min(free)))
    }

    pub(super) fn check(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    /// Where the object will end once everything accepted is in.
    fn end(&self) -> u64 {
        self.confirmed.position + self.buffer.len() as u64
    }

    fn is_full(&self) -> Error {
        let end = self.end();
        let what = format!("{:?} would grow beyond the 5 GiB an object can hold: it ends at {end}", self.key);
        too_large(what).with_next_position(Some(end))
    }

    fn limit(&self) -> u64 {
        self.roll.as_ref().map_or(SIZE_LIMIT, |roll| roll.max_bytes.min(SIZE_LIMIT))
    }

    fn note_age(&mut self) {
        if self.max_age.is_some() && self.oldest.is_none() && !self.buffer.is_empty() {
            self.oldest = Some(clock::instant());
        }
    }

    fn is_due(&self) -> bool {
        self.max_age.zip(self.oldest).is_some_and(|(age, oldest)| oldest.elapsed() >= age)
    }

    // ---- sending them --------------------------------------------------------------------------------------------

    pub(super) fn flush(&mut self) -> Result<()> {
        self.check()?;
        self.settle_frozen()?;
        if self.buffer.len() < self.flush_threshold && !self.is_due() {
            return Ok(());
        }
        self.send_everything()
    }

    pub(super) fn send_due(&mut self) -> Result<()> {
        if self.is_due() { self.send_lines() } else { Ok(()) }
    }

    pub(super) fn send_everything(&mut self) -> Result<()> {
        self.settle_frozen()?;
        self.send(self.buffer.len())
    }

    /// What is cut by itself and not by the user: with `whole_lines`, after the last newline.
    fn send_lines(&mut self) -> Result<()> {
        self.settle_frozen()?;
        let pending = self.buffer.bytes();
        let lines = match self.whole_lines {
            true => pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1),
            false => pending.len(),
        };
        self.send(lines)
    }

    /// Nothing is cut anew before what is in doubt is settled.
    fn settle_frozen(&mut self) -> Result<()> {
        match self.chunk.take() {
            Some(chunk) => self.deliver(chunk),
            None => Ok(()),
        }
    }

    fn send(&mut self, mut bytes: usize) -> Result<()> {
        // One request; more only where an earlier life had cut the same bytes differently.
        while bytes > 0 {
            // Others may have filled the object meanwhile (Rebase).
            if self.confirmed.position > 0 && self.confirmed.position + bytes as u64 > SIZE_LIMIT {
                self.go_on_in_the_next()?;
            }
            let before = self.buffer.len();
            self.deliver(self.cut(bytes))?;
            bytes -= before - self.buffer.len();
        }
        Ok(())
    }

    /// The first bytes, which nobody has sent yet but perhaps an earlier life.
    fn cut(&self, bytes: usize) -> Chunk {
        match self.resumed {
            true => Chunk::resumed(self.confirmed.into(), bytes as u64),
            false => Chunk::new(self.confirmed.into(), Some(bytes as u64)),
        }
    }

    fn deliver(&mut self, mut chunk: Chunk) -> Result<()> {
        self.reported = true;
        let run = AssertUnwindSafe(|| {
            let mut body = self.body(length_of(&chunk));
            self.append().run_untold(&mut chunk, &mut body)
        });
        // A provider, a callback or a hook may panic in there, and the chunk is then where it had come to.
        let ended = catch_unwind(run);
        // It moved behind what others appended, which was proved: that is where it may be now.
        if let (true, Some(crc64)) = (chunk.start.position > self.confirmed.position, chunk.start.crc64) {
            self.confirmed = Checkpoint { position: chunk.start.position, crc64 };
            self.failed = None;
        }
        match ended {
            Ok(ended) => {
                self.take_end(chunk.clone(), &ended);
                self.append().tell_end(&chunk, &ended);
                ended.landed.map(drop)
            }
            Err(panic) => {
                self.chunk = chunk.after_panic();
                resume_unwind(panic)
            }
        }
    }

    /// What the end of a chunk makes of the stream.
    fn take_end(&mut self, chunk: Chunk, ended: &Ended) {
        match &ended.landed {
            Ok(landed) => {
                self.resumed &= landed.answer.is_none();
                self.confirmed = Checkpoint {
                    position: landed.end.position,
                    crc64: landed.end.crc64.expect("the CRC of what lies before was known"),
                };
                self.let_go(usize::try_from(landed.bytes).expect("a chunk is a part of the buffer"));
                (self.chunk, self.failed) = (None, None);
            }
            Err(error) => {
                // A 200 of its own, or the proof that it is not in: nothing of an earlier life is behind that.
                let proved = error.outcome() == Outcome::NotApplied && !chunk.is_open();
                self.resumed &= !proved && error.kind() != ErrorKind::Integrity;
                let sticky = match error.kind() {
                    ErrorKind::Conflict(_) => !chunk.is_unexplained(),
                    kind => matches!(kind, ErrorKind::Integrity | ErrorKind::Protocol),
                };
                self.failed = sticky.then(|| error.clone());
                // What is certainly not in may be cut anew.
                self.chunk = (sticky || error.outcome() == Outcome::Unknown).then_some(chunk);
            }
        }
    }

    /// These are in: they are ours no longer.
    fn let_go(&mut self, bytes: usize) {
        self.buffer.consume(bytes);
        self.reported = false;
        self.oldest = None;
        self.note_age();
    }

    /// For a destructor: one attempt, and nothing after it.
    pub(super) fn last_attempt(&mut self) {
        if self.reported || self.chunk.is_some() || self.buffer.is_empty() {
            return;
        }
        let pending = self.buffer.len();
        let mut chunk = self.cut(pending);
        let mut body = self.body(pending);
        self.append().try_once(&mut chunk, &mut body);
    }

    fn body(&mut self, bytes: usize) -> Body<'static> {
        let crc64 = self.buffer.crc64_of_first(bytes);
        Body::shared(self.buffer.share(bytes), crc64)
    }

    // ---- the object ----------------------------------------------------------------------------------------------

    /// The bytes whose fate is not known, as positions.
    pub(super) fn in_doubt(&self) -> Option<Range<u64>> {
        let (start, end) = match &self.chunk {
            Some(chunk) if chunk.is_open() => (chunk.start.position, chunk.end()),
            // Its fate is known; that of what is behind it may not be.
            Some(chunk) => (chunk.end(), chunk.end()),
            None => (self.confirmed.position, self.confirmed.position),
        };
        // All that an earlier life may have sent.
        let end = if self.resumed { self.end() } else { end };
        (start < end).then_some(start..end)
    }

    /// Settles what is pending, then accepts the object as it is now. Until both are done nothing is accepted.
    pub(super) fn resync(&mut self) -> Result<()> {
        let (mut told, before) = (self.failed.clone(), self.buffer.len());
        let settled = self.settle(&mut told);
        if settled.is_ok() && self.resumed && self.chunk.is_none() {
            // What lies behind may be an earlier life's, and still to be recognised: it stays, if nothing stands in the
            // way (any more).
            if self.failed.is_some() {
                self.nothing_lies_behind()?;
            }
            self.failed = None;
            return Ok(());
        }
        let settled = settled.and_then(|landed| match self.look() {
            // An earlier life's, for all that is known, and to be recognised: not to be stepped over. What is pending is
            // in, all of it.
            Ok((end, _)) if self.resumed && end.position > self.confirmed.position + landed as u64 => {
                Err(untold().with_outcome(Outcome::Applied))
            }
            Ok(seen) => Ok((landed, seen)),
            // The question failed, but what was pending is as it was told, or as it was found on the way.
            Err(error) => Err(match &told {
                Some(told) => error.with_outcome(told.outcome()),
                // All of it was found. Of what is left only an earlier life can have sent anything.
                None if self.buffer.len() < before && self.buffer.is_empty() => error.with_outcome(Outcome::Applied),
                None if self.resumed && !self.buffer.is_empty() => error.with_outcome(Outcome::Unknown),
                None => error,
            }),
        });
        match settled {
            Ok((landed, (end, existed))) => {
                self.let_go(landed);
                (self.confirmed, self.existed) = (end, Some(existed));
                (self.resumed, self.chunk, self.failed) = (false, None, None);
                Ok(())
            }
            Err(error) => {
                self.reported |= !self.buffer.is_empty();
                Err(error)
            }
        }
    }

    /// How many of the pending bytes are in, though no longer where the stream could go on behind them. What is proved
    /// on the way takes the place of what was told before.
    fn settle(&mut self, told: &mut Option<Error>) -> Result<usize> {
        let mut outcome = told.as_ref().map_or(Outcome::Unknown, Error::outcome);
        loop {
            let chunk = match &self.chunk {
                Some(chunk) => chunk.clone(),
                None if self.resumed && !self.buffer.is_empty() => {
                    Chunk::resumed(self.confirmed.into(), self.buffer.len() as u64).unsettled()
                }
                None => return Ok(0),
            };
            let length = length_of(&chunk);
            if outcome == Outcome::Unknown {
                let (before, place) = (self.failed.clone(), self.confirmed);
                match self.deliver(chunk) {
                    Ok(()) => {
                        *told = None;
                        continue;
                    }
                    Err(error) if error.outcome() == Outcome::Unknown => {
                        // Nothing new: what was told stays, word for word. Unless it moved away from there.
                        if self.confirmed == place {
                            self.failed = before.or_else(|| self.failed.take());
                        }
                        return Err(error);
                    }
                    Err(error) => {
                        outcome = error.outcome();
                        *told = Some(error);
                    }
                }
            }
            return match outcome {
                // What lies behind it may be an earlier life's as well, and there is no telling.
                Outcome::Applied if self.resumed && length < self.buffer.len() => Err(untold()),
                Outcome::Applied => Ok(length),
                _ => Ok(0),
            };
        }
    }

    /// Where does the object end, and is there one?
    pub(super) fn look(&self) -> Result<(Checkpoint, bool)> {
        let ask = self.ask();
        Ok(match ask.head() {
            Seen::Object(head) if head.sealed => {
                let what = format!("{:?} is sealed: it takes no more bytes", self.key);
                let sealed = Error::new(ErrorKind::Conflict(Found::Sealed), what);
                return Err(sealed.with_next_position(Some(head.length)));
            }
            Seen::Object(head) if !head.appendable => {
                let what = format!("{:?} is not an appendable object", self.key);
                return Err(Error::new(ErrorKind::NotAppendable, what));
            }
            Seen::Object(head) if head.length > SIZE_LIMIT => {
                let what =
                    format!("{:?} is said to have {} bytes, more than an object can hold", self.key, head.length);
                return Err(Error::new(ErrorKind::Protocol, what));
            }
            Seen::Object(head) => {
                // Objects older than the feature have no CRC of their own: then it takes reading them.
                let crc64 = head.crc64.or_else(|| ask.crc64_of(head.length)).ok_or_else(|| {
                    let what = format!("the service does not tell the CRC-64 of {:?}, and it cannot be read", self.key);
                    Error::new(ErrorKind::Protocol, what)
                })?;
                (Checkpoint { position: head.length, crc64 }, true)
            }
            Seen::Missing => (Checkpoint::default(), false),
            Seen::Forbidden(error) => {
                let place = format!("the end of {:?} cannot be asked for (create_new and resume do not ask)", self.key);
                return Err(error.at(place));
            }
            Seen::Nothing(error) => return Err(error.at(format_args!("end of {:?}", self.key))),
        })
    }

    fn roll_over(&mut self) -> Result<()> {
        if self.is_done_with_this()? { self.go_on_in_the_next() } else { Ok(()) }
    }

    /// Sends what belongs into the full object, so that it is confirmed. False: another would be no better.
    fn is_done_with_this(&mut self) -> Result<bool> {
        if self.roll.is_none() {
            return Ok(false);
        }
        if !self.resumed {
            self.send_lines()?;
        }
        // What an earlier life may have sent belongs here, and so does a line that fills the buffer.
        if self.resumed || self.buffer.len_free() == 0 {
            self.send_everything()?;
        }
        if self.resumed && self.confirmed.position > 0 {
            return self.nothing_lies_behind();
        }
        Ok(self.confirmed.position > 0)
    }

    /// Does the object end where this resumed stream does? What lies behind may be an earlier life's, still to be
    /// recognised. An object that is not what was confirmed is a conflict; what an earlier life sent may still land in
    /// it.
    fn nothing_lies_behind(&mut self) -> Result<bool> {
        let Checkpoint { position, crc64 } = self.confirmed;
        let differs = |theirs: Option<u64>| theirs.is_some_and(|theirs| theirs != crc64);
        let (found, end) = match self.ask().head() {
            Seen::Object(head) if head.length > position => return Ok(false),
            Seen::Object(head) if head.length < position => (Found::Shorter, head.length),
            Seen::Object(head) if differs(head.crc64) => (Found::Different, head.length),
            Seen::Object(_) => return Ok(true),
            Seen::Missing => (Found::Missing, 0),
            Seen::Forbidden(_) => match self.append().end_at(position) {
                Ok(End::Here(crc64)) if differs(crc64) => (Found::Different, position),
                Ok(End::Here(_)) => return Ok(true),
                Ok(End::Elsewhere(end)) if end > position => return Ok(false),
                Ok(End::Elsewhere(end)) => (Found::Shorter, end),
                Err(error) => return Err(error.at(format_args!("end of {:?}", self.key))),
            },
            Seen::Nothing(error) => return Err(error.at(format_args!("end of {:?}", self.key))),
        };
        let what = format!("{:?} does not hold what was confirmed, up to {position}", self.key);
        let error = Error::new(ErrorKind::Conflict(found), what).with_outcome(Outcome::Unknown);
        let error = error.with_next_position(Some(end));
        self.failed = Some(error.clone());
        Err(error)
    }

    fn go_on_in_the_next(&mut self) -> Result<()> {
        let Some(roll) = &mut self.roll else { return Ok(()) };
        let rolled = Rolled { key: self.key.clone(), checkpoint: self.confirmed };
        let key = roll.next_key.get_mut().unwrap_or_else(PoisonError::into_inner)(&rolled);
        let headers = match key == self.key {
            true => Err(Error::invalid_input("the next key is the old one")),
            false => endpoint::check_key(&key).and_then(|()| self.options.headers(&key)),
        };
        let place = format_args!("roll_over from {:?} to {key:?}", self.key);
        // What is pending goes nowhere after that, unless another call says where.
        self.reported |= headers.is_err() && !self.buffer.is_empty();
        self.headers = headers.map_err(|error| error.at(place))?;
        self.key = key;
        (self.confirmed, self.existed) = (Checkpoint::default(), None);
        let Rolled { key, checkpoint } = rolled;
        self.bucket.client().hook.tell(Event::RolledOver { key: &key, checkpoint, next_key: &self.key });
        Ok(())
    }

    fn append(&self) -> Append<'_> {
        Append {
            client: self.bucket.client(),
            key: &self.key,
            headers: &self.headers,
            progress: self.options.progress_callback(),
            creates: self.existed != Some(true),
            rebase: self.on_conflict == OnConflict::Rebase,
        }
    }

    fn ask(&self) -> Ask<'_> {
        Ask { client: self.bucket.client(), key: &self.key, payer: self.headers.request_payer() }
    }
}

fn untold() -> Error {
    let what = "whether the bytes behind those that are in are in as well cannot be told";
    Error::new(ErrorKind::Conflict(Found::Different), what).with_outcome(Outcome::Unknown)
}

fn length_of(chunk: &Chunk) -> usize {
    usize::try_from(chunk.end() - chunk.start.position).expect("a chunk is a part of the buffer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Auth;
    use std::io::Write;

    #[test]
    fn what_is_pending_is_as_old_as_its_first_byte() {
        let bucket = Bucket::new(Auth::new("id", "secret"), "http://oss-cn-hangzhou.aliyuncs.com", "bucket").unwrap();
        let mut log = bucket.appender("log").max_age(Duration::MAX).create_new().unwrap();
        assert_eq!(log.inner().oldest, None);
        log.write_all(b"first").unwrap();
        let first = log.inner().oldest;
        assert!(first.is_some());
        log.write_all(b"second").unwrap();
        assert_eq!(log.inner().oldest, first);
        log.into_parts();
    }
}
