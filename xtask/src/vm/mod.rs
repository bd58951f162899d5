//! The test VM: a kernel that routers run, and on it the same tests as on the host.
//!
//! ```text
//! pins ─> apt ─> kernel ───────┐
//! guest build, host programs ──┴─> initramfs ─> qemu ─> run ─> table, budget
//! ```
//! In: names of kernels and patterns of tests. Out: what became of every test and program on each.

pub(crate) mod apt;
pub(crate) mod archive;
pub(crate) mod budget;
pub(crate) mod deb;
pub(crate) mod fate;
pub(crate) mod folder;
pub(crate) mod guest;
pub(crate) mod host_program;
pub(crate) mod initramfs;
pub(crate) mod kernel;
pub(crate) mod lab;
pub(crate) mod leash;
#[path = "../../../tests/init/marker.rs"]
mod marker;
pub(crate) mod module;
pub(crate) mod pin;
pub(crate) mod plan;
pub(crate) mod qemu;
pub(crate) mod run;
#[path = "../../../tests/init/share.rs"]
mod share;
pub(crate) mod summary;
#[macro_use]
pub(crate) mod table;
pub(crate) mod transcript;
