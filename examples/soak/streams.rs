//! What is written, and that it is all there: each stream into an object of its own, which is compared and deleted.

use crate::{
    BUCKET, Soak,
    client::{Patience, Writer, is_open, ours, stays},
    count,
    random::{Random, mix},
};
use oss_append::{Bucket, Checkpoint, Error, OnConflict};
use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    thread,
};

/// Bytes of a stream, at most.
const LONGEST: u64 = 4 << 20;

// ---- content ---------------------------------------------------------------------------------------------------------

/// A stream's bytes from one position to another: any of them can be told again, and none is like its neighbours.
pub(crate) fn content(stream: u64, from: u64, to: u64) -> Vec<u8> {
    let words = from / 8..to.div_ceil(8);
    let bytes: Vec<u8> = words.flat_map(|word| mix(stream ^ word).to_le_bytes()).collect();
    let skip = (from % 8) as usize;
    bytes[skip..skip + (to - from) as usize].to_vec()
}

/// The same as a reader.
struct Content {
    stream: u64,
    from: u64,
    to: u64,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min((self.to - self.from) as usize);
        buffer[..n].copy_from_slice(&content(self.stream, self.from, self.from + n as u64));
        self.from += n as u64;
        Ok(n)
    }
}

/// Nothing lost, nothing doubled, nothing out of order; and what is late comes to nothing. Then the object may go.
pub(crate) fn compare(soak: &Soak, key: &str, expected: &[u8]) -> Result<(), String> {
    for when in ["at its end", "after what was late"] {
        let object = soak.oss.object(BUCKET, key).unwrap_or_default();
        if object != expected {
            let differs = object.iter().zip(expected).position(|(is, should)| is != should);
            let (is, should) = (object.len(), expected.len());
            return Err(format!("{key} {when} has {is} bytes instead of {should}; first difference: {differs:?}"));
        }
        soak.oss.land();
    }
    soak.oss.delete_object(BUCKET, key);
    count(&soak.done.streams, 1);
    count(&soak.done.bytes, expected.len() as u64);
    Ok(())
}

// ---- streams of which each has one writer ----------------------------------------------------------------------------

/// One stream, from its beginning to its end.
pub(crate) fn alone(soak: &Soak, bucket: &Bucket, files: &Path, random: &mut Random) -> Result<(), String> {
    let job = Job { soak, bucket, stream: random.next(), length: random.size(LONGEST) };
    let (how, written) = match random.below(5) {
        0 | 1 => ("appender", job.by_appender(random)),
        2 => ("append_object", job.by_calls(random)),
        3 => ("resumable_append", job.by_file(files, random)),
        _ => ("roll_over", job.by_lines(random)),
    };
    written.map_err(|failure| format!("{how}, {} of {} bytes: {failure}", job.key(), job.length))
}

struct Job<'s> {
    soak: &'s Soak,
    bucket: &'s Bucket,
    stream: u64,
    length: u64,
}

