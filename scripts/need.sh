#!/bin/sh
# Says in a sentence which program is missing and how to get it.
missing=0
for program in "$@"; do
  command -v "$program" >/dev/null 2>&1 && continue
  case $program in
    cargo) how="install Rust with rustup (https://rustup.rs)" ;;
    node|npm) how="install Node.js 20 or newer (Debian: apt-get install nodejs npm)" ;;
    python3) how="apt-get install python3 python3-pip" ;;
    *) how="install it" ;;
  esac
  echo "$program is missing: $how" >&2
  missing=1
done
exit $missing
