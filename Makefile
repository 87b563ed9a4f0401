# The commands of this project. `make` alone lists them. Missing tools are installed first (.ci/setup), with a line that
# says what and how long it takes.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run watch build build-release test test-browsers check bench clean clean-data

# wasm-opt and playwright come from npm, cargo-leptos and wasm-bindgen from cargo.
CARGO_BIN := $(or $(CARGO_INSTALL_ROOT),$(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(CARGO_BIN):$(CURDIR)/end2end/node_modules/.bin:$(PATH)

TARGET := $(or $(CARGO_TARGET_DIR),target)
# What the server needs to find its front end. The hashes are in hash.txt beside the binary.
APP_ENV := LEPTOS_OUTPUT_NAME=vestibule LEPTOS_SITE_ROOT=target/site LEPTOS_HASH_FILES=true
# The features of the development server. Spelled the same everywhere, so that cargo builds it once.
DEV := --no-default-features --features dev
# LOCKED=--locked refuses to change Cargo.lock (continuous integration).
LOCKED ?=
# ARGS="--listen 127.0.0.1:4000" goes to the app (make run) or to Playwright (make test).
ARGS ?=

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'

setup: ## install what building and testing need
	@.ci/setup test

run: ## build and start the app with its own Postgres and its own Clerk
	@$(MAKE) --no-print-directory build
	@echo "Starting the app"
	@exec env $(APP_ENV) $(TARGET)/debug/vestibule dev $(ARGS)

watch: ## like run, and build again whenever a file changes; open pages load themselves again
	@.ci/setup build
	@echo "Building, then watching for changes"
	@exec env $(APP_ENV) cargo leptos watch --bin-features dev $(if $(LOCKED),--cargo-locked) -- dev $(ARGS)

build: ## build the development server and the front end
	@.ci/setup build
	@echo "Building the front end (wasm-release) and the server (dev)"
	@cargo leptos build --bin-features dev $(if $(LOCKED),--cargo-locked)
	@node .ci/compress.mjs target/site

build-release: ## build both optimized, into target/release and target/site-release
	@.ci/setup build
	@echo "Building the front end (wasm-release, wasm-opt) and the server (release)"
	@LEPTOS_SITE_ROOT=target/site-release cargo leptos build --release --bin-features dev $(if $(LOCKED),--cargo-locked)
	@node .ci/compress.mjs target/site-release

test: ## run all tests: Rust, then the browser
	@.ci/setup test
	@$(MAKE) --no-print-directory build
	@echo "Testing in Rust"
	@cargo test --workspace $(LOCKED) $(DEV)
	@echo "Testing in the browser"
	@cd end2end && playwright test $(ARGS)

test-browsers: ## run the main path in two further engines, Firefox and WebKitGTK
	@.ci/setup browsers
	@$(MAKE) --no-print-directory build
	@echo "Testing in Firefox and WebKitGTK"
	@node --test-reporter=spec end2end/browsers/main-path.test.mjs

check: ## check formatting and lints, natively and for the browser
	@.ci/setup rust
	@echo "Checking the formatting"
	@cargo fmt --all --check
	@echo "Linting the server with its development parts, and the tests"
	@cargo clippy --workspace $(LOCKED) $(DEV) --all-targets -- -D warnings
	@echo "Linting the production server"
	@cargo clippy $(LOCKED) --no-default-features --features ssr -- -D warnings
	@echo "Linting the front end"
	@cargo clippy $(LOCKED) --lib --target wasm32-unknown-unknown --no-default-features --features hydrate -- -D warnings

bench: ## measure: downloads, the click to the dashboard, requests, organizations, the relay, the emulator
	@.ci/setup bench
	@$(MAKE) --no-print-directory build-release
	@echo "Measuring"
	@node end2end/bench/run.mjs $(ARGS)

clean: ## delete what was built and installed in this folder, keep the data
	@echo "Deleting target, end2end/node_modules, public/clerk and test results"
	@cargo clean
	@rm -rf end2end/node_modules end2end/test-results end2end/playwright-report public/clerk

clean-data: ## delete the development data (.vestibule), after asking
	@[ -d .vestibule ] || { echo "There is no data"; exit 0; }; \
	read -r -p "Delete all users, organizations and keys in .vestibule? [y/N] " answer; \
	if [ "$$answer" = y ]; then rm -rf .vestibule; echo "Deleted"; else echo "Kept"; fi
