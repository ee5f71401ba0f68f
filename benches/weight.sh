#!/bin/sh
# What a program pays for this crate: crates, cold build, size of a stripped program; beside ureq alone, which is the
# least that an HTTP client costs. Prints Markdown. Everything is built in a folder of its own.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

program() { # name, dependency, source
    mkdir -p "$work/$1/src"
    printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n%s\n[profile.release]\nstrip = true\n[workspace]\n' "$1" "$2" >"$work/$1/Cargo.toml"
    printf '%s\n' "$3" >"$work/$1/src/main.rs"
    (cd "$work/$1" && cargo fetch --quiet)
}
ours='fn main() {
    let endpoint = std::env::args().nth(1).unwrap();
    let bucket = oss_append::Bucket::builder(oss_append::Auth::new("id", "secret"), &endpoint, "bucket").region("cn-hangzhou").build().unwrap();
    println!("{}", bucket.append_object("key", 0, "text").unwrap().next_position);
}'
theirs='fn main() {
    let answer = ureq::post(&std::env::args().nth(1).unwrap()).send(&[0u8; 1024][..]).unwrap();
    println!("{:?}", answer.headers().get("x-oss-next-append-position"));
}'
program ureq-plain 'ureq = { version = "3.5.2", default-features = false }' "$theirs"
program ours-plain "oss-append = { path = \"$here\", default-features = false, features = [\"wire\"] }" "$ours"
program ureq-tls 'ureq = { version = "3.5.2", default-features = false, features = ["rustls"] }' "$theirs"
program ours-tls "oss-append = { path = \"$here\" }" "$ours"

echo '| program | crates | cold release build, CPU | stripped |'
echo '|---|---|---|---|'
for name in ureq-plain ours-plain ureq-tls ours-tls; do
    cd "$work/$name"
    crates=$(cargo tree -e normal --prefix none --no-dedupe | sort -u | wc -l)
    cargo build --release --quiet --offline
    times >"$work/times" # not in a pipe: a subshell has spent nothing yet
    after=$(awk 'NR == 2 {split($1, u, /[ms]/); split($2, s, /[ms]/); print u[1] * 60 + u[2] + s[1] * 60 + s[2]}' "$work/times")
    spent=$(awk -v all="$after" -v old="${total:-0}" 'BEGIN {printf "%.0f", all - old}')
    total=$after
    size=$(wc -c <"target/release/$name")
    echo "| $name | $((crates - 1)) | $spent s | $((size / 1024)) KiB |"
done
