#!/bin/bash
# Each fuzz target for the given number of seconds, from its seeds and what earlier runs found.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
seconds="${1:-600}"
corpus="${NOTEBOOK_CACHE:-$HOME/.cache/notebook}/fuzz"
cargo +nightly --version >/dev/null 2>&1 || { echo "fuzzing needs nightly Rust: rustup toolchain install nightly" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || { echo "fuzzing needs cargo-fuzz: cargo install cargo-fuzz" >&2; exit 1; }
for target in $(cargo +nightly fuzz list --fuzz-dir .); do
  mkdir -p "$corpus/$target"
  cargo +nightly fuzz run --fuzz-dir . "$target" "$corpus/$target" "seeds/$target" -- \
    -max_total_time="$seconds" -max_len=4096 -dict="seeds/$target.dict" -print_final_stats=1
done
