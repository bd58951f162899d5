//! One file a command.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod coverage;
pub(crate) mod demo;
pub(crate) mod deny;
pub(crate) mod dist;
pub(crate) mod drill;
pub(crate) mod feed_server;
pub(crate) mod fuzz;
pub(crate) mod lint;
pub(crate) mod mutants;
pub(crate) mod sbom;
pub(crate) mod setup;
pub(crate) mod soak;
pub(crate) mod test;
pub(crate) mod vm_shell;
pub(crate) mod vm_test;
