//! xdp-filter, of xdp-tools: it lists addresses, no prefixes, and so it is given the destinations themselves.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Map, MapData, PerCpuHashMap, PerCpuValues};
use lab::host::Host;

use super::Filter;
use super::script::run;

/// Where it pins its list of IPv4.
const LIST: &str = "/sys/fs/bpf/xdp-filter/filter_ipv4";

/// The filter on a gateway.
pub(super) struct XdpFilter {
    gateway: Host,
}

impl XdpFilter {
    pub(super) fn on(gateway: &Host) -> Self {
        let gateway = gateway.clone();
        Self { gateway }
    }
}

impl Filter for XdpFilter {
    fn put(&mut self, listed: &[Ipv4Addr]) -> Result<()> {
        run(
            &self.gateway,
            "xdp-filter load lan --mode native --policy deny --features ipv4",
        )?;
        let first = listed.first().context("no destination")?;
        run(&self.gateway, &format!("xdp-filter ip {first} --mode dst"))?;
        list(*first, listed)
    }

    fn take(&mut self) -> Result<()> {
        run(&self.gateway, "xdp-filter unload lan")
    }
}

/// Lists all as the first one is listed: the program takes them one by one, for milliseconds each.
fn list(first: Ipv4Addr, all: &[Ipv4Addr]) -> Result<()> {
    let list = MapData::from_pin(LIST).context("xdp-filter has no list")?;
    let most = list.info()?.max_entries() as usize;
    ensure!(
        all.len() <= most,
        "it lists {most} addresses at most, not {}",
        all.len()
    );
    let mut list = PerCpuHashMap::<_, [u8; 4], u64>::try_from(Map::PerCpuHashMap(list))?;
    let how = list.get(&first.octets(), 0);
    let how = how.context("xdp-filter did not list an address")?;
    for address in all {
        let how = PerCpuValues::try_from(how.to_vec())?;
        list.insert(&address.octets(), how, 0)?;
    }
    Ok(())
}
