//! A client for the side-by-side benchmark: appends as a user would, and prints what it took.
//!
//! ```console
//! $ cargo run --release --example bench_client -- stream --endpoint http://127.0.0.1:9000 --bucket bench --key k \
//!     --file data --total 1073741824 --chunk 8388608 --count 1
//! {"appends":128,"bytes":1073741824,"next":1073741824,"loop_s":1.2}
//! ```
//!
//! | job | what it does |
//! |---|---|
//! | `stream` | pieces of `--chunk` bytes, one append each, straight from the file; `stream-slice` from memory |
//! | `small` | `--count` appends of 1 KiB |
//! | `copy` | the whole file by `copy_from`; `copy-io` by `io::copy`, `copy-buf` through a 256 KiB `BufReader` |
//! | `joining` | the file again and again in writes of 100 bytes, `--count` of them, which an appender joins |
//! | `one` | one append of 1 KiB |
//!
//! `BENCH_VARIANT` set to `slice`, `io` or `buf` changes `stream` and `copy` so for a harness that knows no other jobs.
//! Without arguments it runs `copy` on its own source against the fake.

use oss_append::{Auth, Body, Bucket, Checkpoint, Position, testing::FakeOss};
use std::{
    collections::HashMap,
    error::Error,
    fs::File,
    io::{self, BufReader, Read, Write},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut job = arguments.next().unwrap_or_else(|| "copy".into());
    #[expect(clippy::disallowed_methods, reason = "the library's environment is not ours")]
    if let (Ok(variant), "stream" | "copy") = (std::env::var("BENCH_VARIANT"), job.as_str()) {
        job = format!("{job}-{variant}");
    }
    let mut options = HashMap::new();
    while let (Some(name), Some(value)) = (arguments.next(), arguments.next()) {
        options.insert(name.trim_start_matches("--").to_owned(), value);
    }
    let text = |name: &str, otherwise: &str| options.get(name).map_or(otherwise, String::as_str).to_owned();
    let number = |name: &str, otherwise: u64| text(name, &otherwise.to_string()).parse::<u64>();
    let path = text("file", concat!(env!("CARGO_MANIFEST_DIR"), "/", file!()));
    let total = number("total", std::fs::metadata(&path)?.len())?;
    let (chunk, count) = (number("chunk", 8 << 20)?, number("count", 3000)?);

    #[expect(clippy::disallowed_methods, reason = "the library's clock is not ours")]
    let begun = std::time::Instant::now();
    let fake = if options.contains_key("endpoint") { None } else { Some(FakeOss::start()?) };
    let bucket = match &fake {
        Some(oss) => oss.bucket("bench"),
        None => Bucket::builder(Auth::new("id", "secret"), &text("endpoint", ""), &text("bucket", "bench"))
            .region("cn-hangzhou")
            .build()?,
    };
    let (key, mut file) = (text("key", "k"), File::open(&path)?);
    let (appends, end) = match job.as_str() {
        "copy" | "copy-io" | "copy-buf" => {
            let mut appender = bucket.appender(&key).create_new()?;
            match job.as_str() {
                "copy" => appender.copy_from(&mut file)?,
                "copy-io" => io::copy(&mut file, &mut appender)?,
                _ => io::copy(&mut BufReader::with_capacity(256 << 10, file), &mut appender)?,
            };
            let end = appender.finish()?;
            (end.position.div_ceil(8 << 20), end)
        }
        "joining" => {
            let mut text = Vec::new();
            file.take(1 << 20).read_to_end(&mut text)?;
            let mut appender = bucket.appender(&key).create_new()?;
            for record in text.chunks_exact(100).cycle().take(usize::try_from(count)?) {
                appender.write_all(record)?;
            }
            let end = appender.finish()?;
            (end.position.div_ceil(8 << 20), end)
        }
        _ => {
            let (size, count) = match job.as_str() {
                "stream" | "stream-slice" => (chunk, total.div_ceil(chunk)),
                "small" => (1 << 10, count),
                "one" => (1 << 10, 1),
                other => return Err(format!("no such job: {other}").into()),
            };
            let (mut at, mut piece) = (Position::from(0), Vec::with_capacity(usize::try_from(size)?));
            let mut end = Checkpoint::default();
            for n in 0..count {
                let mut rest = (&mut file).take(size);
                let body = if job == "stream" {
                    Body::sized(rest, size.min(total - n * size))
                } else {
                    piece.clear();
                    rest.read_to_end(&mut piece)?;
                    Body::from(&piece)
                };
                let appended = bucket.append_object(&key, at, body)?;
                end = appended.checkpoint().ok_or("no CRC")?;
                at = end.into();
            }
            (count, end)
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    println!(r#"{{"appends":{appends},"bytes":{0},"next":{0},"loop_s":{seconds:.6}}}"#, end.position);
    Ok(())
}
