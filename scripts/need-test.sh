#!/bin/sh
# Installs what the tests need beyond the toolchains: Chromium, PostgreSQL, nginx, Redis, llama.cpp's server,
# onnxruntime, a verifier of webhooks' signatures, OpenBao, llmock, tesseract, ffmpeg, a speech model and recordings.
set -eu
if ! command -v chromium >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "The browser tests need Chromium: run 'sudo apt-get install -y chromium', then again." >&2
    exit 1
  fi
  echo "== installing Chromium for the browser tests"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-liberation fonts-noto-core >/dev/null
fi
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "The database tests need PostgreSQL: run 'sudo apt-get install -y postgresql', then again." >&2
    exit 1
  fi
  echo "== installing PostgreSQL for the database tests"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
fi
if ! command -v nginx >/dev/null 2>&1 && [ ! -x /usr/sbin/nginx ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "The test of a rolling restart needs nginx: run 'sudo apt-get install -y nginx-light', then again." >&2
    exit 1
  fi
  echo "== installing nginx for the test of a rolling restart"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null
fi
if ! command -v redis-server >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "The tests of several servers need Redis: run 'sudo apt-get install -y redis-server', then again." >&2
    exit 1
  fi
  echo "== installing Redis for the tests of several servers"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
fi
if ! command -v tesseract >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "The tests of images need tesseract: run 'sudo apt-get install -y tesseract-ocr', then again." >&2
    exit 1
  fi
  echo "== installing tesseract for the tests of images"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends tesseract-ocr tesseract-ocr-eng tesseract-ocr-osd >/dev/null
fi
if ! command -v ffmpeg >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ]; then
    echo "The tests of recordings need ffmpeg: run 'sudo apt-get install -y ffmpeg', then again." >&2
    exit 1
  fi
  echo "== installing ffmpeg for the tests of recordings"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ffmpeg >/dev/null
fi
python3 "$(dirname "$0")/fetch-models.py" llama-server onnxruntime standardwebhooks openbao llmock speech
