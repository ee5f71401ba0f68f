//! A soak: appenders in threads and in processes, for as long as you say, while everything goes wrong that the fake OSS
//! can do. Every object is compared byte by byte, and neither memory nor descriptors may grow.
//!
//! ```console
//! $ cargo run --release --example soak -- --minutes 30          # or --seconds; and --seed N to choose alike again
//! ```
//!
//! Of all requests 5 % meet a fault: answers lost before or after the bytes are stored, connections cut, 429, 500, 503,
//! doubled, late, delayed and refused ones. Tokens expire after a few hundred requests, the service goes away and comes
//! back, processes are killed and go on from the checkpoint that they saved last. What is asked of the library stays the
//! same: no byte lost, none twice, none out of order.
//!
//! It prints a line each minute, and ends with exit code 0 if all went well. All that is chosen at random is chosen from
//! the seed; what the threads make of it is theirs.
//!
//! Rooms: what is written and compared ([`streams`]), by processes ([`writers`]), what a program does that must not stop
//! ([`client`]), through which weather ([`weather`]), and what the process uses meanwhile ([`health`]).

mod client;
mod health;
mod random;
mod streams;
mod weather;
mod writers;

use client::Tokens;
use health::Health;
use oss_append::testing::FakeOss;
use random::Random;
use std::{
    env,
    error::Error,
    process::{Command, ExitCode},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use weather::Weather;

const HELP: &str = "\
Usage: soak [--minutes N | --seconds N] [--seed N]

  --minutes N, --seconds N   how long; default: a minute
  --seed N                   what is chosen at random; default: another one each time";

pub(crate) const BUCKET: &str = "soak";

/// What all threads share.
pub(crate) struct Soak {
    pub(crate) oss: FakeOss,
    seed: u64,
    /// Begin nothing new.
    over: AtomicBool,
    failed: Mutex<Option<String>>,
    pub(crate) done: Done,
}

/// What was done so far.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) streams: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Errors that calls ended with, after which the same was called again.
    pub(crate) told: AtomicU64,
    pub(crate) kills: AtomicU64,
    pub(crate) restarts: AtomicU64,
}

pub(crate) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Soak {
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The first failure is kept, and ends everything.
    fn fail(&self, what: String) {
        self.over.store(true, Ordering::Relaxed);
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    /// A thread's work, again and again until the time is over.
    fn repeat(&self, thread: u64, mut work: impl FnMut(&mut Random) -> Result<(), String>) {
        let mut random = Random::new(self.seed, thread);
        while !self.is_over() {
            work(&mut random).unwrap_or_else(|failure| self.fail(failure));
        }
    }
}

/// The first argument of the process that soaks.
const MEASURED: &str = "--measured";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.split_first() {
        Some((first, task)) if first == writers::WRITER => Ok(writers::main(task)),
        Some((first, options)) if first == MEASURED => run(options),
        _ => measured(&args),
    }
}

/// This program again, so that memory which is free is seen to be free: otherwise glibc keeps much of it, for each of
/// its arenas. (It reads these settings at the start only. Others pass them over.)
fn measured(options: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let mut again = Command::new(env::current_exe()?);
    again.arg(MEASURED).args(options).env("MALLOC_ARENA_MAX", "1");
    again.env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_TRIM_THRESHOLD_", "131072");
    Ok(if again.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run(options: &[String]) -> Result<ExitCode, Box<dyn Error>> {
    let (mut time, mut seed) = (Duration::from_secs(60), u64::from(std::process::id()));
    let mut args = options.iter();
    while let Some(arg) = args.next() {
        let mut number =
            || args.next().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{arg} needs a number"));
        match arg.as_str() {
            "--minutes" => time = Duration::from_secs(60 * number()?),
            "--seconds" => time = Duration::from_secs(number()?),
            "--seed" => seed = number()?,
            _ => {
                println!("{HELP}");
                return Ok(ExitCode::from(u8::from(arg != "--help")));
            }
        }
    }
    println!("{} s with --seed {seed}", time.as_secs());
    match soak(time, seed)? {
        None => {
            println!("green");
            Ok(ExitCode::SUCCESS)
        }
        Some(failure) => {
            println!("RED, with --seed {seed}: {failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Says what failed, if anything did.
fn soak(time: Duration, seed: u64) -> Result<Option<String>, Box<dyn Error>> {
    let soak = Soak {
        oss: FakeOss::start()?,
        seed,
        over: AtomicBool::new(false),
        failed: Mutex::default(),
        done: Done::default(),
    };
    soak.oss.create_bucket(BUCKET);
    soak.oss.expire_tokens_after(500);
    let files = tempfile::tempdir()?;
    let tokens = Tokens::new(soak.oss.access_key_id(), soak.oss.access_key_secret(), "threads".to_owned());
    let bucket = client::client(&soak.oss.endpoint(), soak.oss.region(), Arc::clone(&tokens))?;
    let (soak, bucket, files) = (&soak, &bucket, files.path());

    let (mut weather, mut health) = (Weather::new(seed), Health::new(time));
    thread::scope(|scope| {
        let alone =
            (0..3).map(|n| scope.spawn(move || soak.repeat(n, |random| streams::alone(soak, bucket, files, random))));
        let shared =
            (3..4).map(|n| scope.spawn(move || soak.repeat(n, |random| streams::shared(soak, bucket, random))));
        let killed = (4..6).map(|n| scope.spawn(move || soak.repeat(n, |random| writers::killed(soak, files, random))));
        let threads: Vec<_> = alone.chain(shared).chain(killed).collect();
        // Until the last of them has ended its stream, the service has to come back.
        while threads.iter().any(|thread| !thread.is_finished()) {
            pause(Duration::from_millis(50));
            weather.change(soak);
            if let Some(line) = health.look() {
                println!("{}", report(soak, &weather, &tokens, &line));
            }
            if health.time_is_over() {
                soak.over.store(true, Ordering::Relaxed);
            }
        }
    });
    println!("{}", report(soak, &weather, &tokens, "the end"));
    let failed = soak.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(failed.or_else(|| health.verdict()))
}

fn report(soak: &Soak, weather: &Weather, tokens: &Tokens, health: &str) -> String {
    let Done { streams, bytes, told, kills, restarts } = &soak.done;
    let [streams, bytes, told, kills, restarts] =
        [streams, bytes, told, kills, restarts].map(|counter| counter.load(Ordering::Relaxed));
    let (appends, faults, tokens) = (weather.appends(), weather.faults(), tokens.fetched());
    format!(
        "{health}: {streams} streams, {appends} appends, {} MiB; faults: {faults}; {restarts} restarts, {tokens} tokens, \
         {kills} kills; {told} errors told",
        bytes >> 20
    )
}

#[expect(clippy::disallowed_methods, reason = "this is no test, and other things take their time")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
