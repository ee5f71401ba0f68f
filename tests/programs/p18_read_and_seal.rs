//! Program 18 of the API page: read, range, seal; the builder.

use oss_append::{Addressing, Auth, Bucket, OnConflict};
use std::{io, time::Duration};

pub(crate) fn main() -> io::Result<()> {
    let bucket = Bucket::builder(Auth::anonymous(), "http://127.0.0.1:9000", "bucket")
        .region("cn-hangzhou")
        .addressing(Addressing::Path)
        .connect_timeout(Duration::from_secs(1))
        .attempts(5)
        .build()?;
    io::copy(&mut bucket.get_object("k")?, &mut io::stdout())?;
    io::copy(&mut bucket.get_object_range("k", 5..)?, &mut io::stdout())?;
    io::copy(&mut bucket.get_object_range("k", 0..10)?, &mut io::stdout())?;
    io::copy(&mut bucket.get_object_range("k", ..)?, &mut io::stdout())?;
    let shared = bucket.appender("k").on_conflict(OnConflict::Rebase).open()?;
    println!("{:?} {}", shared, shared.existed() == Some(true));
    bucket.seal_append_object("k", shared.checkpoint().position)?;
    if bucket.object_exists("k")? {
        bucket.delete_object("k")?;
    }
    Ok(())
}
