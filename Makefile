# The two commands of the README, and what they need; everything else is plain cargo.
# Both install what a fresh Debian machine lacks first.

.PHONY: demo test test-full bench-bake bench-lab bench-firstboot bench-roles build build-arm64 setup

# The main job: bakes the Virtualmin image, looks into it and boots it.
demo: build
	tests/demo

# Everything that CI proves.
test: setup
	tests/run

# `make test`, the large image baked twice, and the roles started in every order.
test-full: setup
	VMIMAGE_TEST_FULL=1 tests/run

# The speed claims of the README, against mmdebstrap in the same run.
bench-bake: build
	tests/bench-bake

# How fast the lab's simulator answers, against moto in the same run.
bench-lab: build
	tests/bench-lab

# The engine's time and memory, against cloud-init in the same node and run.
bench-firstboot: build
	tests/bench-firstboot

# How long each role takes to become ready, step by step, and the engine's part of it; after `make demo`.
bench-roles: build
	tests/bench-roles

build: setup
	cargo build --release --locked -p vmimage -p vmimage-tests --bins

# The same with an engine for arm64 where cargo's toolchain has no core library for it.
build-arm64: setup
	compiler=$$(tests/arm64-rustc) && \
	    VMIMAGE_ARM64_RUSTC="$$compiler" cargo build --release --locked -p vmimage -p vmimage-tests --bins

setup:
	tests/setup
