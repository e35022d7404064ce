# The front door. `make help` lists what it can do; Meson and Ninja do the work.
#
#   make CC=clang                    the other compiler, in build-clang/
#   make SANITIZE=address,undefined  with sanitizers, in build-address-undefined/
#   make BUILD=DIR                   in a directory of your choice

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

ifeq ($(origin CC),default)
CC := gcc
endif
comma := ,
SANITIZE ?=
BUILD ?= build$(if $(filter-out gcc,$(CC)),-$(notdir $(firstword $(CC))))$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
PREFIX ?= /usr/local
DESTDIR ?=
# Seconds for each fuzzer, and for the soak tests.
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 600
# Which fuzzers and benchmarks: a pattern of the shell.
FUZZ ?= *
BENCH ?= *
SANITIZED := $(BUILD)-sanitize
C_FILES = $(shell find include src examples tests bench -name '*.[ch]' 2>/dev/null | sort)

configure = @tools/configure.sh "$(BUILD)" "$(CC)" "$(SANITIZE)" "$(PREFIX)"
# With sanitizers of its own choice a build is tested alone; else a second one has them.
ifeq ($(SANITIZE),)
configure_sanitized = @tools/configure.sh "$(SANITIZED)" "$(CC)" address,undefined "$(PREFIX)"
tested = --build "$(BUILD)" --build "$(SANITIZED):unit,wire,sim,fuzz" --timeout-multiplier 3
else
configure_sanitized =
tested = --build "$(BUILD)" --timeout-multiplier 3
endif

.DEFAULT_GOAL := build
.PHONY: build setup setup-clients run test check soak bench fuzz install deb format format-check clean help

build: ## builds the library, the binary and the examples
	$(configure)
	@ninja -C "$(BUILD)"

setup: ## installs the packages that building and testing need
	@tools/setup.sh

setup-clients: ## installs the Kafka clients that tests/kafka runs, which `make test` does too
	@tools/setup.sh clients

# Only what the README starts, which is less than half of everything.
run: setup ## builds the choreography example and starts it on :8088; Ctrl-C ends it
	$(configure)
	@ninja -C "$(BUILD)" examples/choreography examples/choreography-naive
	@program="$(BUILD)/examples/choreography"; \
	test -x "$$program" -a -f "$$program" || { echo "run: this build has no $$program" >&2; exit 1; }; \
	echo "run: $$program run"; \
	exec "$$program" run

test: setup setup-clients ## builds and runs everything, unit, wire, sim and fuzz tests with sanitizers too
	$(configure)
	$(configure_sanitized)
	@exec tools/run-tests.py $(tested) --without soak

check: setup ## the fast part of the tests, under a minute
	$(configure)
	@exec tools/run-tests.py --build "$(BUILD)" --suite check

soak: setup setup-clients ## the tests that run long (SOAK_SECONDS=600)
	$(configure)
	@SOAK_SECONDS=$(SOAK_SECONDS) exec tools/run-tests.py --build "$(BUILD)" --suite soak --timeout-multiplier 0

bench: build ## runs the programs of bench/, or those matching BENCH=pattern
	@tools/run-each.sh "$(BUILD)/bench" "$(BENCH)"

fuzz: ## fuzzes with libFuzzer, FUZZ_SECONDS=60 each, or those matching FUZZ=pattern
	@tools/configure.sh build-fuzz clang address,undefined "$(PREFIX)" -Dc_args=-fsanitize=fuzzer-no-link -Dfuzzer=true
	@ninja -C build-fuzz fuzzers
	@tools/run-fuzz.sh build-fuzz "$(FUZZ_SECONDS)" "$(FUZZ)"

install: build ## installs to PREFIX=/usr/local, under DESTDIR if set
	@DESTDIR="$(abspath $(DESTDIR))" meson install -C "$(BUILD)" --no-rebuild

# Optimised, and for /usr, in a directory of its own.
deb: setup ## makes the Debian package, in build-deb/
	@tools/configure.sh build-deb "$(CC)" "" /usr --buildtype=release
	@ninja -C build-deb edda edda.1 edda.conf.5
	@packaging/deb.sh build-deb build-deb

format: ## formats all C files in place
	@clang-format -i $(C_FILES)

format-check: ## says which C files `make format` would change
	@clang-format --dry-run --Werror $(C_FILES)

clean: ## removes the build directories
	@for directory in "$(BUILD)" $(wildcard build build-*); do \
		if [ -f "$$directory/edda-options" ]; then echo "clean: removing $$directory"; rm -rf "$$directory"; fi; \
	done

help: ## lists what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@awk '/^#   make / { print substr($$0, 3) }' $(firstword $(MAKEFILE_LIST))
