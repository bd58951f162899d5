//! Reversed names, the form in which the kernel's trie holds name patterns.
//!
//! A *reversed name* is the lower-case dotted name written from its last byte to its first, then
//! one NUL: `login.live.com` is `moc.evil.nigol\0`. A pattern is a prefix of the reversed names that
//! it matches, so longest-prefix match finds the most specific pattern.

/// Longest dotted name in bytes, without the final dot (RFC 1035 section 2.3.4: 255 on the wire).
pub const NAME_MAX: usize = 253;
/// Longest label in bytes (RFC 1035 section 2.3.4).
pub const LABEL_MAX: usize = 63;
/// Data bytes of a name trie's key: the reversed name and its NUL, padded with zeros.
pub const NAME_KEY_BYTES: usize = 256;
