//! Runs targets on files, without libFuzzer and with any compiler:
//!
//! ```console
//! $ cargo run --manifest-path fuzz/Cargo.toml --no-default-features --example replay -- <target> <files or folders…>
//! $ cargo run --manifest-path fuzz/Cargo.toml --no-default-features --example replay    # all seeds of all targets
//! ```

use oss_append_fuzz::{TARGETS, Target};
use std::{
    env, fs, io, panic,
    path::{Path, PathBuf},
    process,
};

fn main() -> io::Result<()> {
    // As libFuzzer does: a panic of any thread counts, those of the fake's, too.
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        print(panic);
        process::abort();
    }));
    let mut arguments = env::args_os().skip(1);
    let Some(name) = arguments.next() else {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
        return TARGETS.iter().try_for_each(|(name, run)| replay(name, *run, &seeds.join(name)));
    };
    let Some((name, run)) = TARGETS.iter().find(|(known, _)| name == *known) else {
        return Err(io::Error::other(format!("no target {name:?}: one of {:?}", TARGETS.map(|(name, _)| name))));
    };
    arguments.try_for_each(|path| replay(name, *run, Path::new(&path)))
}

fn replay(name: &str, run: Target, path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        println!("{name} {}", path.display());
        run(&fs::read(path)?);
        return Ok(());
    }
    let mut files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    files.sort();
    files.iter().try_for_each(|file| replay(name, run, file))
}
