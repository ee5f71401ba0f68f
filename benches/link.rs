//! How long appends take over a link that is far away: a simulation, in Markdown.
//!
//! ```console
//! $ cargo bench --bench link
//! ```
//!
//! Client and fake service are in this program; between them stands a relay that holds every byte back for half a
//! round trip and lets only so many pass in a second. What a real link adds, and this does not: slow start, loss, and a
//! receiver's window that is smaller than the link is long. So these are the best times such a link allows.

#![expect(clippy::disallowed_methods, reason = "a simulation of time reads the clock and waits")]

use oss_append::{Addressing, Auth, Bucket, Result, testing::FakeOss};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

const MIB: usize = 1 << 20;
/// 1 Gbit/s.
const BYTES_PER_SECOND: u32 = 125_000_000;
const PIECE: usize = 64 << 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("One appender, 1 Gbit/s. Seconds for 1 GiB, and how much of the link they use:\n");
    let buffers = [64 << 10, 256 << 10, MIB, 8 * MIB, 64 * MIB];
    println!("| round trip | 64 KiB | 256 KiB | 1 MiB | 8 MiB (default) | 64 MiB |\n|---|---|---|---|---|---|");
    for milliseconds in [0, 1, 10, 50, 200] {
        let far = Far::start(Duration::from_millis(milliseconds))?;
        let mut row = format!("| {milliseconds} ms |");
        for (n, buffer) in buffers.into_iter().enumerate() {
            let appends = (64 * MIB / buffer).clamp(2, 24);
            let seconds = far.run(&format!("one-{n}"), buffer, appends)?;
            row += &cell(seconds / (appends * buffer) as f64 * 1024.0 * MIB as f64);
        }
        println!("{row}");
    }

    println!(
        "\nSeveral objects, each with an appender and a thread of its own, 1 MiB a request, 50 ms, 1 Gbit/s in all:\n"
    );
    println!("| objects | seconds for 1 GiB, all together |\n|---|---|");
    let far = Far::start(Duration::from_millis(50))?;
    for objects in [1, 2, 4, 8] {
        let appends = 24 / objects;
        let begun = Instant::now();
        thread::scope(|scope| {
            let writers: Vec<_> = (0..objects)
                .map(|n| (n, &far))
                .map(|(n, far)| scope.spawn(move || far.run(&format!("of-{objects}-{n}"), MIB, appends)))
                .collect();
            writers.into_iter().try_for_each(|writer| writer.join().expect("it does not panic").map(drop))
        })?;
        println!(
            "| {objects} |{}",
            cell(begun.elapsed().as_secs_f64() / (objects * appends * MIB) as f64 * 1024.0 * MIB as f64)
        );
    }
    Ok(())
}

fn cell(seconds: f64) -> String {
    let share = (1024.0 * MIB as f64) / f64::from(BYTES_PER_SECOND) / seconds * 100.0;
    format!(" {seconds:.1} s, {:.0} % |", share.min(100.0))
}

/// A service behind a link.
struct Far {
    bucket: Bucket,
    /// Stopped when dropped.
    _oss: FakeOss,
}

impl Far {
    fn start(round_trip: Duration) -> io::Result<Self> {
        let oss = FakeOss::start()?;
        oss.keep_no_bytes();
        oss.create_bucket("bucket");
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let near = listener.local_addr()?;
        let far = oss.endpoint().trim_start_matches("http://").to_owned();
        // One gate for each direction: all connections share the link.
        let (up, down) = (Gate::start(round_trip / 2), Gate::start(round_trip / 2));
        thread::spawn(move || {
            for near in listener.incoming().map_while(io::Result::ok) {
                let Ok(far) = TcpStream::connect(&far) else { continue };
                let halves = near.try_clone().and_then(|n| far.try_clone().map(|f| (n, f)));
                let Ok((near_again, far_again)) = halves else { continue };
                relay(near, far, up.clone());
                relay(far_again, near_again, down.clone());
            }
        });
        let auth = Auth::new(oss.access_key_id(), oss.access_key_secret());
        let bucket = Bucket::builder(auth, &format!("http://{near}"), "bucket")
            .region(oss.region())
            .addressing(Addressing::Path)
            .build()?;
        Ok(Self { bucket, _oss: oss })
    }

    /// Seconds for so many appends, on a connection that is open already.
    fn run(&self, key: &str, buffer: usize, appends: usize) -> Result<f64> {
        let piece = vec![7; buffer];
        let mut at = self.bucket.append_object(key, 0, "")?;
        let begun = Instant::now();
        for _ in 0..appends {
            at = self.bucket.append_object(key, &at, &piece)?;
        }
        Ok(begun.elapsed().as_secs_f64())
    }
}

/// Bytes on their way, and to where. None: the sender has ended.
type Parcel = (Option<Vec<u8>>, TcpStream);

/// One direction of a link.
#[derive(Clone)]
struct Gate(Sender<(Instant, Parcel)>);

impl Gate {
    fn start(delay: Duration) -> Self {
        let (enter, entered) = mpsc::channel();
        thread::spawn(move || deliver(&entered, delay));
        Self(enter)
    }
}

fn deliver(entered: &Receiver<(Instant, Parcel)>, delay: Duration) {
    let mut free = Instant::now();
    while let Ok((at, (bytes, mut to))) = entered.recv() {
        let length = u32::try_from(bytes.as_ref().map_or(0, Vec::len)).unwrap_or(u32::MAX);
        // The link takes one parcel after the other; each then travels.
        free = free.max(at) + Duration::from_secs(1) * length / BYTES_PER_SECOND;
        thread::sleep((free + delay).saturating_duration_since(Instant::now()));
        // Whoever hung up needs nothing more.
        let _ = match bytes {
            Some(bytes) => to.write_all(&bytes),
            None => to.shutdown(Shutdown::Write),
        };
    }
}

fn relay(mut from: TcpStream, to: TcpStream, gate: Gate) {
    let _ = to.set_nodelay(true);
    thread::spawn(move || {
        let mut piece = vec![0; PIECE];
        loop {
            let bytes = from.read(&mut piece).ok().filter(|read| *read > 0).map(|read| piece[..read].to_vec());
            let ended = bytes.is_none();
            let Ok(to) = to.try_clone() else { return };
            if gate.0.send((Instant::now(), (bytes, to))).is_err() || ended {
                return;
            }
        }
    });
}
