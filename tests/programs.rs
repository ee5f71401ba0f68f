//! The programs of the API's contract compile, and what they do with an account they do with the fake.

#![allow(clippy::unwrap_used, reason = "a test's way to fail, in its helpers too")]

use oss_append::{Checkpoint, testing::FakeOss};
use std::{
    fmt::Debug,
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

#[allow(warnings, reason = "users are not held to our lints, and some of these only have to compile")]
mod programs {
    pub(crate) mod p01_sample;
    pub(crate) mod p02_copy;
    pub(crate) mod p03_env_logger;
    pub(crate) mod p04_tracing;
    pub(crate) mod p05_simplelog_fern;
    pub(crate) mod p06_gzip;
    pub(crate) mod p07_tar_csv_json;
    pub(crate) mod p08_std_writers;
    pub(crate) mod p09_threads;
    pub(crate) mod p10_build_tool;
    pub(crate) mod p10b_error_types;
    pub(crate) mod p11_providers;
    pub(crate) mod p12_token_in_file;
    pub(crate) mod p13_rolling;
    pub(crate) mod p14_progress;
    pub(crate) mod p15_bodies;
    pub(crate) mod p16_lost_answer;
    pub(crate) mod p17_finish_again;
    pub(crate) mod p18_read_and_seal;
    pub(crate) mod p19_global_logger;
    pub(crate) mod p20_restart;
}

use programs::*;

#[track_caller]
fn fine<E: Debug>(result: Result<(), E>) {
    result.expect("the program should end well");
}

/// Programs without an account.
#[test]
fn programs_that_need_no_environment_end_well() {
    fine(p11_providers::main());
    fine(p16_lost_answer::main());
}

/// Run by [`run`], in an environment and a directory of its own.
#[test]
#[ignore = "is run by the other tests, in an environment of its own"]
#[allow(clippy::disallowed_methods, reason = "told by the environment which program it is")]
fn helper() {
    match std::env::var("PROGRAM").unwrap().as_str() {
        "copy" => fine(p02_copy::main()),
        "env_logger" => fine(p03_env_logger::main()),
        "tracing" => fine(p04_tracing::main()),
        "gzip" => fine(p06_gzip::main()),
        "tar_csv_json" => fine(p07_tar_csv_json::main()),
        "std_writers" => fine(p08_std_writers::main()),
        "threads" => fine(p09_threads::main()),
        "build_tool" => p10_build_tool::main(),
        "error_types" => fine(p10b_error_types::main()),
        "token_in_file" => fine(p12_token_in_file::main()),
        "rolling" => fine(p13_rolling::main()),
        "progress" => fine(p14_progress::main()),
        "finish_again" => fine(p17_finish_again::main()),
        "global_logger" => fine(p19_global_logger::main()),
        "restart" => fine(p20_restart::main()),
        other => panic!("no program {other}"),
    }
}

/// Runs a program as a process of its own against a fake, in a directory with these files, and returns what it printed.
#[track_caller]
fn run(oss: &FakeOss, program: &str, files: &[(&str, &str)]) -> (PathBuf, String) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("programs").join(program);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "--ignored", "--nocapture", "helper"]).env_clear().env("PROGRAM", program);
    child.envs(oss.env("bucket")).current_dir(&directory).stdin(Stdio::piped());
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Some never look at it.
    let _ = child.stdin.take().unwrap().write_all(b"from stdin\n");
    let output = child.wait_with_output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {text}");
    (directory, text)
}

#[track_caller]
fn content(oss: &FakeOss, key: &str) -> String {
    String::from_utf8(oss.object("bucket", key).unwrap_or_else(|| panic!("there is no {key}"))).unwrap()
}

#[test]
fn files_and_stdin_are_copied() {
    let oss = FakeOss::start().unwrap();
    run(&oss, "copy", &[("backup.tar", "a backup\n"), ("more", "more\n")]);
    assert_eq!(content(&oss, "backup.tar"), "a backup\nfrom stdin\nmore\nmore\nmore\n");
}

