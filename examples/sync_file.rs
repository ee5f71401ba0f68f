//! Brings an object up to its file: only what is missing is sent, after a proof that the rest is the same.
//!
//! ```console
//! $ cargo run --example sync_file                                      # against a fake OSS, with this source
//! $ OSS_BUCKET=.. cargo run --example sync_file backup.tar ./backup.tar  # as often as you like, also after a kill
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! sync_file.rs: <length> bytes sent, <length> in the object, v1:<length>:<CRC-64>
//! Once more:
//! sync_file.rs: 0 bytes sent, <length> in the object, v1:<length>:<CRC-64>
//! Another file under the same key:
//! refused: .. the object is not the beginning of the file: they differ at byte 0
//! ```

use indicatif::{ProgressBar, ProgressStyle};
use oss_append::{AppendOptions, Bucket, ErrorKind, Found, testing::FakeOss};
use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    if real {
        let [key, path] = [1, 2].map(|n| env::args().nth(n));
        let (key, path) = key.zip(path).ok_or("tell me a key and a file: sync_file <key> <path>")?;
        return Ok(sync(&Bucket::from_env()?, &key, path.as_ref())?);
    }
    println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
    let fake = FakeOss::start()?;
    let bucket = fake.bucket("files");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sync_file.rs");
    sync(&bucket, "sync_file.rs", own.as_ref())?;
    println!("Once more:");
    sync(&bucket, "sync_file.rs", own.as_ref())?;

    println!("Another file under the same key:");
    let other = tempfile::NamedTempFile::new()?;
    fs::write(&other, "x".repeat(1 << 20))?;
    match sync(&bucket, "sync_file.rs", other.path()) {
        Err(error) if error.kind() == ErrorKind::Conflict(Found::Different) => println!("refused: {error}"),
        other => return Err(format!("this should have been refused: {other:?}").into()),
    }
    Ok(())
}

fn sync(bucket: &Bucket, key: &str, path: &Path) -> oss_append::Result<()> {
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec}").expect("it is fixed");
    let bar = ProgressBar::no_length().with_style(style); // on stderr; silent where that is no terminal
    let ui = bar.clone();
    let options = AppendOptions::new().progress(move |now| {
        ui.set_length(now.total.unwrap_or(now.sent));
        ui.set_position(now.sent); // what was proved to be there, then what is sent
    });
    let done = bucket.resumable_append_with(key, path, &options);
    bar.finish_and_clear();
    let done = done?;
    println!("{key}: {} bytes sent, {} in the object, {}", done.sent, done.checkpoint.position, done.checkpoint);
    Ok(())
}
