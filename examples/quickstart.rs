//! Two appends, a file, and the proof that every byte arrived once.
//!
//! ```console
//! $ cargo run --example quickstart            # against a fake OSS, with this source as the file
//! $ cargo run --example quickstart some.file  # with another file
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! First append to exampledir/exampleobject.txt: next position 23, CRC-64 15520084857251959011
//! Second append: next position 47, CRC-64 18150110022420795852
//! The fake will store what comes next, and lose the answer.
//! Copied a file to exampledir/quickstart.rs: next position <length>, CRC-64 <number>
//! HEAD says of the object: next position <length>, CRC-64 <number>
//! The file on this side: next position <length>, CRC-64 <number>
//! Equal: every byte of the file is in the object, once.
//! ```

use oss_append::testing::{FakeOss, Fault};
use oss_append::{Bucket, Checkpoint};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::{env, error::Error, fs, io, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    let fake = FakeOss::start()?;
    let (bucket, folder) = if real {
        let random = RandomState::new().build_hasher().finish(); // so that two runs never meet
        println!("The bucket of OSS_BUCKET. The objects stay there: delete them when you have seen them.");
        (Bucket::from_env()?, format!("quickstart-{random:016x}/exampledir"))
    } else {
        println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
        (fake.bucket("quickstart"), "exampledir".to_owned())
    };

    // As in oss2, where the second position is `first.next_position`. `&first` carries the CRC too: that is verified.
    let key = format!("{folder}/exampleobject.txt");
    let first = bucket.append_object(&key, 0, "content of first append")?;
    tell(&format!("First append to {key}"), first.checkpoint())?;
    let second = bucket.append_object(&key, &first, "content of second append")?;
    tell("Second append", second.checkpoint())?;

    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart.rs");
    let path = env::args_os().nth(1).map_or_else(|| own.into(), PathBuf::from);
    let file = fs::File::open(&path)?;
    if !real {
        println!("The fake will store what comes next, and lose the answer.");
        fake.inject(Fault::LoseAnswer);
    }
    let key = format!("{folder}/{}", path.file_name().ok_or("this is no file's name")?.display());
    let bar = indicatif::ProgressBar::new(file.metadata()?.len()); // on stderr; silent where that is no terminal
    let mut object = bucket.appender(&key).open()?;
    io::copy(&mut bar.wrap_read(file), &mut object)?;
    let end = object.finish()?; // never leave it out: here the last bytes are sent, and everything is confirmed
    bar.finish_and_clear();
    tell(&format!("Copied a file to {key}"), Some(end))?;

    let there = bucket.head_object(&key)?.checkpoint();
    tell("HEAD says of the object", there)?;
    let here = Checkpoint::default().advance(fs::read(&path)?);
    tell("The file on this side", Some(here))?;
    if there != Some(here) {
        return Err("They differ: was the file changed meanwhile?".into());
    }
    println!("Equal: every byte of the file is in the object, once.");
    Ok(())
}

fn tell(what: &str, at: Option<Checkpoint>) -> Result<(), Box<dyn Error>> {
    let Checkpoint { position, crc64 } = at.ok_or("the service said no position, or no CRC-64")?;
    println!("{what}: next position {position}, CRC-64 {crc64}");
    Ok(())
}
