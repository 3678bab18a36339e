#!/bin/bash
# Starts the real server on a free port and a fresh folder, once for one user and once with accounts, and drives the page
# in Chromium over the whole path.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(scripts/target-dir.sh)/debug/notebook
work=$(mktemp -d)
shots=${E2E_SHOTS:-$work/shots}
mkdir -p "$shots"
servers=()
stop() {
  status=$?
  for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; done
  if [ $status != 0 ]; then for log in "$work"/*.log; do echo "--- $log"; tail -40 "$log" || true; done; fi
  rm -rf "$work"
  exit $status
}
trap stop EXIT

# serve NAME PORT [SETTING=VALUE ...]: starts a server in a folder of its own; its address is then in $url.
serve() {
  local name=$1 port=$2
  shift 2
  env NOTEBOOK__CHAT__PROVIDER="${E2E_PROVIDER:-extractive}" "$@" "$bin" serve --port "$port" --data-dir "$work/$name" >"$work/$name.out" 2>"$work/$name.log" &
  servers+=($!)
  for _ in $(seq 300); do
    url=$(sed -n 's/^notebook is ready at //p' "$work/$name.out")
    [ -n "$url" ] && return
    kill -0 "${servers[-1]}" 2>/dev/null || { echo "the server ended before it was ready"; exit 1; }
    sleep 0.1
  done
  echo "the server was not ready within 30 s"
  exit 1
}

cargo build --locked --quiet -p notebook-server
serve single 0
single=$url
# A server with accounts knows its address before it starts.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
accounts=http://localhost:$port
serve accounts "$port" NOTEBOOK__AUTH__MODE=accounts NOTEBOOK__AUTH__REGISTRATION=open NOTEBOOK__AUTH__PUBLIC_URL="$accounts"
python3 scripts/make-sample-pdf.py "$work/sample.pdf"
cd notebook-server/web
BASE_URL=$single ACCOUNTS_URL=$accounts E2E_FILES=$work/sample.pdf E2E_QUESTION="How high does the tower stand in metres?" E2E_SHOTS=$shots npm run --silent e2e
