//! Asks a network driver for its name and its offloads, as ethtool(8) does (linux/ethtool.h).

use std::{
    ffi::c_void,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use rustix::net::{AddressFamily, SocketType, socket};

/// Features by their names: receiving several segments as one, the same such that they can be told apart again, and
/// taking VLAN tags out of frames.
pub(crate) const LRO: &str = "rx-lro";
pub(crate) const GRO_HW: &str = "rx-gro-hw";
pub(crate) const VLAN: &str = "rx-vlan-hw-parse";

/// Commands, which stand first in what is handed over.
const GET_DRIVER: u32 = 0x03;
const GET_STRINGS: u32 = 0x1b;
const GET_STRING_SETS: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
/// The set of strings that names features (`ETH_SS_FEATURES`).
const FEATURES: u32 = 4;
/// Bytes of a string (`ETH_GSTRING_LEN`), and words.
const STRING: usize = 32;
const STRING_WORDS: usize = STRING / 4;
/// Words of `struct ethtool_drvinfo`.
const DRIVER_WORDS: usize = 49;
/// More features than any kernel has.
const MOST: u32 = 1024;

/// The driver of an interface.
pub(crate) struct Driver<'a> {
    any: OwnedFd,
    interface: &'a str,
}

impl<'a> Driver<'a> {
    /// That of an interface, whether there is one or not.
    pub(crate) fn of(interface: &'a str) -> io::Result<Self> {
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        Ok(Self { any, interface })
    }

    /// Whether a feature is on.
    pub(crate) fn has(&self, feature: &str) -> io::Result<bool> {
        Ok(self.features()?.iter().any(|on| on == feature))
    }

    /// Its name.
    pub(crate) fn name(&self) -> io::Result<String> {
        let mut about = [0; DRIVER_WORDS];
        about[0] = GET_DRIVER;
        self.call(&mut about)?;
        Ok(text(about.get(1..=STRING_WORDS).unwrap_or_default()))
    }

    /// Names of the features that are on.
    pub(crate) fn features(&self) -> io::Result<Vec<String>> {
        let names = self.names()?;
        // Four words for each 32 features: available, requested, active, never changed.
        let blocks = names.len().div_ceil(32);
        let mut about = vec![0; 2 + 4 * blocks];
        about[0] = GET_FEATURES;
        about[1] = blocks as u32;
        self.call(&mut about)?;
        let is_on = |place: usize| {
            let active = about.get(2 + 4 * (place / 32) + 2);
            active.is_some_and(|active| active >> (place % 32) & 1 == 1)
        };
        let on = names.into_iter().enumerate();
        Ok(on
            .filter(|(place, _)| is_on(*place))
            .map(|(_, name)| name)
            .collect())
    }

    /// Names of all features, by their numbers.
    fn names(&self) -> io::Result<Vec<String>> {
        // Command, nothing, a mask of 64 bits, and the length of the one set that it names.
        let mut sets = [GET_STRING_SETS, 0, 0, 0, 0];
        let mask: [u8; 8] = (1_u64 << FEATURES).to_ne_bytes();
        for (word, bytes) in sets.iter_mut().skip(2).zip(mask.as_chunks::<4>().0) {
            *word = u32::from_ne_bytes(*bytes);
        }
        self.call(&mut sets)?;
        let count = sets[4].min(MOST);
        let mut strings = vec![0; 3 + STRING_WORDS * count as usize];
        strings[0] = GET_STRINGS;
        strings[1] = FEATURES;
        strings[2] = count;
        self.call(&mut strings)?;
        let names = strings.get(3..).unwrap_or_default();
        let (names, _) = names.as_chunks::<STRING_WORDS>();
        Ok(names.iter().map(|name| text(name)).collect())
    }

    /// Hands words over, which the kernel fills as the first of them says.
    fn call(&self, words: &mut [u32]) -> io::Result<()> {
        /// `SIOCETHTOOL` (linux/sockios.h).
        const ETHTOOL: libc::Ioctl = 0x8946;

        #[repr(C)]
        struct Request {
            name: [u8; libc::IFNAMSIZ],
            data: *mut c_void,
            rest: [u8; 16],
        }

        let mut request = Request {
            name: [0; libc::IFNAMSIZ],
            data: words.as_mut_ptr().cast(),
            rest: [0; 16],
        };
        // The last one stays 0.
        let room = request.name.iter_mut().take(libc::IFNAMSIZ - 1);
        for (to, from) in room.zip(self.interface.bytes()) {
            *to = from;
        }
        // SAFETY: the request names words that live on, and of which the command and the numbers in them say
        // how many the kernel may fill.
        let result = unsafe { libc::ioctl(self.any.as_raw_fd(), ETHTOOL, &raw mut request) };
        match result {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

/// A text that ends at its first zero.
fn text(words: &[u32]) -> String {
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_interface_tells_nothing() {
        let driver = Driver::of("no-such-device-at-all").unwrap();
        assert!(driver.name().is_err() && driver.has(VLAN).is_err());
    }

    #[test]
    fn loopback_names_its_features() {
        let names = Driver::of("lo").unwrap().names().unwrap();
        for name in [LRO, GRO_HW, VLAN] {
            assert!(names.iter().any(|known| known == name), "{names:?}");
        }
    }
}