impl Job<'_> {
    fn key(&self) -> String {
        format!("{:016x}", self.stream)
    }

    fn patience(&self) -> Patience<'_> {
        Patience::new(&self.soak.done.told)
    }

    fn content(&self, from: u64, to: u64) -> Vec<u8> {
        content(self.stream, from, to)
    }

    fn by_appender(&self, random: &mut Random) -> Result<(), String> {
        let (key, length) = (self.key(), self.length);
        // Some 200 requests at most.
        let capacity = length / 200 + random.size(1 << 20) + 1;
        let first = Cell::new(random.below(3));
        let mut writer =
            Writer::new(self.bucket, &self.soak.done.told, &key, Some(Checkpoint::default()), |key, at| {
                let builder = self.bucket.appender(key).buffer_capacity(capacity as usize);
                let log = match first.get() {
                    0 => builder.open(),
                    1 => builder.create_new(),
                    _ => builder.resume(at.unwrap_or_default()),
                };
                log.inspect(|_| first.set(2))
            })?;
        while writer.end() < length {
            let from = writer.end();
            let to = length.min(from + random.size(2 * capacity) + 1);
            match random.below(20) {
                0 => writer.call(|log| log.confirm().map(drop))?,
                1 => writer.call(|log| log.flush().map_err(ours))?,
                2 => {
                    let mut reader = Content { stream: self.stream, from, to };
                    writer.call(|log| log.copy_from(&mut reader).map_err(ours))?;
                }
                3 => writer.resume()?,
                _ => writer.write_all(&self.content(from, to))?,
            }
            let (at, end) = (writer.log().checkpoint(), writer.end());
            if end > length || writer.log().pending() != self.content(at.position, end) {
                return Err(format!("other bytes are pending at {at} than were accepted"));
            }
        }
        let (end, expected) = (writer.finish()?, self.content(0, length));
        if end != Checkpoint::default().advance(&expected) {
            return Err(format!("finished at {end}"));
        }
        compare(self.soak, &key, &expected)
    }

    /// Each call at the end of the last. Where it could not tell, the object is asked.
    fn by_calls(&self, random: &mut Random) -> Result<(), String> {
        let (key, mut at, mut patience) = (self.key(), Checkpoint::default(), self.patience());
        let verified = random.percent(70);
        let mut to = 0;
        while at.position < self.length {
            // The same again until it is in: what was cut once may come late.
            if to == at.position {
                to = self.length.min(at.position + self.length / 50 + random.size(self.length) + 1);
            }
            let bytes = self.content(at.position, to);
            let next = at.advance(&bytes);
            let done = match verified {
                true => self.bucket.append_object(&key, at, &bytes),
                false => self.bucket.append_object(&key, at.position, &bytes),
            };
            let error = match done {
                Ok(_) => {
                    (at, patience) = (next, self.patience());
                    continue;
                }
                Err(error) if stays(&error) && !is_open(&error) => return Err(format!("{:?}: {error}", error.kind())),
                Err(error) => error,
            };
            patience.after(&error)?;
            match self.patience().until_ok(|| self.ask(&key))? {
                found if found == next => at = next,
                found if found == at => {}
                found => return Err(format!("the object ends at {found}, after {error}")),
            }
        }
        compare(self.soak, &key, &self.content(0, self.length))
    }

    fn ask(&self, key: &str) -> Result<Checkpoint, Error> {
        match self.bucket.head_object(key) {
            Ok(meta) => Ok(meta.checkpoint().expect("the fake tells the CRC-64 of all objects")),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(Checkpoint::default()),
            Err(error) => Err(error),
        }
    }

    fn by_file(&self, files: &Path, random: &mut Random) -> Result<(), String> {
        let path = files.join(self.key());
        let done = self.by_growing_file(&path, random);
        let _ = fs::remove_file(&path);
        done?;
        compare(self.soak, &self.key(), &self.content(0, self.length))
    }

    fn by_growing_file(&self, path: &Path, random: &mut Random) -> Result<(), String> {
        let mut file = File::create(path).map_err(|error| error.to_string())?;
        let mut grown = 0;
        while grown < self.length {
            let to = self.length.min(grown + random.size(self.length) + 1);
            file.write_all(&self.content(grown, to)).map_err(|error| error.to_string())?;
            grown = to;
            let resumed = self.patience().until_ok(|| self.bucket.resumable_append(&self.key(), path))?;
            if resumed.checkpoint.position != grown {
                return Err(format!("{} after the file had grown to {grown}", resumed.checkpoint));
            }
        }
        Ok(())
    }

    /// Lines, in objects of bounded length.
    fn by_lines(&self, random: &mut Random) -> Result<(), String> {
        let length = self.length / 10;
        let (longest, capacity) = (length / 5 + 1000, length / 50 + 400);
        let name = |number: u64| format!("{}.{number}", self.key());
        let mut writer =
            Writer::new(self.bucket, &self.soak.done.told, &name(0), Some(Checkpoint::default()), |key, at| {
                let builder = self.bucket.appender(key).buffer_capacity(capacity as usize);
                builder.roll_over(longest, |full| next_name(&full.key)).resume(at.unwrap_or_default())
            })?;
        let mut expected = Vec::new();
        while (expected.len() as u64) < length {
            let line = format!("{} {:x} {}\n", expected.len(), self.stream, "x".repeat(random.below(300) as usize));
            expected.extend_from_slice(line.as_bytes());
            writer.write_all(line.as_bytes())?;
        }
        writer.finish()?;
        self.compare_rolled(&expected, longest, (0..).map(name))
    }

    fn compare_rolled(&self, expected: &[u8], longest: u64, keys: impl Iterator<Item = String>) -> Result<(), String> {
        let mut rest = expected;
        for key in keys {
            let Some(length) = self.soak.oss.object_len(BUCKET, &key) else { break };
            let whole = rest.get(..length as usize).filter(|part| part.ends_with(b"\n") && length <= longest);
            let part = whole
                .ok_or_else(|| format!("{key} has {length} bytes, and at most {longest} of whole lines are right"))?;
            compare(self.soak, &key, part)?;
            rest = &rest[part.len()..];
        }
        if rest.is_empty() { Ok(()) } else { Err(format!("the last {} bytes are in no object", rest.len())) }
    }
}

