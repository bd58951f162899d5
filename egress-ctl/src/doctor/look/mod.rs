//! Gathers the facts, and changes nothing: what is asked of the kernel, of files and of the network.

mod caller;
mod clock;
mod feed;
mod interface;
mod kernel;
mod resolver;
mod running;
mod sockets;
mod storage;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use jiff::Zoned;

use super::{ConfigSeen, Facts};
use crate::{
    config::{Config, ConfigError, Problem},
    daemon::{Places, own_addresses},
    dataplane::{interface::indices, unfiltered::unfiltered_now},
    feed::{settings::Settings, standing::Feeds},
    init::{draft::Draft, surroundings::Surroundings},
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
    },
    state::{Snapshot, StateDir},
};

/// Where the package puts the config.
const CONFIG: &str = "/etc/egress/egress.toml";

/// Looks at this machine.
///
/// # Errors
/// Netlink cannot be used, so that nothing is known of interfaces.
pub fn look(places: &Places, config: Option<&Path>) -> Result<Facts> {
    let newest = StateDir(&places.state_dir).newest().ok().flatten();
    let (config, wanted) = wanted(places, config, newest.as_ref())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    let interfaces = runtime.block_on(interface::look(&places.pin_dir, &wanted))?;
    let running = running::look(places);
    let resolvers = runtime.block_on(resolver::look(&wanted, &interfaces));
    let feeds = runtime.block_on(feed::look(&places.state_dir, &wanted.feeds));
    // A lookup of a name that nobody answers may go on for longer than anybody waits.
    runtime.shutdown_background();
    Ok(Facts {
        config,
        kernel: kernel::look(),
        storage: storage::look(places, running.daemon),
        caller: caller::look(),
        clock: clock::look(newest.map(|snapshot| snapshot.loaded)),
        unfiltered: unfiltered(&wanted),
        resolvers,
        feeds,
        interfaces: interfaces.into_iter().map(|seen| seen.lan).collect(),
        running,
    })
}

/// What the config wants of the machine; without one, what `init` would draft.
struct Wanted {
    /// LAN interfaces.
    lan: Vec<String>,
    /// Whether this machine's own answers teach.
    own_resolver: bool,
    /// Other resolvers whose answers teach.
    resolvers: Vec<IpAddr>,
    /// Whether some group is told apart by VLANs.
    tells_vlans: bool,
    /// Web services that are followed.
    feeds: Vec<Settings>,
}

fn wanted(
    places: &Places,
    named: Option<&Path>,
    newest: Option<&Snapshot>,
) -> Result<(ConfigSeen, Wanted)> {
    let in_force = newest.map(|snapshot| snapshot.config.clone());
    let usual = || Some(PathBuf::from(CONFIG)).filter(|path| path.exists());
    let Some(path) = named.map(Path::to_owned).or(in_force).or_else(usual) else {
        return Ok((ConfigSeen::Missing, drafted()?));
    };
    let editions = newest.map_or_else(BTreeMap::new, |snapshot| snapshot.feeds.clone());
    match Config::read(&path, &Feeds::approved(&places.state_dir, editions)) {
        Ok((config, _)) => Ok((read(&path, &config), Wanted::of(config))),
        Err(fault) => Ok((ConfigSeen::Wrong(fault), drafted()?)),
    }
}

fn read(path: &Path, config: &Config) -> ConfigSeen {
    let own = own_addresses().unwrap_or_default();
    let circumstances = Circumstances {
        own: &own,
        today: Zoned::now().date(),
    };
    match compile(config, circumstances, &mut Ids::default()) {
        Ok(generation) => ConfigSeen::Read {
            path: path.display().to_string(),
            warnings: generation.warnings.len(),
        },
        Err(fault) => ConfigSeen::Wrong(whole(path, &fault)),
    }
}

/// What is wrong with a config as a whole.
fn whole(path: &Path, fault: &dyn std::error::Error) -> ConfigError {
    ConfigError {
        path: path.to_owned(),
        problems: vec![Problem {
            line: 1,
            key: String::new(),
            message: fault.to_string(),
        }],
    }
}

fn drafted() -> Result<Wanted> {
    let around = Surroundings::look()?;
    Ok(Wanted {
        lan: Draft::of(&around).lan,
        own_resolver: around.own_resolver,
        resolvers: around.resolvers,
        tells_vlans: false,
        feeds: Vec::new(),
    })
}

impl Wanted {
    fn of(config: Config) -> Self {
        let Config {
            gateway,
            feeds,
            groups,
            ..
        } = config;
        Self {
            lan: gateway.lan,
            own_resolver: gateway.own_resolver,
            resolvers: gateway.resolvers,
            tells_vlans: groups.iter().any(|group| !group.members.vlans.is_empty()),
            feeds: feeds.into_iter().map(|feed| feed.settings).collect(),
        }
    }
}

/// Where nobody knows, `status` says so.
fn unfiltered(wanted: &Wanted) -> Vec<String> {
    let filtered = indices(&wanted.lan).into_iter().map(|(_, index)| index);
    unfiltered_now(&filtered.collect::<Vec<_>>()).unwrap_or_default()
}
