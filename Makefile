# make demo, make test: everything, as root, on Debian or Ubuntu with Rust. The rest is in README.md.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VEDETTE_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vedette
TOOLS := $(VEDETTE_CACHE)/tools
export VEDETTE_CACHE
export PATH := $(TOOLS)/bin:$(PATH)

NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
WAPITI_VERSION := 3.2.3

.PHONY: help demo demo-down test bench bench-network bench-web bench-sealing fuzz fresh root packages tools wapiti lint deny

help:
	@echo 'make demo       build the image, boot it, scan a lab, show the findings (KEEP=1 leaves it running)'
	@echo 'make demo-down  end a demo that was left running'
	@echo 'make test       all tests; what CI runs'
	@echo 'make bench      the figures, each beside its peer in the same run'
	@echo 'make bench-network  the network engine alone, beside nmap and masscan'
	@echo 'make bench-web  the web engine alone, beside wapiti'
	@echo 'make bench-sealing  what encryption and wiped memory cost, beside openssl and age'
	@echo 'make fuzz       fuzz one parser: make fuzz TARGET=NAME SECONDS_TO_RUN=60'
	@echo 'make fresh      the two commands in a clean Debian root'

demo: root packages
	cargo run --quiet --bin vedette-demo -- up

demo-down: root
	cargo run --quiet --bin vedette-demo -- down

# Tests wait more than they compute: for machines to boot, for targets to be silent.
test: root packages tools lint deny
	cargo nextest run --workspace --no-fail-fast --test-threads $$((2 * $$(nproc)))

bench: root packages wapiti
	cargo run --quiet --bin vedette-bench

# The peers of the port scan beside that of `make test`.
bench-network: root packages
	dpkg -s masscan arp-scan > /dev/null 2>&1 || { apt-get update -q && apt-get install -q -y masscan arp-scan; } > /dev/null
	cargo run --quiet --bin vedette-bench network

bench-web: root packages wapiti
	cargo run --quiet --bin vedette-bench web

bench-sealing: root packages
	cargo run --quiet --bin vedette-bench sealing

fuzz: root tools
	@test -n '$(TARGET)' || { echo 'name a parser: make fuzz TARGET=NAME, one of:'; ls fuzz/corpus; exit 2; }
	command -v cargo-fuzz > /dev/null || cargo install cargo-fuzz --locked --root '$(TOOLS)'
	FUZZ_TARGET='$(TARGET)' RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz --features libfuzzer fuzz \
	    'fuzz/corpus/$(TARGET)' -- -max_total_time=$(or $(SECONDS_TO_RUN),60)

fresh: root packages
	tests/fresh

lint:
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings

# The advisory database is on the network; licences, bans and sources are judged without.
deny: tools
	cargo deny --log-level error check licenses bans sources
	if timeout 60 cargo deny --log-level off fetch db 2> /dev/null; then \
	    cargo deny --log-level error check advisories; \
	else echo 'not run: advisories (the advisory database cannot be reached)'; fi

root:
	@[ "$$(id -u)" = 0 ] || { \
	    echo 'make $(MAKECMDGOALS) builds an image and makes network namespaces, which needs root. Run:'; \
	    echo '    sudo env "PATH=$$PATH" make $(MAKECMDGOALS)'; exit 1; }

# What is missing of tests/packages, from Debian.
packages: root
	@wanted=$$(sed -e 's/#.*//' -e '/^[[:space:]]*$$/d' tests/packages); \
	missing=$$(for package in $$wanted; do \
	    dpkg-query -W -f='$${Status}' "$$package" 2> /dev/null | grep -q 'ok installed' || echo "$$package"; done); \
	if [ -n "$$missing" ]; then \
	    echo "installing from Debian:" $$missing; \
	    { apt-get update -q && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-remove --no-install-recommends $$missing; } \
	        > "$${TMPDIR:-/tmp}/vedette-packages.log" 2>&1 || { tail -20 "$${TMPDIR:-/tmp}/vedette-packages.log"; exit 1; }; fi

tools:
	@command -v cargo-nextest > /dev/null || cargo install cargo-nextest --locked --version $(NEXTEST_VERSION) --root '$(TOOLS)'
	@command -v cargo-deny > /dev/null || cargo install cargo-deny --locked --version $(DENY_VERSION) --no-default-features --root '$(TOOLS)'

# From PyPI, in an environment of its own.
wapiti: packages
	@test -x '$(TOOLS)/wapiti-$(WAPITI_VERSION)/bin/wapiti' || { \
	    rm -rf '$(TOOLS)/wapiti-$(WAPITI_VERSION)'; \
	    /usr/bin/python3 -m venv '$(TOOLS)/wapiti-$(WAPITI_VERSION)'; \
	    '$(TOOLS)/wapiti-$(WAPITI_VERSION)/bin/pip' install --quiet --disable-pip-version-check 'wapiti3==$(WAPITI_VERSION)'; }
	@mkdir -p '$(TOOLS)/bin'
	@ln -sfn '../wapiti-$(WAPITI_VERSION)/bin/wapiti' '$(TOOLS)/bin/wapiti'
