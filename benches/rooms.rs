//! The pure rooms: what an append costs before and after the network.
//!
//! ```console
//! $ cargo bench --bench rooms
//! ```

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use oss_append::{Appender, Credentials, internal, testing::FakeOss};
use std::{
    fs::File,
    hint::black_box,
    io::{self, Read, Write},
    process::Command,
};

const DENIED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>AccessDenied</Code>\n  \
    <Message>You have no right to access this object.</Message>\n  <RequestId>534B371674E88A4D8906008B</RequestId>\n  \
    <HostId>bucket.oss-cn-hangzhou.aliyuncs.com</HostId>\n  <EC>0003-00000001</EC>\n</Error>\n";

fn crc64(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc64");
    for size in [1 << 10, 64 << 10, 8 << 20] {
        let bytes = vec![7; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("of {} KiB", size >> 10), |b| b.iter(|| internal::crc64(black_box(&bytes))));
    }
    group.finish();
    c.bench_function("crc64/join 8 MiB", |b| b.iter(|| internal::crc64_join(black_box(3), black_box(5), 8 << 20)));
    c.bench_function("crc64/join 5 GiB - 1", |b| {
        b.iter(|| internal::crc64_join(black_box(3), black_box(5), (5 << 30) - 1));
    });
    c.bench_function("crc64/go on from any", |b| b.iter(|| internal::crc64_going_on(black_box(3), b"")));
}

fn request(c: &mut Criterion) {
    let keys = Credentials::new("LTAI5tExampleExampleExa", "ExampleSecretExampleSecretExam");
    c.bench_function("request/make and sign an append", |b| {
        b.iter(|| internal::signed_append(black_box("logs/2026/app.log"), 1 << 30, &keys, 1_764_590_400));
    });
    let plain = "logs/2026/11/28/host-17/application.log";
    c.bench_function("request/escape a plain key", |b| b.iter(|| internal::escape_path(black_box(plain))));
    let odd = "日志/2026 年/ärger+100%.log";
    c.bench_function("request/escape a key of other letters", |b| b.iter(|| internal::escape_path(black_box(odd))));
}

fn response(c: &mut Criterion) {
    let headers = vec![("x-oss-request-id".to_owned(), "534B371674E88A4D8906008B".to_owned())];
    c.bench_function("response/read an error document", |b| {
        b.iter_batched(
            || (headers.clone(), DENIED.into()),
            |(headers, body)| internal::refusal(403, headers, body),
            BatchSize::SmallInput,
        );
    });
}

/// Into the buffer only: it holds far more than a batch writes, and is thrown away unsent.
fn write(c: &mut Criterion) {
    const WRITES: usize = 10_000;
    let oss = FakeOss::start().expect("loopback is there");
    let bucket = oss.bucket("bucket");
    let mut group = c.benchmark_group("appender");
    for size in [10, 100, 1000] {
        let record = vec![b'x'; size];
        let open = || {
            let mut appender = bucket.appender("log").buffer_capacity((WRITES + 1) * size).create_new().expect("good");
            appender.write_all(&record).expect("there is room"); // the first allocates the buffer
            appender
        };
        group.throughput(Throughput::Elements(WRITES as u64));
        group.bench_function(format!("write {size} bytes"), |b| {
            b.iter_batched(open, |appender| fill(appender, &record, WRITES), BatchSize::LargeInput);
        });
    }
    group.finish();
}

/// What `resumable_append` pays to know that an object is the file's beginning, beside plain reads of the file: as std
/// does it, and into a buffer that begins where the kernel copies fastest. The file is in memory, and then on the disk.
fn prefix(c: &mut Criterion) {
    const BYTES: usize = 256 << 20;
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("file");
    std::fs::write(&path, vec![7; BYTES]).expect("there is room");
    let oss = FakeOss::start().expect("loopback is there");
    oss.keep_no_bytes();
    let bucket = oss.bucket("bucket");
    bucket.resumable_append("log", &path).expect("it is new");
    let open = || File::open(&path).expect("it is there");
    let copied = || io::copy(&mut open(), &mut io::sink()).expect("it can be read");
    let mut room = vec![0; (256 << 10) + PAGE];
    let page = room.as_ptr().align_offset(PAGE);
    let mut aligned = || {
        let (mut file, piece) = (open(), &mut room[page..][..256 << 10]);
        while file.read(black_box(piece)).expect("it can be read") > 0 {}
    };
    let compared = || assert_eq!(bucket.resumable_append("log", &path).expect("it is the same").sent, 0);

    let mut group = c.benchmark_group("file");
    group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(20);
    group.bench_function("in memory, io::copy to a sink", |b| b.iter(copied));
    group.bench_function("in memory, read into an aligned buffer", |b| b.iter(&mut aligned));
    group.bench_function("in memory, read and compared by resumable_append", |b| b.iter(compared));
    let forget = || {
        // Says to the kernel that nothing of it need be kept.
        let input = format!("if={}", path.display());
        let dd = Command::new("dd").args([&*input, "iflag=nocache", "count=0", "status=none"]).status();
        assert!(dd.expect("dd is there").success());
    };
    open().sync_all().expect("it can be written down");
    let mut on_disk = |what, read: &mut dyn FnMut()| {
        group.bench_function(format!("on disk, {what}"), |b| {
            b.iter_batched(forget, |()| read(), BatchSize::PerIteration);
        });
    };
    on_disk("io::copy to a sink", &mut || _ = copied());
    on_disk("read into an aligned buffer", &mut aligned);
    on_disk("read and compared by resumable_append", &mut || compared());
    group.finish();
}

const PAGE: usize = 4096;

fn fill(mut appender: Appender, record: &[u8], times: usize) -> Vec<u8> {
    for _ in 0..times {
        appender.write_all(black_box(record)).expect("there is room");
    }
    appender.into_parts().1
}

criterion_group!(benches, crc64, request, response, write, prefix);
criterion_main!(benches);
