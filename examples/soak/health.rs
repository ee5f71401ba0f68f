//! What this process uses: memory, descriptors, threads. Linux only.

use std::{
    fmt, fs,
    time::{Duration, Instant},
};

/// So much more at the end than after the first fifth is growth. What is compared are the lowest readings of a fifth of
/// the run each, since both go up and down with what is under way.
const MOST: Usage = Usage { memory: 8 << 20, descriptors: 8, threads: 8 };
/// Growth below this is none, and noise above it is: shorter runs are not judged.
const JUDGED: Duration = Duration::from_secs(120);

#[derive(Clone, Copy)]
struct Usage {
    /// Resident, in bytes.
    memory: u64,
    descriptors: u64,
    threads: u64,
}

pub(crate) struct Health {
    began: Instant,
    time: Duration,
    seconds: u64,
    minutes: u64,
    /// The lowest in each fifth of the time.
    lowest: [Option<Usage>; 5],
}

impl Health {
    pub(crate) fn new(time: Duration) -> Self {
        Self { began: now(), time, seconds: 0, minutes: 0, lowest: [None; 5] }
    }

    fn passed(&self) -> Duration {
        now() - self.began
    }

    pub(crate) fn time_is_over(&self) -> bool {
        self.passed() >= self.time
    }

    /// Looks once a second, and has something to say once a minute.
    pub(crate) fn look(&mut self) -> Option<String> {
        let seconds = self.passed().as_secs();
        if seconds == self.seconds {
            return None;
        }
        self.seconds = seconds;
        let usage = Usage::now();
        let fifth = 5 * self.passed().as_millis() / self.time.as_millis().max(1);
        if let (Some(lowest), Some(usage)) = (self.lowest.get_mut(fifth as usize), usage) {
            *lowest = Some(lowest.map_or(usage, |lowest| lowest.least(usage)));
        }
        if seconds / 60 == self.minutes {
            return None;
        }
        self.minutes = seconds / 60;
        let usage = usage.map_or_else(|| "usage not known".to_owned(), |usage| usage.to_string());
        Some(format!("{:2} min, {usage}", self.minutes))
    }

    /// What has grown, if anything did.
    pub(crate) fn verdict(&self) -> Option<String> {
        let [_, Some(early), _, _, Some(late)] = self.lowest else {
            println!("memory and descriptors: not looked at (Linux only, and some seconds at least)");
            return None;
        };
        println!("lowest in the second fifth: {early}; in the last: {late}");
        if self.time < JUDGED {
            println!("(too short to tell growth by that)");
            return None;
        }
        let grown = late.memory > early.memory + MOST.memory
            || late.descriptors > early.descriptors + MOST.descriptors
            || late.threads > early.threads + MOST.threads;
        grown.then(|| format!("grown by more than {MOST}"))
    }
}

impl Usage {
    fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let number = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Self {
            memory: number("VmRSS:")? << 10,
            descriptors: fs::read_dir("/proc/self/fd").ok()?.count() as u64 - 1, // that of the reading
            threads: number("Threads:")?,
        })
    }

    fn least(self, other: Self) -> Self {
        Self {
            memory: self.memory.min(other.memory),
            descriptors: self.descriptors.min(other.descriptors),
            threads: self.threads.min(other.threads),
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, descriptors, threads } = self;
        write!(
            f,
            "{:.1} MiB resident, {descriptors} descriptors, {threads} threads",
            *memory as f64 / f64::from(1 << 20)
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "a soak is a matter of time")]
fn now() -> Instant {
    Instant::now()
}
