//! Downloads an object to a file: checked by its CRC-64, and in place only when it is whole.
//!
//! ```console
//! $ cargo run --example restore                                       # against a fake OSS
//! $ OSS_BUCKET=.. cargo run --example restore backup.tar ./backup.tar
//! A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)
//! backup.tar: 1000000 bytes, CRC-64 <number>, as the service says
//! Damaged on the way: get of "backup.tar": the bytes read are not those of the object: the CRC-64 differs
//! The file is what it was, and nothing lies beside it.
//! ```

use oss_append::Bucket;
use oss_append::testing::{FakeOss, Fault};
use std::{env, error::Error, fs, io, path::Path};
use tempfile::NamedTempFile;

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::disallowed_methods, reason = "whether to leave this machine is for the caller to say")]
    let real = env::var_os("OSS_BUCKET").is_some();
    if real {
        let [key, path] = [1, 2].map(|n| env::args().nth(n));
        let (key, path) = key.zip(path).ok_or("tell me a key and a file: restore <key> <path>")?;
        return Ok(restore(&Bucket::from_env()?, &key, path.as_ref())?);
    }
    println!("A fake OSS inside this program. (Set OSS_BUCKET, OSS_ENDPOINT and the keys for your own bucket.)");
    let fake = FakeOss::start()?;
    let bucket = fake.bucket("files");
    let bytes = b"0123456789".repeat(100_000);
    let stored = bucket.append_object("backup.tar", 0, &bytes)?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("backup.tar");
    restore(&bucket, "backup.tar", &path)?;

    bucket.append_object("backup.tar", &stored, "more")?;
    fake.inject_on("GET", Fault::WrongCrc);
    let error = restore(&bucket, "backup.tar", &path).err().ok_or("this should have been noticed")?;
    println!("Damaged on the way: {error}");
    if fs::read(&path)? != bytes || fs::read_dir(folder.path())?.count() != 1 {
        return Err("the file was touched, or something was left".into());
    }
    println!("The file is what it was, and nothing lies beside it.");
    Ok(())
}

fn restore(bucket: &Bucket, key: &str, path: &Path) -> io::Result<()> {
    let mut object = bucket.get_object(key)?;
    // In the same folder, so that the renaming is one step. It is removed again if anything fails before that.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| ".".as_ref());
    let mut file = NamedTempFile::new_in(folder)?;
    io::copy(&mut object, &mut file)?; // another CRC-64 at the end is an error here
    file.as_file().sync_all()?;
    file.persist(path)?;
    match object.meta().crc64 {
        Some(crc64) => println!("{key}: {} bytes, CRC-64 {crc64}, as the service says", object.meta().length),
        None => println!("{key}: {} bytes, and the service states no CRC-64: only counted", object.meta().length),
    }
    Ok(())
}
