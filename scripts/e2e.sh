#!/bin/bash
# Starts the real server on a free port and a fresh folder, and drives the page in Chromium over the whole path.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(scripts/target-dir.sh)/debug/notebook
work=$(mktemp -d)
shots=${E2E_SHOTS:-$work/shots}
mkdir -p "$shots"
server=
stop() {
  status=$?
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  if [ $status != 0 ]; then echo "--- the server's log"; tail -40 "$work/server.log" || true; fi
  rm -rf "$work"
  exit $status
}
trap stop EXIT

cargo build --locked --quiet -p notebook-server
NOTEBOOK__CHAT__PROVIDER=${E2E_PROVIDER:-extractive} "$bin" serve --port 0 --data-dir "$work/data" >"$work/out" 2>"$work/server.log" &
server=$!
for _ in $(seq 300); do
  url=$(sed -n 's/^notebook is ready at //p' "$work/out")
  [ -n "$url" ] && break
  kill -0 $server 2>/dev/null || { echo "the server ended before it was ready"; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { echo "the server was not ready within 30 s"; exit 1; }
python3 scripts/make-sample-pdf.py "$work/sample.pdf"
cd notebook-server/web
BASE_URL=$url E2E_FILES=$work/sample.pdf E2E_QUESTION="How high does the tower stand in metres?" E2E_SHOTS=$shots npm run --silent e2e
