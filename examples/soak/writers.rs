//! Streams by processes that are killed and begun again: each life goes on from the checkpoint that was saved last.
//!
//! A process is this program again, with [`WRITER`] as its first argument.

use crate::{
    BUCKET, Soak,
    client::{Tokens, Writer, client},
    count, pause,
    random::Random,
    streams::{compare, content},
};
use oss_append::Checkpoint;
use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

pub(crate) const WRITER: &str = "--writer";
const LONGEST: u64 = 1 << 20;

// ---- the writer ------------------------------------------------------------------------------------------------------

/// Its exit code, unlike that of one that was killed, whatever the system.
const FAILED: u8 = 3;

pub(crate) fn main(task: &[String]) -> ExitCode {
    match write(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

/// Writes the stream from the saved checkpoint to its end, and says each checkpoint after it was saved.
fn write(task: &[String]) -> Result<(), Box<dyn Error>> {
    let [endpoint, region, id, secret, stream, length, saved] = task else {
        return Err("what is to be written?".into());
    };
    let (stream, length, saved) = (stream.parse()?, length.parse()?, Path::new(saved));
    let mut at = match fs::read_to_string(saved) {
        Ok(text) => text.parse()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Checkpoint::default(),
        Err(error) => return Err(error.into()),
    };
    let (told, mut random) = (AtomicU64::new(0), Random::new(stream, at.position));
    let bucket = client(endpoint, region, Tokens::new(id, secret, format!("process {}", std::process::id())))?;
    let capacity = length / 100 + random.size(1 << 16) + 1;
    let mut writer = Writer::new(&bucket, &told, &key(stream), Some(at), |key, at| {
        bucket.appender(key).buffer_capacity(capacity as usize).resume(at.unwrap_or_default())
    })?;
    while at.position < length {
        let to = length.min(at.position + random.size(3 * capacity) + 1);
        writer.write_all(&content(stream, at.position, to))?;
        at = writer.call(|log| log.confirm())?;
        if at.position != to {
            return Err(format!("{at} is confirmed, and it should be {to}").into());
        }
        save(saved, at)?;
        writeln!(io::stdout(), "{} {}", at.position, told.swap(0, Ordering::Relaxed))?;
    }
    writer.finish()?;
    Ok(())
}

fn key(stream: u64) -> String {
    format!("process-{stream:016x}")
}

/// So that a kill leaves the old one or the new one.
fn save(path: &Path, at: Checkpoint) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, at.to_string())?;
    fs::rename(new, path)
}

// ---- its parent ------------------------------------------------------------------------------------------------------

/// One stream, by as many processes as it takes.
pub(crate) fn killed(soak: &Soak, files: &Path, random: &mut Random) -> Result<(), String> {
    let (stream, length) = (random.next(), random.size(LONGEST));
    let saved = files.join(key(stream));
    let done = lives(soak, stream, length, &saved, random).map_err(|error| format!("{}: {error}", key(stream)));
    let _ = (fs::remove_file(saved.with_extension("new")), fs::remove_file(&saved));
    done?;
    compare(soak, &key(stream), &content(stream, 0, length))
}

fn lives(soak: &Soak, stream: u64, length: u64, saved: &Path, random: &mut Random) -> Result<(), Box<dyn Error>> {
    loop {
        let mut process = start(soak, stream, length, saved)?;
        let mut lines = BufReader::new(process.stdout.take().expect("it is piped, and taken once")).lines();
        // The last one is left alone.
        let last = if soak.is_over() || random.percent(20) { u64::MAX } else { random.size(20) };
        let mut confirmed = 0;
        for said in 0.. {
            if said == last {
                pause(Duration::from_millis(random.below(10)));
                process.kill()?; // SIGKILL: it is asked nothing
            }
            let Some(line) = lines.next() else { break };
            let line = line?;
            let (position, told) = line.split_once(' ').ok_or("a line without an end")?;
            confirmed = position.parse()?;
            count(&soak.done.told, told.parse()?);
        }
        let status = process.wait()?;
        if soak.oss.object_len(BUCKET, &key(stream)).unwrap_or(0) < confirmed {
            return Err(format!("{confirmed} bytes were confirmed, and are not there").into());
        }
        match status.code() {
            Some(0) => return Ok(()),
            // What it said is above; 101 is a panic.
            Some(code) if code == i32::from(FAILED) || code == 101 => {
                return Err(format!("its writer ended with {code}").into());
            }
            _ => count(&soak.done.kills, 1),
        }
    }
}

fn start(soak: &Soak, stream: u64, length: u64, saved: &Path) -> io::Result<Child> {
    let (oss, stream, length) = (&soak.oss, stream.to_string(), length.to_string());
    Command::new(env::current_exe()?)
        .args([WRITER, &oss.endpoint(), oss.region(), oss.access_key_id(), oss.access_key_secret(), &stream, &length])
        .arg(saved)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}
