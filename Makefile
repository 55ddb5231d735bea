# podrt. `make` builds bin/podrt and bin/podrt-oci; the other targets install what they need first (as root, on Debian).
#
#   make            release build, static and stripped
#   make deps       the packages that building and testing need; says what it does, and nothing when all is there
#   make fixtures   root file systems and bundles for the demo and the tests
#   make demo       builds, runs a pod of several containers and shows what it is made of
#   make test       format, lint, layers, unit, integration and VM tests; ends with a line that counts them
#   make check      the OCI tests against another runtime: make check RUNTIME=crun
#   make chaos      five minutes of pods whose supervisors, keepers and pauses are killed (SECONDS=N: another time)
#   make bench      the table of start-up times and memory, beside the floor and other runtimes
#   make clean

SHELL := /bin/sh
CARGO ?= cargo
TARGET ?= $(or $(CARGO_TARGET_DIR),target)
TRIPLE := x86_64-unknown-linux-gnu
RUNTIME ?=

.PHONY: all deps deps-test deps-bench fixtures demo test check chaos bench clean
all: bin/podrt bin/podrt-oci

# Cargo knows what is up to date. The two programs want different features, thus one folder each: no build undoes the other's.
bin/podrt: FORCE | deps
	$(CARGO) build --release --locked --bin podrt --target-dir $(TARGET)/podrt
	@mkdir -p bin && cp --update $(TARGET)/podrt/$(TRIPLE)/release/podrt $@

bin/podrt-oci: FORCE | deps
	$(CARGO) build --release --locked --no-default-features --bin podrt-oci --target-dir $(TARGET)/podrt-oci
	@mkdir -p bin && cp --update $(TARGET)/podrt-oci/$(TRIPLE)/release/podrt-oci $@

.PHONY: FORCE
FORCE:

deps:
	@tests/deps.sh build

deps-test: deps
	@tests/deps.sh test

deps-bench: deps
	@tests/deps.sh bench

fixtures: deps
	@tests/deps.sh fixtures
	@rootfs-fixtures/build.sh

demo: all fixtures
	@rootfs-fixtures/demo.sh bin/podrt

test: deps-test fixtures
	@tests/run.sh

check: deps-test fixtures
	@RUNTIME=$(RUNTIME) tests/run.sh oci

chaos: deps-test fixtures
	@PODRT_CHAOS_SECONDS=$(or $(SECONDS),300) PODRT_TEST_LIMIT=3600 tests/run.sh chaos

bench: all deps-bench fixtures
	@benches/run.sh bin/podrt bin/podrt-oci
	@benches/network.sh bin/podrt

clean:
	rm -rf bin rootfs-fixtures/out $(TARGET)
