//! Program 14 of the API page: progress with indicatif; atomics.

use indicatif::ProgressBar;
use oss_append::{AppendOptions, Bucket};
use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bucket = Bucket::from_env()?;
    let file = File::open("Cargo.toml")?;
    let bar = ProgressBar::new(file.metadata()?.len());
    let ui = bar.clone();
    let options = AppendOptions::new().meta("from", "build").progress(move |p| ui.set_position(p.sent));
    bucket.append_object_with("k", 0, &file, &options)?;
    bar.finish();
    let seen = Arc::new(AtomicU64::new(0));
    let inner = Arc::clone(&seen);
    bucket.resumable_append_with(
        "k",
        "Cargo.toml",
        &options.progress(move |p| inner.store(p.sent, Ordering::Relaxed)),
    )?;
    Ok(())
}
