"""What a program pays for this crate: crates, cold build, size of a stripped program; beside the HTTP client alone, which
is the least that one costs, and beside that and the other dependencies without a line of ours.

    python3 benches/weight.py --rounds 5 > weight.md

Prints Markdown. Everything is built in a folder of its own, program after program in each round; medians.
"""
import argparse
import pathlib
import resource
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
OURS = """fn main() {
    let endpoint = std::env::args().nth(1).unwrap();
    let bucket = oss_append::Bucket::builder(oss_append::Auth::new("id", "secret"), &endpoint, "bucket").region("cn-hangzhou").build().unwrap();
    println!("{}", bucket.append_object("key", 0, "text").unwrap().next_position);
}
"""
THEIRS = """fn main() {
    let answer = ureq::post(&std::env::args().nth(1).unwrap()).send(&[0u8; 1024][..]).unwrap();
    println!("{:?}", answer.headers().get("x-oss-next-append-position"));
}
"""
UREQ = 'ureq = { version = "3.5.2", default-features = false, features = [%s] }\n'
# What Cargo.toml names beside it, as it names it: built, and not used.
DEPENDENCIES = "\n".join(
    line for line in (HERE / "Cargo.toml").read_text().splitlines()
    if line.startswith(("hmac =", "sha2 =", "base64 =", "httpdate =", "roxmltree =", "crc64fast ="))
)
PROGRAMS = {
    "ureq-plain": (UREQ % "", THEIRS),
    "deps-plain": (UREQ % "" + DEPENDENCIES, THEIRS),
    "ours-plain": (f'oss-append = {{ path = "{HERE}", default-features = false, features = ["wire"] }}', OURS),
    "ureq-tls": (UREQ % '"rustls"', THEIRS),
    "deps-tls": (UREQ % '"rustls"' + DEPENDENCIES, THEIRS),
    "ours-tls": (f'oss-append = {{ path = "{HERE}" }}', OURS),
}


def lay_out(folder, name, dependency, source):
    (folder / "src").mkdir(parents=True)
    (folder / "src/main.rs").write_text(source)
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "{name}"\nversion = "0.0.0"\nedition = "2024"\n[dependencies]\n{dependency}\n'
        "[profile.release]\nstrip = true\n[workspace]\n"
    )
    subprocess.run(["cargo", "fetch", "--quiet"], cwd=folder, check=True)


def build(folder, target):
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["cargo", "build", "--release", "--quiet", "--offline", "--target-dir", target]
    subprocess.run(command, cwd=folder, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - begun, cpu


def crates(folder):
    tree = subprocess.run(["cargo", "tree", "-e", "normal", "--prefix", "none", "--no-dedupe"], cwd=folder, check=True, capture_output=True, text=True)
    return len({line.removesuffix(" (*)") for line in tree.stdout.splitlines()}) - 1


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        for name, (dependency, source) in PROGRAMS.items():
            lay_out(work / name, name, dependency, source)
        spent, sizes = {name: [] for name in PROGRAMS}, {}
        for _ in range(rounds):
            for name in PROGRAMS:
                with tempfile.TemporaryDirectory() as target:
                    spent[name].append(build(work / name, target))
                    sizes[name] = (pathlib.Path(target) / "release" / name).stat().st_size
        print(f"Medians of {rounds} rounds; x: to the HTTP client's, round by round.\n")
        print("| program | crates | cold release build | x | CPU | x | stripped |\n|---|---|---|---|---|---|---|")
        for name in PROGRAMS:
            beside = spent["ureq-" + name.split("-")[1]]
            cells = []
            for what in (0, 1):
                cells.append(f"{statistics.median(run[what] for run in spent[name]):.0f} s")
                cells.append(f"{statistics.median(a[what] / b[what] for a, b in zip(spent[name], beside)):.2f}")
            print(f"| {name} | {crates(work / name)} | {' | '.join(cells)} | {sizes[name] / 1024:.0f} KiB |")


if __name__ == "__main__":
    main()
