#!/bin/sh
# Are the tests worth anything? Plants known mistakes into a copy of the sources, one at a time, and expects the model
# test to fail for each. Prints a table; ends with 1 if a mistake survives, with 2 if one could not be planted.
#
#   sh tests/planted.sh [directory for build products]
#
# A mistake is one line of src/ that is replaced by another: tests/planted/<name>.mistake holds the old line behind
# "- " and the new one behind "+ ", leading blanks aside. The old line must be in all of src/ exactly once.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
copy=$(mktemp -d) || exit 2
trap 'rm -rf "$copy"' EXIT
CARGO_TARGET_DIR=${1:-$copy/target}
export CARGO_TARGET_DIR RUST_BACKTRACE=0
survived=0

cp -R "$here/Cargo.toml" "$here/src" "$copy" || exit 2
[ ! -f "$here/Cargo.lock" ] || cp "$here/Cargo.lock" "$copy"
[ ! -d "$here/examples" ] || cp -R "$here/examples" "$copy"
[ ! -d "$here/benches" ] || cp -R "$here/benches" "$copy"
mkdir "$copy/tests" && cp "$here/tests/model.rs" "$here/README.md" "$copy/tests" && cp "$here/README.md" "$copy" || exit 2
cp -R "$copy/src" "$copy/clean" || exit 2
cd "$copy" || exit 2

build() { cargo test --quiet --no-default-features --test model --no-run >"$copy/log" 2>&1; }
# A hang is a failure, too.
run() { timeout 600 cargo test --quiet --no-default-features --test model >"$copy/log" 2>&1; }

build || { cat "$copy/log"; echo "the sources do not build"; exit 2; }
run || { cat "$copy/log"; echo "the model test fails without any mistake"; exit 2; }
printf '%-30s %s\n' "no mistake" "passes"

for mistake in "$here"/tests/planted/*.mistake; do
    name=$(basename "$mistake" .mistake)
    rm -rf src && cp -R clean src || exit 2
    MISTAKE=$mistake awk '
        BEGIN {
            while ((getline line < ENVIRON["MISTAKE"]) > 0) {
                if (line ~ /^- /) old = substr(line, 3)
                if (line ~ /^[+] /) new = substr(line, 3)
            }
            if (old == "" || new == "") { print "no \"- \" and \"+ \" lines"; exit 1 }
            for (i = 1; i < ARGC; i++) {
                file = ARGV[i]; text = ""; here = 0
                while ((getline line < file) > 0) {
                    bare = line; sub(/^ +/, "", bare)
                    if (bare == old) { here++; line = new }
                    text = text line "\n"
                }
                close(file)
                found += here
                if (here) { printf "%s", text > file; close(file) }
            }
            if (found != 1) { printf "the old line is there %d times\n", found; exit 1 }
            exit 0
        }' $(find src -name '*.rs') || { echo "$name: cannot be planted"; exit 2; }
    find src -name '*.rs' -exec touch {} +
    build || { cat "$copy/log"; echo "$name: does not build"; exit 2; }
    if run; then
        survived=$((survived + 1))
        printf '%-30s %s\n' "$name" "SURVIVED"
    else
        printf '%-30s %s\n' "$name" "caught: $(grep -m 1 -o 'seed [0-9]*: [^"]*' "$copy/log" || echo 'no seed: see what failed')"
    fi
done
[ "$survived" -eq 0 ]
