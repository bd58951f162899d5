//! The lab: hosts made of network namespaces, with the real programs that a gateway meets.
//!
//! In goes what a demo, a drill or a test wants to show; out comes a client, a gateway and an
//! internet joined by veth pairs, which vanish with the process that asked for them.
//!
//! ```text
//! client ── lan│gateway│wan ── internet
//!   curl      egress-ctl          nginx
//!             dnsmasq ──────────> dnsmasq
//! ```

pub mod address;
pub mod agreement;
mod anew;
pub mod announced;
pub mod answer;
pub mod anything;
pub mod basics;
pub mod browser;
mod btf;
pub mod capture;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod cpu;
pub mod dns;
pub mod dns_tcp;
pub mod echo;
pub mod feed;
pub mod flow;
pub mod frame;
pub mod fuzz;
pub mod gateway;
pub mod guard;
pub mod guest;
pub mod host;
pub mod http;
pub mod inject;
pub mod interrupt;
pub mod kernel;
pub mod link;
pub mod long;
pub mod memory;
mod namespace;
pub mod napi;
pub mod other_build;
pub mod pace;
pub mod pcap;
pub mod pins;
pub mod probe;
pub mod process;
pub mod pty;
pub mod random;
pub mod raw;
pub mod resolver;
pub mod scripted;
pub mod second_lan;
pub mod server;
pub mod site;
pub mod soak;
pub mod stage;
pub mod status;
pub mod strike;
pub mod table;
pub mod tmux;
pub mod told;
pub mod topology;
pub mod tun;
pub mod unbound;
pub mod usage;
pub mod wait;
mod warm;
pub mod zone;
