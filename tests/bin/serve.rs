//! `egress-lab serve ADDRESS...`: UDP servers that send back what they get, as a process, so that
//! they can outlive the demo.

use std::net::SocketAddr;
use std::thread;

use anyhow::Result;
use clap::Args;
use lab::{echo, interrupt};

#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen, as ADDRESS:PORT
    #[arg(required = true)]
    addresses: Vec<SocketAddr>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let sockets = echo::bind(&options.addresses)?;
    println!("serving");
    thread::scope(|scope| {
        for socket in &sockets {
            scope.spawn(|| echo::serve(socket, || interrupt::check().is_err()));
        }
    });
    Ok(true)
}
