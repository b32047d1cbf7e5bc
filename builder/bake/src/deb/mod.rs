//! Owns reading .deb files: the ar archive, its members, and the control paragraph.
