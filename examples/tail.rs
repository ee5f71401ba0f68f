//! `tail -F` into objects: follows a growing log file through its rotations. No thread, and nothing kept on this side.
//!
//! ```console
//! $ cargo run --example tail                                 # a demonstration against a fake OSS
//! $ OSS_BUCKET=.. cargo run --example tail app.log /var/log/app.log
//! one file: app.log.0 = "one\ntwo\n"
//! rotated: app.log.0 = "one\ntwo\nthree\n", app.log.1 = "four\n"
//! copied and truncated: app.log.1 = "four\nfive\n", app.log.2 = "six\n"
//! ```
//!
//! **One object per file.** The objects `app.log.0`, `app.log.1`, ... are the files from the oldest to the newest. So
//! each object is the beginning of one file, and that can be *proved* with nothing but the object: its length and
//! CRC-64 against the first bytes of the file. Every poll is made of this proof: it looks for the file that the last
//! object is the beginning of, newest first (`app.log`, `app.log.1`, `app.log.2`, ...), appends what the object lacks,
//! and goes on to the next newer file with the next object. Whether the file was renamed, or copied and truncated, or
//! whether this program was killed in between, is all the same.
//!
//! Of the live file whole lines only; a rotated one to its last byte. The proof reads the file at every poll that finds
//! it changed (some GB a second from the page cache): for huge files poll seldom, or rotate.
//!
//! Started for the first time, it takes all files that are there. What it cannot do:
//!
//! - Tell apart files that begin alike and have not differed yet: put a time into each line.
//! - Find rotated files that were compressed (`delaycompress` helps), or that got other names while it was down, or
//!   copies that lack what was written before the truncation. Then no file begins with what the object holds: every
//!   poll says so, and nothing is skipped. Bring the file back, or start with another key.
//! - Know of objects that were deleted: they are counted from 0.

use oss_append::testing::FakeOss;
use oss_append::{Bucket, Checkpoint};
use std::io::{self, Read, Seek, SeekFrom};
use std::{env, error::Error, fs, fs::File, fs::Metadata, path::PathBuf, thread, time::Duration};

pub(crate) struct Tail {
    bucket: Bucket,
    key: String,
    path: PathBuf,
    /// The last object: its number, and where it ends.
    last: Option<(u32, Checkpoint)>,
    /// The file it is the beginning of, open, whatever its name is by now.
    held: Option<File>,
    /// The live file as it was when it was last read.
    seen: Option<Metadata>,
}

/// A file, and what it was like when it was opened: who writes to a newer one has done with the older ones.
struct Generation {
    file: File,
    meta: Metadata,
    live: bool,
}

impl Tail {
    /// Looks for the last object. Nothing else is known from earlier runs.
    pub(crate) fn new(bucket: Bucket, key: &str, path: impl Into<PathBuf>) -> oss_append::Result<Self> {
        let mut tail = Self { bucket, key: key.to_owned(), path: path.into(), last: None, held: None, seen: None };
        for number in 0.. {
            let object = tail.bucket.appender(&tail.key(number)).open()?;
            if object.checkpoint().position == 0 {
                return Ok(tail); // absent, or made and never filled
            }
            tail.last = Some((number, object.checkpoint()));
        }
        unreachable!("there are no 2^32 objects")
    }

    /// Appends what there is by now. After an error call it again: nothing is lost by waiting.
    pub(crate) fn poll(&mut self) -> io::Result<()> {
        let now = fs::metadata(&self.path).ok();
        let same = |(a, b): (&Metadata, &Metadata)| a.len() == b.len() && a.modified().ok() == b.modified().ok();
        if !now.as_ref().zip(self.seen.as_ref()).is_some_and(same) {
            while self.step()? {}
        }
        Ok(())
    }

    /// Finishes the last object and begins the next. False if there is nothing newer.
    fn step(&mut self) -> io::Result<bool> {
        let (mut newer, mut found) = (Vec::new(), None);
        for n in 0.. {
            match self.open(n)? {
                Some(generation) if self.is_last(&generation.file)? => {
                    found = Some(generation);
                    break;
                }
                Some(generation) => newer.push(generation),
                None if n == 0 => {} // not there yet, or just being rotated
                None => break,
            }
        }
        if let Some((number, at)) = self.last {
            if let (None, Some(file)) = (&found, self.held.take())
                && self.is_last(&file)?
            {
                found = Some(Generation { meta: file.metadata()?, file, live: false }); // renamed in a way of its own
            }
            let lost =
                || io::Error::other(format!("no file begins with the {} bytes of {}", at.position, self.key(number)));
            self.append(number, at, found.ok_or_else(lost)?)?;
        }
        let Some(next) = newer.into_iter().rfind(|file| file.meta.len() > 0) else { return Ok(false) };
        let number = self.last.map_or(0, |(number, _)| number + 1);
        self.append(number, Checkpoint::default(), next)?;
        Ok(self.last.is_some_and(|(last, _)| last == number)) // or it has no whole line yet
    }

