//! The Debian packages that the lab's demo, drills and tests run, and those that the bench compares with.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{checkout::Checkout, privilege, step};

struct Package {
    name: &'static str,
    /// What of it the lab uses. Where that is there already, whichever package brought it may stay.
    provides: &'static str,
    purpose: &'static str,
}

const NEEDED: [Package; 12] = [
    Package {
        name: "ca-certificates",
        provides: "update-ca-certificates",
        purpose: "roots of trust for curl",
    },
    Package {
        name: "chromium",
        provides: "chromium",
        purpose: "browser for the page",
    },
    Package {
        name: "chromium-driver",
        provides: "chromedriver",
        purpose: "what drives the browser",
    },
    Package {
        name: "curl",
        provides: "curl",
        purpose: "client of the lab",
    },
    Package {
        name: "dnsmasq-base",
        provides: "dnsmasq",
        purpose: "resolver on the gateway",
    },
    Package {
        name: "iproute2",
        provides: "ip",
        purpose: "a look into the lab's namespaces",
    },
    Package {
        name: "nginx-light",
        provides: "nginx",
        purpose: "HTTPS server of the lab's internet",
    },
    Package {
        name: "openssl",
        provides: "openssl",
        purpose: "certificates of the lab",
    },
    Package {
        name: "prometheus",
        provides: "promtool",
        purpose: "reader of metrics",
    },
    Package {
        name: "strace",
        provides: "strace",
        purpose: "what kills a daemon at a system call",
    },
    Package {
        name: "tmux",
        provides: "tmux",
        purpose: "terminal of the lab",
    },
    Package {
        name: "unbound",
        provides: "unbound",
        purpose: "another resolver on the gateway",
    },
];

/// What the bench puts beside the filter. It does without what is missing.
const COMPARED: [Package; 4] = [
    Package {
        name: "ipset",
        provides: "ipset",
        purpose: "peer of the bench",
    },
    Package {
        name: "iptables",
        provides: "iptables-nft-restore",
        purpose: "what uses sets of ipset",
    },
    Package {
        name: "nftables",
        provides: "nft",
        purpose: "peer of the bench",
    },
    Package {
        name: "xdp-tools",
        provides: "xdp-filter",
        purpose: "peer of the bench",
    },
];

/// What a package is tried in.
const TRIED_IN: [Package; 1] = [Package {
    name: "mmdebstrap",
    provides: "mmdebstrap",
    purpose: "a clean Debian for the check of packages",
}];

const NGINX: &str = "nginx-light";
/// Packages whose services begin with the machine, and what these are called.
const SERVICES: [(&str, &str); 2] = [(NGINX, "nginx"), ("prometheus", "prometheus")];

/// Installs what is missing; true if anything was.
pub(crate) fn ensure(checkout: &Checkout) -> Result<bool> {
    all_of(checkout, &NEEDED)
}

/// Installs what makes a clean Debian; true if it was missing.
pub(crate) fn for_clean_root(checkout: &Checkout) -> Result<bool> {
    all_of(checkout, &TRIED_IN)
}

fn all_of(checkout: &Checkout, packages: &'static [Package]) -> Result<bool> {
    let missing = missing(packages, is_installed);
    if missing.is_empty() {
        return Ok(false);
    }
    if !is_installed("apt-get") {
        bail!(
            "these programs are missing, and there is no apt-get to install them:\n{}",
            list(&missing)
        );
    }
    if !privilege::is_root() {
        bail!(
            "these packages are missing:\n{}\ninstall them as root:\n  {}",
            list(&missing),
            by_hand(&missing)
        );
    }
    eprintln!("setup: installing {}", names(&missing).join(", "));
    install(checkout, &missing)?;
    Ok(true)
}

/// Installs what the bench compares with, where that can be done; true if anything was missing.
pub(crate) fn offer(checkout: &Checkout) -> Result<bool> {
    let missing = missing(&COMPARED, is_installed);
    if missing.is_empty() || !is_installed("apt-get") || !privilege::is_root() {
        return Ok(false);
    }
    eprintln!(
        "setup: installing {} for the bench",
        names(&missing).join(", ")
    );
    for package in missing {
        if let Err(error) = install(checkout, &[package]) {
            eprintln!(
                "setup: the bench will do without {}: {error:#}",
                package.name
            );
        }
    }
    Ok(true)
}

fn missing(
    packages: &'static [Package],
    is_installed: impl Fn(&str) -> bool,
) -> Vec<&'static Package> {
    packages
        .iter()
        .filter(|package| !is_installed(package.provides))
        .collect()
}

/// The folders of system programs count too: they are not in everyone's PATH.
fn is_installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .any(|folder| folder.join(program).is_file())
}

fn names(packages: &[&Package]) -> Vec<&'static str> {
    packages.iter().map(|package| package.name).collect()
}

fn list(packages: &[&Package]) -> String {
    let lines = packages.iter().map(
        |Package {
             name,
             provides,
             purpose,
         }| { format!("  {provides:<24}{purpose} (Debian: {name})") },
    );
    lines.collect::<Vec<_>>().join("\n")
}

fn by_hand(packages: &[&Package]) -> String {
    let names = names(packages).join(" ");
    format!("apt-get update && apt-get install --yes --no-install-recommends {names}")
}

fn install(checkout: &Checkout, packages: &[&Package]) -> Result<()> {
    let stubs = stub_services(&checkout.tools().join("no-services"))?;
    step::run(apt_get().arg("update"))?;
    step::run(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends", "--option"])
            .arg(format!(
                "DPkg::Path={}:/usr/sbin:/usr/bin:/sbin:/bin",
                stubs.display()
            ))
            .args(names(packages)),
    )?;
    for (package, service) in SERVICES {
        if names(packages).contains(&package) {
            // The lab starts its own: a gateway must not wake up with a server that nobody asked for.
            step::run(Command::new("update-rc.d").args([service, "disable"]))?;
        }
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Stands in for the two programs by which maintainer scripts start services. Unlike a policy-rc.d
/// it holds for one apt-get only, also when that is killed.
fn stub_services(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for program in ["invoke-rc.d", "deb-systemd-invoke"] {
        let stub = folder.join(program);
        fs::write(&stub, "#!/bin/sh\nexit 0\n")?;
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_is_installed() {
        assert!(missing(&NEEDED, |_| true).is_empty());
        assert_eq!(missing(&NEEDED, |_| false).len(), NEEDED.len());
        let without_nginx = missing(&NEEDED, |program| program != "nginx");
        assert_eq!(names(&without_nginx), [NGINX]);
    }

    #[test]
    fn the_message_names_the_exact_command() {
        let packages = missing(&NEEDED, |program| !["dnsmasq", "nginx"].contains(&program));
        assert_eq!(
            by_hand(&packages),
            "apt-get update && apt-get install --yes --no-install-recommends dnsmasq-base nginx-light"
        );
        assert!(list(&packages).contains("resolver on the gateway (Debian: dnsmasq-base)"));
    }
}
