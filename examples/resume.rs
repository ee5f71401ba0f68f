//! A checkpoint in a file: killed between an append and saving it, and started again, a program has every byte in once.
//!
//! ```console
//! $ cargo run --example resume   # against a fake OSS. With your bucket: -- some.file; kill it, and start it again
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! A life from v1:0:0
//! Killed. Saved was v1:2000:<CRC-64>, the object has 3000 bytes.
//! A life from v1:2000:<CRC-64>
//! Done: v1:<length of the file>:<CRC-64>. That is the file, every byte once.
//! ```

use oss_append::{Bucket, Checkpoint, testing::FakeOss};
use std::{env, error::Error, fs, io::ErrorKind, io::Write, mem, path::Path, process};

const KEY: &str = "resume.txt";

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/resume.rs").to_owned();
    let source = fs::read(env::args().nth(1).unwrap_or(own))?;
    if real {
        let end = live(&Bucket::from_env()?, &source, Path::new("resume.at"), usize::MAX)?;
        println!("Done: {end}. Delete resume.at when you delete the object.");
        return Ok(());
    }
    println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
    let (oss, file) = (FakeOss::start()?, env::temp_dir().join(format!("resume-{}.at", process::id())));
    let bucket = oss.bucket("resume");
    live(&bucket, &source, &file, 3)?;
    let there = oss.object_len("resume", KEY).unwrap_or_default();
    println!("Killed. Saved was {}, the object has {there} bytes.", fs::read_to_string(&file)?);
    let end = live(&bucket, &source, &file, usize::MAX)?;
    fs::remove_file(&file)?;
    assert!(oss.object("resume", KEY) == Some(source), "the object is not the file");
    println!("Done: {end}. That is the file, every byte once.");
    Ok(())
}

/// Appends what is not in yet, in small pieces, and saves behind each how far it is. Dies before saving.
fn live(bucket: &Bucket, source: &[u8], file: &Path, dies_at: usize) -> Result<Checkpoint, Box<dyn Error>> {
    let saved: Checkpoint = match fs::read_to_string(file) {
        Ok(text) => text.parse()?,
        Err(error) if error.kind() == ErrorKind::NotFound => Checkpoint::default(),
        Err(error) => return Err(error.into()),
    };
    println!("A life from {saved}");
    let mut object = bucket.appender(KEY).resume(saved)?; // knows bytes again that are in already
    let rest = source.get(usize::try_from(saved.position)?..).ok_or("the file is shorter than what was saved")?;
    for (n, piece) in (1..).zip(rest.chunks(1000)) {
        object.write_all(piece)?;
        let at = object.confirm()?;
        if n == dies_at {
            mem::forget(object); // no drop, no saving: as killed
            return Ok(at);
        }
        fs::write(file, at.to_string())?; // where power may fail: to another file, sync, rename
    }
    Ok(object.finish()?)
}