    fn append(&mut self, number: u32, at: Checkpoint, mut generation: Generation) -> io::Result<()> {
        generation.file.seek(SeekFrom::Start(at.position))?;
        // Without an age: lines go out as they come. `resume` recognises what an earlier run had under way.
        let log = self.bucket.appender(&self.key(number)).whole_lines(true).max_age(Duration::ZERO);
        let mut log = log.resume(at)?;
        let mut done = log.copy_from(&generation.file).and_then(|_| log.flush_due());
        if !generation.live {
            done = done.and_then(|()| Ok(log.confirm().map(drop)?));
        }
        let (end, _unfinished_line) = log.into_parts();
        if end.position > 0 {
            self.last = Some((number, end));
            self.held = Some(generation.file);
        }
        self.seen = generation.live.then_some(generation.meta).filter(|_| done.is_ok());
        done
    }

    /// The proof: are the last object's bytes the first of this file?
    fn is_last(&self, mut file: &File) -> io::Result<bool> {
        let Some((_, last)) = self.last else { return Ok(false) };
        let (mut at, mut piece) = (Checkpoint::default(), vec![0; 256 << 10]);
        file.seek(SeekFrom::Start(0))?;
        let mut file = file.take(last.position);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(at == last),
                n => at = at.advance(&piece[..n]),
            }
        }
    }

    /// The live file, or the nth rotated one.
    fn open(&self, n: u32) -> io::Result<Option<Generation>> {
        let mut path = self.path.clone().into_os_string();
        if n > 0 {
            path.push(format!(".{n}"));
        }
        match File::open(&path) {
            Ok(file) => Ok(Some(Generation { meta: file.metadata()?, file, live: n == 0 })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn key(&self, number: u32) -> String {
        format!("{}.{number}", self.key)
    }
}

#[expect(clippy::disallowed_methods, reason = "the bucket and the pace are for the one who starts it to say")]
fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os("OSS_BUCKET").is_none() {
        return demonstrate();
    }
    let [key, path] = [1, 2].map(|n| env::args().nth(n));
    let (key, path) = key.zip(path).ok_or("tell me a key and a file: tail <key> <path>")?;
    let mut tail = Tail::new(Bucket::from_env()?, &key, path)?;
    loop {
        if let Err(error) = tail.poll() {
            eprintln!("{error}"); // and try again: the network, or logrotate, may be in the middle of something
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn demonstrate() -> Result<(), Box<dyn Error>> {
    let (fake, folder) = (FakeOss::start()?, tempfile::tempdir()?);
    let path = folder.path().join("app.log");
    let [first, second] = ["app.log.1", "app.log.2"].map(|name| folder.path().join(name));
    let text = |key: &str| String::from_utf8_lossy(&fake.object("logs", key).unwrap_or_default()).into_owned();
    let mut tail = Tail::new(fake.bucket("logs"), "app.log", &path)?;
    tail.poll()?; // there is no file yet

    fs::write(&path, "one\ntwo\nthr")?;
    tail.poll()?;
    println!("one file: app.log.0 = {:?}", text("app.log.0"));

    fs::write(&path, "one\ntwo\nthree\n")?;
    fs::rename(&path, &first)?;
    fs::write(&path, "four\n")?;
    let mut tail = Tail::new(fake.bucket("logs"), "app.log", &path)?; // as after a kill
    tail.poll()?;
    println!("rotated: app.log.0 = {:?}, app.log.1 = {:?}", text("app.log.0"), text("app.log.1"));

    fs::write(&path, "four\nfive\n")?;
    fs::rename(&first, &second)?;
    fs::copy(&path, &first)?;
    fs::write(&path, "six\n")?;
    tail.poll()?;
    println!("copied and truncated: app.log.1 = {:?}, app.log.2 = {:?}", text("app.log.1"), text("app.log.2"));
    Ok(())
}
