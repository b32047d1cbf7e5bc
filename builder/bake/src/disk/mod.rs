//! Owns disk images: the ext4 root, the EFI system partition, GPT and their output formats.