/// `log.7` after `log.6`.
fn next_name(full: &str) -> String {
    let (name, number) = full.rsplit_once('.').expect("each of these names has a number");
    format!("{name}.{}", number.parse::<u64>().expect("behind the point") + 1)
}

// ---- a log that several write to -------------------------------------------------------------------------------------

const WRITERS: usize = 3;
/// How keys of such logs begin.
pub(crate) const SHARED: &str = "shared-";

/// Records of three threads in one object: each of them once, whole, and those of a thread in their order.
pub(crate) fn shared(soak: &Soak, bucket: &Bucket, random: &mut Random) -> Result<(), String> {
    let key = format!("{SHARED}{:016x}", random.next());
    let records = random.size(300);
    let seed = random.next();
    thread::scope(|scope| {
        let write = |writer| {
            let (key, mut random) = (&key, Random::new(seed, writer as u64));
            scope.spawn(move || write_records(soak, bucket, key, writer, records, &mut random))
        };
        let threads: Vec<_> = (0..WRITERS).map(write).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a panic there was printed there"))
    })
    .map_err(|failure| format!("{key}: {failure}"))?;

    let object = soak.oss.object(BUCKET, &key).unwrap_or_default();
    let mut next = [0; WRITERS];
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let writer = (0..WRITERS).find(|writer| text.starts_with(&format!("{writer} ")));
        let writer = writer.filter(|writer| *text == record(*writer, next[*writer]));
        let writer = writer.ok_or_else(|| format!("{key}: {text:?} where {next:?} were next"))?;
        next[writer] += 1;
    }
    if next != [records; WRITERS] {
        return Err(format!("{key}: {next:?} records instead of {records} each"));
    }
    compare(soak, &key, &object)
}

fn record(writer: usize, number: u64) -> String {
    format!("{writer} {number} {}\n", "x".repeat(mix(number) as usize % 100))
}

fn write_records(
    soak: &Soak,
    bucket: &Bucket,
    key: &str,
    number_of: usize,
    records: u64,
    random: &mut Random,
) -> Result<(), String> {
    let capacity = 200 + random.size(4000) as usize;
    let mut writer = Writer::new(bucket, &soak.done.told, key, None, |key, at| {
        let builder = bucket.appender(key).buffer_capacity(capacity).on_conflict(OnConflict::Rebase);
        match at {
            None => builder.open(),
            Some(at) => builder.resume(at),
        }
    })?;
    for number in 0..records {
        writer.write_all(record(number_of, number).as_bytes())?;
        if random.percent(10) {
            writer.call(|log| log.confirm())?;
        }
    }
    writer.finish().map(drop)
}