#[test]
fn loggers_write_records() {
    let oss = FakeOss::start().unwrap();
    run(&oss, "tracing", &[]);
    assert!(content(&oss, "a.log").contains("one"), "{}", content(&oss, "a.log"));
    assert!(content(&oss, "b.log").contains("two"), "{}", content(&oss, "b.log"));
    run(&oss, "global_logger", &[]);
    assert!(content(&oss, "app.log").contains("hello"), "{}", content(&oss, "app.log"));
    // A logger that is never dropped and below its threshold: nothing is promised, and nothing is half there.
    oss.delete_object("bucket", "app.log");
    run(&oss, "env_logger", &[]);
    assert_eq!(oss.object("bucket", "app.log"), None);
}

#[test]
fn formats_come_out_whole() {
    let oss = FakeOss::start().unwrap();
    run(&oss, "gzip", &[]);
    let gz = oss.object("bucket", "log.gz").unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&gz[..]), &mut text).unwrap();
    assert_eq!(text, "hello");

    run(&oss, "tar_csv_json", &[("Cargo.toml", "[package]\n")]);
    assert_eq!(content(&oss, "a.csv"), "a,b\n");
    assert_eq!(content(&oss, "a.jsonl"), "[1,2,3]");
    let tar = oss.object("bucket", "a.tar").unwrap();
    let names: Vec<_> =
        tar::Archive::new(&tar[..]).entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, [PathBuf::from("Cargo.toml")]);
}

#[test]
fn writers_and_threads_share_a_bucket() {
    let oss = FakeOss::start().unwrap();
    run(&oss, "std_writers", &[]);
    // Its boxed writer is dropped last, behind the others' bytes: there it is told to nobody that it came too late.
    assert_eq!(content(&oss, "k"), "xx\nx 1\n");
    let oss = FakeOss::start().unwrap();
    run(&oss, "threads", &[]);
    for (key, text) in [("log", "x"), ("a", "a"), ("b", "b"), ("words", "ab"), ("k", "x")] {
        assert_eq!(content(&oss, key), text);
    }
}

#[test]
fn errors_reach_the_user() {
    let oss = FakeOss::start().unwrap();
    run(&oss, "build_tool", &[("build.log", "built\n")]);
    assert_eq!((content(&oss, "build.log"), content(&oss, "done")), ("ok\nbuilt\n".to_owned(), "1".to_owned()));
    // The same byte as before: whose it is cannot be told.
    let (_, said) = run(&oss, "build_tool", &[("build.log", "built\n")]);
    assert!(said.contains("ask before sending again (Some(\"5FA4E5A0"), "{said}");
    assert!(said.contains("mark: append to \"done\" at 0..1: the object goes on beyond this position, to 1"), "{said}");

    oss.append_as_stranger("bucket", "k", b"1234");
    let (_, said) = run(&oss, "error_types", &[]);
    assert!(said.contains("Some(7)"), "three appenders wrote one byte each behind the four: {said}");
}

#[test]
fn a_token_is_kept_from_run_to_run() {
    let oss = FakeOss::start().unwrap();
    let (directory, _) = run(&oss, "token_in_file", &[]);
    let token = fs::read_to_string(directory.join("log.at")).unwrap();
    assert_eq!(token, Checkpoint::default().advance("more\n").to_string());
    run(&oss, "token_in_file", &[("log.at", &format!("{token}\n"))]);
    assert_eq!(content(&oss, "log"), "more\nmore\n");
}

#[test]
fn the_rest_does_what_it_says() {
    let oss = FakeOss::start().unwrap();
    run(&oss, "rolling", &[]);
    run(&oss, "finish_again", &[]);
    assert_eq!(content(&oss, "k"), "x\n");
    oss.delete_object("bucket", "k");
    run(&oss, "progress", &[("Cargo.toml", "[package]\n")]);
    assert_eq!(content(&oss, "k"), "[package]\n");
    run(&oss, "restart", &[]);
    assert_eq!(content(&oss, "log"), "one\ntwo\nthree\n");
}
