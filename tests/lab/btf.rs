//! How many entries a map of a kernel object has: where the object's bytes say it.
//!
//! An object describes its maps by types (BTF): a map is a variable of a structure whose member `max_entries` points
//! to an array of as many elements.

use anyhow::{Context, Result, bail, ensure};

/// The section with the types.
const SECTION: &str = ".BTF";
const MAGIC: u16 = 0xeb9f;
/// Kinds (linux/btf.h).
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const VAR: u32 = 14;
/// Bytes of what every type begins with, and of a structure's member.
const TYPE: usize = 12;
const MEMBER: usize = 12;
/// Where an array says how many elements it has, behind what every type begins with.
const ELEMENTS: usize = 8;

/// Where the object says how many entries a map has, as 32 bits; all maps with as many entries may say it there.
///
/// # Errors
/// It is no object with such a map.
pub(crate) fn entries_of(object: &[u8], map: &str) -> Result<usize> {
    let types = Types::of(object)?;
    let of_map = types.all()?;
    let at = |number: u32| of_map.get(number as usize).copied();
    let is_it = |found: &&Found| found.kind == VAR && types.name(found.name) == Some(map);
    let variable = of_map.iter().find(is_it);
    let variable = variable.with_context(|| format!("the object has no map {map}"))?;
    let about = at(variable.holds).filter(|found| found.kind == STRUCT);
    let about = about.with_context(|| format!("{map} is no map"))?;
    for number in 0..about.members {
        let member = about.at + TYPE + number * MEMBER;
        if types.name(word(object, member)?) != Some("max_entries") {
            continue;
        }
        let pointer = at(word(object, member + 4)?).filter(|found| found.kind == PTR);
        let array = pointer.and_then(|pointer| at(pointer.holds));
        let array = array.filter(|found| found.kind == ARRAY);
        let array = array.with_context(|| format!("{map} has no number of entries"))?;
        return Ok(array.at + TYPE + ELEMENTS);
    }
    bail!("{map} does not say how many entries it has")
}

/// A type.
#[derive(Clone, Copy)]
struct Found {
    /// Where it begins.
    at: usize,
    kind: u32,
    members: usize,
    /// Where its name is among the names.
    name: u32,
    /// Number of the type that it is of, or points to.
    holds: u32,
}

/// The types of an object.
struct Types<'a> {
    object: &'a [u8],
    /// Where they begin and end, and where their names begin.
    from: usize,
    to: usize,
    names: usize,
}

impl<'a> Types<'a> {
    fn of(object: &'a [u8]) -> Result<Self> {
        let at = section(object)?;
        ensure!(
            half(object, at)? == MAGIC,
            "the types do not begin as they should"
        );
        let header = word(object, at + 4)? as usize;
        let part = |place| -> Result<usize> { Ok(word(object, at + place)? as usize) };
        let from = at + header + part(8)?;
        Ok(Self {
            object,
            from,
            to: from + part(12)?,
            names: at + header + part(16)?,
        })
    }

    /// All of them by their numbers; the first is none.
    fn all(&self) -> Result<Vec<Found>> {
        let mut all = vec![Found {
            at: 0,
            kind: 0,
            members: 0,
            name: 0,
            holds: 0,
        }];
        let mut at = self.from;
        while at < self.to {
            let info = word(self.object, at + 4)?;
            let (kind, members) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            all.push(Found {
                at,
                kind,
                members,
                name: word(self.object, at)?,
                holds: word(self.object, at + 8)?,
            });
            at += TYPE + more(kind, members)?;
        }
        Ok(all)
    }

    fn name(&self, at: u32) -> Option<&'a str> {
        let name = self.object.get(self.names + at as usize..)?;
        let end = name.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(name.get(..end)?).ok()
    }
}

/// Bytes behind what every type begins with, by its kind.
fn more(kind: u32, members: usize) -> Result<usize> {
    Ok(match kind {
        2 | 7..=12 | 16 | 18 => 0,
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => 12 * members,
        6 | 13 => 8 * members,
        _ => bail!("there is a type of kind {kind}"),
    })
}

/// Where the section with the types begins.
fn section(object: &[u8]) -> Result<usize> {
    // Of elf(5): Elf64_Ehdr and Elf64_Shdr.
    let headers = long(object, 0x28)?;
    let bytes = usize::from(half(object, 0x3a)?);
    let count = usize::from(half(object, 0x3c)?);
    let of_names = usize::from(half(object, 0x3e)?);
    let names = long(object, headers + of_names * bytes + 0x18)?;
    for number in 0..count {
        let header = headers + number * bytes;
        let name = object.get(names + word(object, header)? as usize..);
        let is_it = |name: &&[u8]| {
            name.strip_prefix(SECTION.as_bytes())
                .is_some_and(|rest| rest.starts_with(&[0]))
        };
        if name.filter(is_it).is_some() {
            return long(object, header + 0x18);
        }
    }
    bail!("the object has no {SECTION}")
}

fn half(bytes: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(part(bytes, at)?))
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(part(bytes, at)?))
}

fn long(bytes: &[u8], at: usize) -> Result<usize> {
    Ok(u64::from_le_bytes(part(bytes, at)?) as usize)
}

fn part<const BYTES: usize>(bytes: &[u8], at: usize) -> Result<[u8; BYTES]> {
    let part = bytes.get(at..at + BYTES);
    let part = part.with_context(|| format!("the object ends before byte {at}"))?;
    Ok(part.try_into()?)
}
