//! Program 2 of the API page: io::copy of a File and of stdin; copy_from.

use std::{fs::File, io};

pub(crate) fn main() -> io::Result<()> {
    let bucket = oss_append::Bucket::from_env()?; // Error becomes io::Error
    let mut appender = bucket.appender("backup.tar").open()?;
    io::copy(&mut File::open("backup.tar")?, &mut appender)?;
    io::copy(&mut io::stdin().lock(), &mut appender)?;
    appender.copy_from(File::open("more")?)?; // by value, by &mut, dyn: all fine
    appender.copy_from(&mut File::open("more")?)?;
    appender.copy_from(&File::open("more")?)?;
    let boxed: &mut dyn io::Read = &mut io::empty();
    appender.copy_from(boxed)?;
    println!("{}", appender.finish()?); // FinishError becomes io::Error
    Ok(())
}
