# All commands of the project. CI and a person at a laptop call the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src crates python proto -type f -not -name '*.so' -not -path '*/__pycache__/*') \
           Cargo.toml Cargo.lock build.rs pyproject.toml

.PHONY: help demo test test-rust test-python test-oldest test-frameworks test-remote test-wheel lint types format docs \
        audit audit-python browser bench clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## train a small model, log it, list the run, read the events back
	$(BIN)/python examples/demo.py $(DEMO_ARGS)

test: lint types test-rust test-python test-oldest ## all tests (Rust and Python), lint and type checks

test-rust: ## the core's tests; needs no Python
	cargo test --locked --quiet

test-python: $(VENV)/.dev ## the Python tests, against the installed package
	$(BIN)/python -m pytest -q $(PYTEST_ARGS)

test-remote: $(VENV)/.remote ## uploads to MLflow's server and Azurite too, killed at every step; needs npm
	TFRUNS_TEST_REMOTE=1 TFRUNS_AZURITE=$(VENV)/azurite/node_modules/.bin/azurite-blob $(BIN)/python -m pytest -q \
	  tests/tracking/test_mlflow.py tests/tracking/test_object_stores.py $(PYTEST_ARGS)

test-frameworks: $(VENV)/.frameworks ## torch, Keras, Lightning, transformers: ~3 GB to download
	$(BIN)/python -m pytest -q -m frameworks tests/frameworks $(PYTEST_ARGS)

test-oldest: $(VENV)/.dev ## lazy frames with the oldest Polars that is supported
	@test -d build/oldest/polars || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  --target build/oldest "polars==$$(sed -n 's/.*"polars>=\([0-9.]*\)".*/\1/p' pyproject.toml).0"
	PYTHONPATH=build/oldest $(BIN)/python -m pytest -q tests/tfevents/test_scan.py

lint: $(VENV)/.dev ## formatting and lints, Rust and Python
	cargo fmt --all --check
	cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

types: $(VENV)/.dev ## pyright (strict), and the stub held against the binary
	$(BIN)/python -m pyright --pythonpath $(BIN)/python
	$(BIN)/python -m mypy.stubtest tfruns_rs._core --concise

format: $(VENV)/.dev ## format all code
	cargo fmt --all
	$(BIN)/python -m ruff check --fix-only --quiet .
	$(BIN)/python -m ruff format .

docs: $(VENV)/.docs ## the documentation as a site, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "The documentation is in site/index.html"

test-wheel: ## build sdist and wheel, try the wheel as a stranger does in empty environments (about ten minutes)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python tests/wheel/try_wheel.py $(WHEEL_ARGS)

audit: audit-python ## licences, bans and known vulnerabilities of all dependencies; needs cargo-deny and the network
	cargo deny --locked check

audit-python: ## known vulnerabilities of what the package and its extras bring along
	@test -x $(VENV)/audit/bin/python || $(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip-audit
	$(VENV)/audit/bin/python tests/wheel/requirements.py > $(VENV)/audit/requirements.txt
	$(VENV)/audit/bin/pip-audit --strict -r $(VENV)/audit/requirements.txt

browser: ## install the browser that the tests of the pages drive (Debian, Ubuntu)
	@command -v chromium >/dev/null || { $(AS_ROOT) apt-get update -qq && \
	  $(AS_ROOT) apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

bench: $(VENV)/.bench ## every figure beside its peer, as one table
	$(BIN)/python benches/run.py

clean: ## remove what the other commands made
	rm -rf $(VENV) target build dist site

# What users do: pip and the PEP 517 build, so that what is tested is what is installed.
define install
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade '.[$(1)]'
	@touch $@
endef

$(VENV)/.demo: $(SOURCES)
	$(call install,demo)

$(VENV)/.dev: $(SOURCES)
	$(call install,demo$(comma)dev$(comma)view)

$(VENV)/.docs: $(SOURCES)
	$(call install,docs)

$(VENV)/.frameworks: $(SOURCES)
	$(call install,demo$(comma)dev$(comma)view$(comma)frameworks)

$(VENV)/.bench: $(SOURCES)
	$(call install,demo$(comma)dev$(comma)view$(comma)bench)

$(VENV)/.remote: $(SOURCES)
	$(call install,dev$(comma)mlflow)
	npm install --prefix $(VENV)/azurite --no-audit --no-fund --silent azurite

comma := ,
AS_ROOT := $(shell test "$$(id -u)" = 0 || echo sudo)
