#!/bin/sh
# Fetches llama.cpp's server into the cache folder; tests talk to it.
exec python3 "$(dirname "$0")/fetch-models.py" llama-server
