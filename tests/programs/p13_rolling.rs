//! Program 13 of the API page: roll_over closures.

use std::{cell::Cell, sync::mpsc};

pub(crate) fn main() -> oss_append::Result<()> {
    let bucket = oss_append::Bucket::from_env()?;
    let mut n = 0;
    let a = bucket
        .appender("log.0")
        .roll_over(1 << 30, move |_| {
            n += 1;
            format!("log.{n}")
        })
        .open()?;
    let c = Cell::new(0); // Send, not Sync: fine with the weaker bound
    let b = bucket
        .appender("x.0")
        .roll_over(9, move |r| {
            c.set(c.get() + 1);
            format!("{}.{}", r.key, c.get())
        })
        .open()?;
    let (_names, next) = mpsc::channel::<String>();
    let c = bucket.appender("y.0").roll_over(9, move |_| next.recv().unwrap_or_default()).create_new()?;
    fn sync<T: Send + Sync + 'static>(_: &T) {}
    sync(&a);
    sync(&b);
    sync(&c);
    Ok(())
}
