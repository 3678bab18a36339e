# Two commands are enough: `make run` and `make test`. `make check` is the fast inner loop.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export NOTEBOOK_CACHE ?= $(HOME)/.cache/notebook
PORT ?= 8080
DATA ?= data
WEB := notebook-server/web
WEB_SOURCES := $(shell find $(WEB) -path $(WEB)/node_modules -prune -o -path $(WEB)/dist -prune -o -type f -print 2>/dev/null)
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: need embedding-model web ## Build what is missing and serve on http://127.0.0.1:8080
	@echo "== building the server (the first time takes some minutes)"
	cargo build --release --locked -p notebook-server
	@bin="$$(scripts/target-dir.sh)/release/notebook"; \
	NOTEBOOK__SERVER__PORT=$(PORT) exec "$$bin" serve --data-dir $(DATA)

test: need need-test models web ## Everything that CI runs
	scripts/test.sh

check: need ## The fast inner loop: format, lints, unit tests, licences
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	python3 scripts/check-dependencies.py
	scripts/nextest.sh --workspace --lib

web: $(WEB)/dist/index.html ## Build the page

$(WEB)/node_modules/.package-lock.json: $(WEB)/package-lock.json
	@echo "== installing the page's packages"
	cd $(WEB) && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --no-audit --no-fund
	@touch $@

$(WEB)/dist/index.html: $(WEB)/node_modules/.package-lock.json $(WEB_SOURCES)
	@echo "== building the page"
	cd $(WEB) && npm run build
	@touch $@

embedding-model:
	@python3 scripts/fetch-models.py embedding-model

models: ## Fetch the embedding model and a small chat model for tests
	@python3 scripts/fetch-models.py models

need:
	@scripts/need.sh cargo node npm python3

need-test:
	@scripts/need-test.sh

bench: need need-test models ## The benches, each beside a peer or a lower bound
	cargo build --release --locked -p notebook-server
	@python3 scripts/fetch-models.py onnxruntime
	cd benches && cargo bench --bench sse --bench store --bench vector --bench retrieve --bench embed --bench queue --bench limits --bench runs --bench auth --bench engine --bench table --bench tenants --bench tokens --bench guard --bench images
	python="$${NOTEBOOK_CACHE:-$$HOME/.cache/notebook}/bench-python"; [ -x "$$python/bin/python" ] || python3 -m venv "$$python"; \
	"$$python/bin/pip" install -q faster-whisper==1.2.1 && cd benches && cargo bench --bench speech -- "$$python/bin/python"
	cd benches/queue_peers && npm install --no-package-lock --no-audit --no-fund && cd .. && cargo bench --bench queue_peers
	bin="$$(scripts/target-dir.sh)/release/notebook"; cd benches && cargo bench --bench answer -- "$$bin" && cargo bench --bench connections -- "$$bin"

SOAK_SECONDS ?= 3600
TENANT_STEPS ?= 100000
soak: need web ## Kill, stop, cut and restart everything, an hour for the queue and one for all (SOAK_SECONDS=3600), and check the history
	export NOTEBOOK_SOAK_SECONDS=$(SOAK_SECONDS); \
	cargo test --release --locked -p notebook-core --test queue_linear --test queue_crash -- --nocapture && \
	NOTEBOOK_AGENT_RUNS=100000 cargo test --release --locked -p notebook-agent --lib hostile -- --nocapture && \
	NOTEBOOK_TIMING_SAMPLES=100000 cargo test --release --locked -p notebook-core --test timing -- --nocapture && \
	NOTEBOOK_TENANT_STEPS=$(TENANT_STEPS) cargo test --release --locked -p notebook-agent --test tenants -- --nocapture && \
	NOTEBOOK_STREAMS=10000 cargo test --release --locked -p notebook-server --test scarce z17_ -- --nocapture && \
	cargo test --release --locked -p notebook-server --test faults -- --nocapture

mutants: need-test ## Take every condition on the tenant out of the SQL in turn: a test must fail, and PostgreSQL still show nothing
	cargo test --locked -p notebook-core --lib -- --ignored --test-threads=1 --nocapture t34_

FUZZ_SECONDS ?= 600
fuzz: ## Fuzz the parsers against naive references, FUZZ_SECONDS=600 each (needs nightly Rust and cargo-fuzz)
	scripts/fuzz.sh $(FUZZ_SECONDS)

clean: ## Remove what was built
	cargo clean
	rm -rf $(WEB)/dist $(WEB)/node_modules

.PHONY: help run test check web embedding-model models need need-test bench soak mutants fuzz clean
