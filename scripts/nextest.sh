#!/bin/sh
# Runs tests with cargo-nextest, or with cargo test where it is not installed.
set -eu
if command -v cargo-nextest >/dev/null 2>&1; then
  exec cargo nextest run --locked --no-fail-fast "$@"
fi
echo "cargo-nextest is not installed; running cargo test (slower). Install it with: cargo install cargo-nextest --locked"
exec cargo test --locked --no-fail-fast "$@"
