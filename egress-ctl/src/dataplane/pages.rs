//! A flat table of destinations into the kernel's maps.
//!
//! Each page is a map of its own, made for a generation and put in its place in the map of all pages. So a table
//! takes the memory that it needs, and goes when the next one takes its places.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::maps::{Array, Map, MapData, MapError};
use aya_obj::generated::{bpf_cmd, bpf_map_type};
use egress_common::{
    flat::{PAGE_ENTRIES, Page},
    limits,
};

use super::syscall::{Batch, bpf};

/// Pages that are put into their places at once: as many files are open meanwhile, of the 1,024 that a process
/// may have where nobody says otherwise.
const AT_ONCE: usize = 128;

/// The map of all pages.
pub struct Places(MapData);

impl TryFrom<Map> for Places {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        let Map::ArrayOfMaps(data) = map else {
            return Err(MapError::InvalidMapType {
                map_type: bpf_map_type::BPF_MAP_TYPE_UNSPEC as u32,
            });
        };
        Ok(Self(data))
    }
}

impl Places {
    /// Puts pages into the first places of a half, which no packet uses. Places behind them that its table of before
    /// took get one of these pages too, so that the memory of that table goes.
    pub(super) fn fill(&self, half: u32, pages: &[Box<Page>]) -> Result<(), MapError> {
        let places = places(half);
        let mut free = places.clone();
        let mut another = None;
        for chunk in pages.chunks(AT_ONCE) {
            let maps = chunk.iter().map(|page| made(page));
            let maps = maps.collect::<Result<Vec<_>, _>>()?;
            self.put(maps.iter().zip(&mut free).map(|(map, place)| (place, map)))?;
            another = maps.into_iter().next();
        }
        match &another {
            Some(map) => self.put(
                free.take_while(|place| self.is_taken(*place))
                    .map(|place| (place, map)),
            ),
            None => Ok(()),
        }
    }

    /// Lets go of a half's table, where there is one.
    pub(super) fn leave(&self, half: u32) -> Result<(), MapError> {
        if places(half)
            .next()
            .is_some_and(|place| self.is_taken(place))
        {
            return self.fill(half, &[Box::new([0; PAGE_ENTRIES])]);
        }
        Ok(())
    }

    /// Whether there is a page.
    fn is_taken(&self, place: u32) -> bool {
        #[repr(C)]
        struct Lookup {
            map: u32,
            pad: u32,
            key: u64,
            value: u64,
            flags: u64,
        }

        let mut id = 0_u32;
        let mut lookup = Lookup {
            map: self.fd(),
            pad: 0,
            key: (&raw const place) as u64,
            value: (&raw mut id) as u64,
            flags: 0,
        };
        bpf(bpf_cmd::BPF_MAP_LOOKUP_ELEM as i32, &mut lookup).is_ok()
    }

    /// Puts pages into places, all in one call: the kernel waits for running programs behind each
    /// (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c).
    fn put<'a>(&self, pages: impl Iterator<Item = (u32, &'a MapData)>) -> Result<(), MapError> {
        let (keys, values): (Vec<u32>, Vec<i32>) = pages
            .map(|(place, map)| (place, map.fd().as_fd().as_raw_fd()))
            .unzip();
        if keys.is_empty() {
            return Ok(());
        }
        let mut batch = Batch {
            keys: keys.as_ptr() as u64,
            values: values.as_ptr() as u64,
            count: keys.len() as u32,
            map: self.fd(),
            ..Batch::default()
        };
        bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH as i32, &mut batch)?;
        if batch.count as usize != keys.len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        Ok(())
    }

    fn fd(&self) -> u32 {
        self.0.fd().as_fd().as_raw_fd() as u32
    }
}

/// Places of a half.
fn places(half: u32) -> std::ops::Range<u32> {
    let first = half * limits::DESTINATION_PAGES;
    first..first + limits::DESTINATION_PAGES
}

/// A page in the kernel.
fn made(page: &Page) -> Result<MapData, MapError> {
    let (key, value) = (size_of::<u32>() as u32, size_of::<Page>() as u32);
    let kind = bpf_map_type::BPF_MAP_TYPE_ARRAY as u32;
    let obj = aya_obj::Map::new_from_params(kind, key, value, 1, 0);
    let mut map = Map::Array(MapData::create(obj, "page", None)?);
    Array::<&mut MapData, Page>::try_from(&mut map)?.set(0, page, 0)?;
    match map {
        Map::Array(made) => Ok(made),
        _ => Err(MapError::KeyNotFound),
    }
}
