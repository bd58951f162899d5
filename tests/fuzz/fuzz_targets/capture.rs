//! Any bytes as a capture, pcap or pcapng: what is taken of it are frames that can be judged.

#![no_main]

use egress_common::parse::parse;
use egress_ctl::replay::capture::Capture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(capture) = Capture::open(bytes) else {
        return;
    };
    for captured in capture {
        let Ok(captured) = captured else {
            return;
        };
        let _ = parse(&captured.frame[..]);
    }
});
