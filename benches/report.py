#!/usr/bin/env python3
"""Writes measured figures into BENCHMARKS.md, between its marks. What is not given stays as it is.

    python3 benches/report.py --side-by-side results.json --rooms target/criterion --link link.md --weight weight.md

--side-by-side  what the bench's `run.py bench --out results.json` wrote; several runs stand one behind the other
--rooms         the folder in which `cargo bench --bench rooms` left its estimates
--link          what `cargo bench --bench link` printed
--weight        what `benches/weight.py` printed
"""
import argparse
import json
import pathlib
import re
import statistics

PAGE = pathlib.Path(__file__).resolve().parent.parent / "BENCHMARKS.md"
JOBS = {
    "stream": "STREAM: {gib:g} GiB in appends of {chunk} MiB, `append_object`",
    "copy": "COPY: a file of {gib:g} GiB through the client's natural writer",
    "small": "SMALL: {count} appends of 1 KiB on one connection",
    "one": "ONE: a single append of 1 KiB, process start to exit",
}


def median(runs, key):
    return statistics.median(run for run in runs[key] if run is not None)


def side_by_side(path):
    result = json.loads(pathlib.Path(path).read_text())
    lines = [f"{result['cpu']}, {result['cpus']} CPUs, Linux {result['kernel']}, {result['when']}, sink: {result['sink']}. Medians."]
    for job, peers in result["runs"].items():
        rounds = len(next(iter(peers.values()))["wall"])
        title = JOBS[job].format(gib=result["total"] / 2**30, chunk=result["chunk"] >> 20, count=result["count"])
        lines += ["", f"{title} ({rounds} rounds)", "", "| client | wall | CPU | wall x bare-crc | CPU x bare-crc | resident |", "|---|---|---|---|---|---|"]
        peers = {name: {**runs, "cpu": [u + s for u, s in zip(runs["user"], runs["sys"])]} for name, runs in peers.items() if runs["wall"]}
        base = peers.get("bare-crc")
        for name, runs in peers.items():
            wall, cpu = median(runs, "wall"), median(runs, "cpu")
            # Round by round: what disturbed the machine disturbed both.
            ratio = lambda key: f"{statistics.median(a / b for a, b in zip(runs[key], base[key]) if b):.2f}" if base and any(base[key]) else "-"  # noqa: E731
            lines.append(f"| {name} | {seconds(wall)} | {seconds(cpu)} | {ratio('wall')} | {ratio('cpu')} | {median(runs, 'rss_kib') / 1024:.1f} MiB |")
    return "\n".join(lines)


def seconds(value):
    return f"{value:.3f} s" if value >= 0.1 else f"{value * 1000:.2f} ms"


def rooms(path):
    lines = ["| what | time |", "|---|---|"]
    for estimates in sorted(pathlib.Path(path).glob("**/new/estimates.json")):
        about = json.loads((estimates.parent / "benchmark.json").read_text())
        value = json.loads(estimates.read_text())["median"]["point_estimate"]
        throughput = about.get("throughput") or {}
        if "Bytes" in throughput:
            said = f"{throughput['Bytes'] / value:.1f} GB/s"
        elif "Elements" in throughput:
            said = f"{value / throughput['Elements']:.1f} ns each"
        else:
            said = f"{value:.0f} ns" if value < 10_000 else f"{value / 1000:.1f} us"
        lines.append(f"| {about['full_id']} | {said} |")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--side-by-side", nargs="+")
    for name in ("rooms", "link", "weight"):
        arguments.add_argument("--" + name)
    given = arguments.parse_args()
    page = PAGE.read_text()
    for name, text in (
        ("side-by-side", given.side_by_side and "\n\n".join(map(side_by_side, given.side_by_side))),
        ("rooms", given.rooms and rooms(given.rooms)),
        ("link", given.link and pathlib.Path(given.link).read_text().strip()),
        ("weight", given.weight and pathlib.Path(given.weight).read_text().strip()),
    ):
        if text:
            mark = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.S)
            page, found = mark.subn(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page)
            assert found == 1, f"BENCHMARKS.md has no place for {name}"
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
