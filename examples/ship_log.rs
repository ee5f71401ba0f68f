//! Standard input into an object: lines go out when a MiB is full, or after 5 seconds, or at the end; Ctrl-C is an end.
//!
//! ```console
//! $ printf 'one\ntwo\nthree\n' | cargo run --example ship_log              # against a fake OSS
//! $ tail -F app.log | cargo run --example ship_log -- logs/app.log         # with another key; end it with Ctrl-C
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! Appending to logs/ship_log.txt from v1:0:0
//! Shipped 3 lines, 14 bytes: the object ends at v1:14:9032980501040891028
//! ```

use oss_append::{Bucket, testing::FakeOss};
use std::io::{self, BufRead, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::{env, error::Error, thread, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    let fake = FakeOss::start()?;
    let bucket = if real { Bucket::from_env()? } else { fake.bucket("ship-log") };
    if !real {
        println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
    }
    let key = env::args().nth(1).unwrap_or_else(|| "logs/ship_log.txt".to_owned());
    let max_age = Duration::from_secs(5);
    let mut log = bucket.appender(&key).buffer_capacity(1 << 20).max_age(max_age).whole_lines(true).open()?;
    println!("Appending to {key} from {}", log.checkpoint());

    // `None` is the end. With room for some lines only: what the network cannot take waits in the pipe, not in memory.
    let (sender, lines) = mpsc::sync_channel::<Option<io::Result<Vec<u8>>>>(1000);
    let stop = sender.clone();
    ctrlc::set_handler(move || drop(stop.send(None)))?;
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = stdin.read_until(b'\n', &mut line);
            let end = !matches!(read, Ok(1..));
            let sent = sender.send(if let Ok(0) = read { None } else { Some(read.map(|_| line)) });
            if end || sent.is_err() {
                return;
            }
        }
    });
    let (mut count, mut bytes) = (0, 0);
    loop {
        match lines.recv_timeout(Duration::from_secs(1)) {
            Ok(Some(line)) => {
                let line = line?;
                log.write_all(&line)?;
                (count, bytes) = (count + 1, bytes + line.len());
            }
            Err(RecvTimeoutError::Timeout) => log.flush_due()?, // the appender has no thread of its own
            Ok(None) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    println!("Shipped {count} lines, {bytes} bytes: the object ends at {}", log.finish()?);
    Ok(())
}
