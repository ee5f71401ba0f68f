//! Program 4 of the API page: tracing-appender and tracing-subscriber.

use std::sync::Mutex;

pub(crate) fn main() -> oss_append::Result<()> {
    let bucket = oss_append::Bucket::from_env()?;
    let (writer, _guard) = tracing_appender::non_blocking(bucket.appender("a.log").open()?);
    let one = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
    let two = tracing_subscriber::fmt().with_writer(Mutex::new(bucket.appender("b.log").open()?)).finish();
    tracing::subscriber::with_default(one, || tracing::info!("one"));
    tracing::subscriber::with_default(two, || tracing::info!("two"));
    Ok(())
}
