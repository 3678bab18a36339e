#!/bin/bash
# Every feature of the library crates builds alone, and the base pulls no TLS, HTTP client or database.
set -euo pipefail
# A warning of one feature alone is an error: no other check sees it.
check() {
  local said
  echo "  $*"
  said=$(cargo check --quiet --locked "$@" 2>&1) && [ -z "$said" ] || { echo "$said" >&2; return 1; }
}
for feature in "" conformance sqlite postgres redis smtp http openai ollama google anthropic openapi; do
  check -p notebook-core --lib --no-default-features ${feature:+--features $feature}
done
for feature in "" parse keyword candle ort hub ingest tokenizer; do
  check -p notebook-rag --lib --no-default-features ${feature:+--features $feature}
done
for feature in "" export tools tables fetch notes mcp; do
  check -p notebook-agent --lib --no-default-features ${feature:+--features $feature}
done
for feature in "" oidc; do
  check -p notebook-auth --lib --no-default-features ${feature:+--features $feature}
done
for crate in notebook-core notebook-rag notebook-agent notebook-auth; do
  tree=$(cargo tree --locked -p $crate --no-default-features --edges normal --prefix none)
  for heavy in reqwest hyper rustls native-tls rusqlite sqlx redis tantivy candle-core ort axum; do
    if grep -q "^$heavy v" <<<"$tree"; then
      echo "$crate without features depends on $heavy; put it behind a feature" >&2
      exit 1
    fi
  done
done
