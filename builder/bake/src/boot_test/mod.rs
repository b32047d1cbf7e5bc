//! Owns the boot test: a disk started in QEMU, and what its console said.
