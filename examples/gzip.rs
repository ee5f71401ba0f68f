//! A compressed log: each run appends a gzip member of its own, and the object is one gzip file all the time.
//!
//! ```console
//! $ cargo run --example gzip           # two runs, against a fake OSS
//! $ cargo run --example gzip -- line   # with a line of your own
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! The fake will store what comes next, and lose the answer.
//! Run 1: 22890 bytes became 2422, confirmed at v1:2422:<CRC-64>
//! Run 2: 22890 bytes became 2422, confirmed at v1:4844:<CRC-64>
//! Read back 4844 bytes, unpacked to 45780: every member, each once.
//! ```

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use oss_append::testing::{FakeOss, Fault};
use oss_append::{Bucket, Checkpoint};
use std::{env, error::Error, io, io::Read, io::Write};

const KEY: &str = "logs/app.log.gz";

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    let fake = FakeOss::start()?;
    let bucket = if real { Bucket::from_env()? } else { fake.bucket("gzip") };
    if !real {
        println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
        println!("The fake will store what comes next, and lose the answer.");
        fake.inject(Fault::LoseAnswer);
    }
    let line = env::args().nth(1).unwrap_or_else(|| "something happened".to_owned());
    let mut expected = if bucket.object_exists(KEY)? { unpacked(&bucket)? } else { String::new() };
    for run in 1..=2 {
        let text: String = (0..1000).map(|n| format!("{n} {line}\n")).collect();
        let (start, end) = append_member(&bucket, &text)?;
        println!("Run {run}: {} bytes became {}, confirmed at {end}", text.len(), end.position - start.position);
        expected.push_str(&text);
    }
    let length = bucket.head_object(KEY)?.length;
    if unpacked(&bucket)? != expected {
        return Err("what came back is not what was written".into());
    }
    println!("Read back {length} bytes, unpacked to {}: every member, each once.", expected.len());
    Ok(())
}

fn append_member(bucket: &Bucket, text: &str) -> io::Result<(Checkpoint, Checkpoint)> {
    let object = bucket.appender(KEY).open()?;
    let start = object.checkpoint();
    let mut gzip = GzEncoder::new(object, Compression::default());
    gzip.write_all(text.as_bytes())?;
    let object = gzip.finish()?; // writes the member's end into the appender, which may still keep it
    Ok((start, object.finish()?)) // so both have to be finished
}

/// All members; `GzDecoder` would stop behind the first.
fn unpacked(bucket: &Bucket) -> io::Result<String> {
    let mut text = String::new();
    MultiGzDecoder::new(bucket.get_object(KEY)?).read_to_string(&mut text)?;
    Ok(text)
}
