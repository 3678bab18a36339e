#!/bin/bash
# Everything that CI runs, cheapest first. Fails at the first thing that fails.
set -euo pipefail
cd "$(dirname "$0")/.."
web=notebook-server/web

step() { printf '\n== %s (%ss)\n' "$1" "$SECONDS"; }

step "format"
cargo fmt --all --check

step "dependencies: licences and versions"
python3 scripts/check-dependencies.py

step "the page: lint and unit tests"
(cd $web && npm run lint && npm test)

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "features build alone"
scripts/features.sh

step "tests"
scripts/nextest.sh --workspace --all-targets

step "examples in the documentation"
cargo test --doc --workspace --locked --quiet

step "the page in Chromium, against the real server"
scripts/e2e.sh

step "done"
