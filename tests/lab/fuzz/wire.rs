//! Random DNS answers as bytes: sound ones in every form that a server may give them, and damaged ones.

use std::net::{Ipv4Addr, Ipv6Addr};

use fastrand::Rng;

/// Names that are asked for; of the patterns of [`super::CONFIG`] some match, and the last ones none.
const ASKED: [&str; 12] = [
    "exact.example",
    "EXACT.eXample",
    "a.below.example",
    "x.y.below.example",
    "xtail.example",
    "tail.example",
    "head1.star.example",
    "headstar.deep.star.example",
    "head1.deep.star.example",
    "head.star.example",
    "below.example",
    "www.example.net",
];
/// Parts of other names.
const LABELS: [&str; 8] = [
    "a",
    "cdn",
    "edge",
    "trafficmanager",
    "example",
    "net",
    "x-1",
    "_dns",
];

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const OPT: u16 = 41;
const RRSIG: u16 = 46;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
const IN: u16 = 1;

/// A sound message; addresses of messages with other numbers are others.
pub fn message(rng: &mut Rng, number: u16) -> Vec<u8> {
    let mut wire = Wire::new(rng, number);
    wire.fill();
    wire.bytes
}

type Name = Vec<String>;

struct Wire<'a> {
    rng: &'a mut Rng,
    number: u16,
    bytes: Vec<u8>,
    /// Where ends of names stand that pointers can lead to.
    known: Vec<(Name, usize)>,
    counts: [u16; 3],
    compress: Compress,
}

/// How a server writes names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compress {
    Never,
    Best,
    Any,
}

impl<'a> Wire<'a> {
    fn new(rng: &'a mut Rng, number: u16) -> Self {
        let compress = match rng.u8(..8) {
            0 => Compress::Never,
            1 => Compress::Any,
            _ => Compress::Best,
        };
        Self {
            rng,
            number,
            bytes: vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0],
            known: Vec::new(),
            counts: [0; 3],
            compress,
        }
    }

    fn fill(&mut self) {
        let asked = self.asked();
        self.plain(&asked);
        let kind = [A, AAAA, HTTPS, SVCB][self.rng.usize(..4)];
        self.number_of(kind);
        self.number_of(IN);
        let mut answers = self.answers(asked);
        if self.rng.u8(..4) == 0 {
            self.rng.shuffle(&mut answers);
        }
        for answer in answers {
            self.record(0, &answer);
        }
        self.others();
        for (place, count) in self.counts.into_iter().enumerate() {
            self.bytes[6 + 2 * place..8 + 2 * place].copy_from_slice(&count.to_be_bytes());
        }
    }

    fn asked(&mut self) -> Name {
        if self.rng.u8(..20) == 0 {
            return self.long("below.example");
        }
        if self.rng.u8(..100) == 0 {
            return Name::new();
        }
        split(ASKED[self.rng.usize(..ASKED.len())])
    }

    /// A name of 255 bytes, or nearly so many.
    fn long(&mut self, tail: &str) -> Name {
        let tail = split(tail);
        let mut left = 254 - self.rng.usize(..3) - bytes(&tail);
        let mut name = Name::new();
        while left > 1 {
            let label = (left - 1).min(1 + self.rng.usize(..63));
            name.push("l".repeat(label));
            left -= label + 1;
        }
        name.extend(tail);
        name
    }

    fn name(&mut self) -> Name {
        if self.rng.u8(..60) == 0 {
            return self.long("example.net");
        }
        let labels = 1 + self.rng.usize(..5);
        let label = |_| LABELS[self.rng.usize(..LABELS.len())].to_owned();
        (0..labels).map(label).collect()
    }

    /// A chain of aliases, and what the names on it have.
    fn answers(&mut self, asked: Name) -> Vec<Record> {
        let aliases = match self.rng.u8(..80) {
            0 => self.rng.usize(..120),
            1..30 => 0,
            _ => self.rng.usize(..5),
        };
        let mut owner = asked;
        let mut records = Vec::new();
        for place in 0..aliases {
            let target = match aliases > 20 {
                true => vec![format!("c{place}"), "example".to_owned()],
                false => self.name(),
            };
            let data = match self.rng.u8(..8) {
                0 => Data::Service(0, target.clone(), Vec::new()),
                1 => Data::Service(1, target.clone(), self.parameters()),
                _ => Data::Name(CNAME, target.clone()),
            };
            records.push(self.of(owner, data));
            owner = target;
        }
        let addresses = match self.rng.u8(..80) {
            0 => self.rng.usize(..130),
            _ => self.rng.usize(..6),
        };
        for _ in 0..addresses {
            let data = self.data();
            let owner = match self.rng.u8(..16) {
                0 => self.name(),
                _ => self.same(&owner),
            };
            records.push(self.of(owner, data));
        }
        records
    }

    fn of(&mut self, owner: Name, data: Data) -> Record {
        Record {
            owner,
            class: if self.rng.u8(..60) == 0 { 3 } else { IN },
            ttl: match self.rng.u8(..4) {
                0 => self.rng.u32(..),
                _ => self.rng.u32(..5000),
            },
            data,
        }
    }

    /// The same name, its case changed now and then.
    fn same(&mut self, name: &Name) -> Name {
        let upper = self.rng.u8(..8) == 0;
        let same = |label: &String| match upper {
            true => label.to_ascii_uppercase(),
            false => label.clone(),
        };
        name.iter().map(same).collect()
    }

    fn data(&mut self) -> Data {
        match self.rng.u8(..16) {
            0 => Data::Bytes(TXT, vec![4, b't', b'e', b'x', b't']),
            1 => Data::Bytes(RRSIG, vec![7; self.rng.usize(..80)]),
            2 => Data::Service(1, Name::new(), self.parameters()),
            3 => {
                let priority = self.rng.u16(..3);
                let target = self.name();
                Data::Service(priority, target, self.parameters())
            }
            4..8 => Data::Bytes(AAAA, self.v6().octets().to_vec()),
            _ => Data::Bytes(A, self.v4().octets().to_vec()),
        }
    }

    fn parameters(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut all = Vec::new();
        for key in [0, 1, 2, 3, 4, 5, 6, 7, 65_000] {
            if self.rng.u8(..3) != 0 {
                continue;
            }
            let hints = 1 + self.rng.usize(..4);
            all.push((
                key,
                match key {
                    0 => vec![0, 1],
                    1 => b"\x02h2\x02h3".to_vec(),
                    2 => Vec::new(),
                    3 => vec![1, 187],
                    4 => (0..hints).flat_map(|_| self.v4().octets()).collect(),
                    6 => (0..hints).flat_map(|_| self.v6().octets()).collect(),
                    _ => vec![9; self.rng.usize(..9)],
                },
            ));
        }
        all
    }

    fn v4(&mut self) -> Ipv4Addr {
        match self.rng.u8(..40) {
            0 => Ipv4Addr::new(10, 1, 2, 3),
            1 => Ipv4Addr::new(198, 18, 0, 1),
            2 => Ipv4Addr::new(203, 0, 113, 254),
            3 => Ipv4Addr::from_bits(0x0a05_0000 | u32::from(self.number)),
            _ => {
                Ipv4Addr::from_bits(0x3000_0000 | u32::from(self.number) << 8 | self.rng.u32(..250))
            }
        }
    }

    fn v6(&mut self) -> Ipv6Addr {
        let low = u128::from(self.rng.u32(..250));
        match self.rng.u8(..60) {
            0 => "fd00::1".parse().unwrap_or(Ipv6Addr::UNSPECIFIED),
            1 => Ipv4Addr::new(203, 0, 113, 7).to_ipv6_mapped(),
            2 => Ipv6Addr::from_bits(0x0064_ff9b << 96 | u128::from(self.v4().to_bits())),
            3 => Ipv6Addr::from_bits(0xfd00_0005 << 96 | u128::from(self.number)),
            _ => Ipv6Addr::from_bits(0x2a00 << 112 | u128::from(self.number) << 32 | low),
        }
    }

    /// Authority and additional records.
    fn others(&mut self) {
        for _ in 0..self.rng.usize(..3) {
            let (owner, target) = (self.name(), self.name());
            let authority = self.of(owner, Data::Name(NS, target));
            self.record(1, &authority);
        }
        for _ in 0..self.rng.usize(..3) {
            let owner = self.name();
            let glue = Data::Bytes(A, self.v4().octets().to_vec());
            let additional = self.of(owner, glue);
            self.record(2, &additional);
        }
        if self.rng.bool() {
            let options = Record {
                owner: Name::new(),
                class: 1232,
                ttl: 0,
                data: Data::Bytes(OPT, vec![0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
            };
            self.record(2, &options);
        }
    }

    fn record(&mut self, section: usize, record: &Record) {
        /// A longer frame is none that a test run takes on every kernel.
        const LONGEST: usize = 3200;

        if self.bytes.len() > LONGEST {
            return;
        }
        self.counts[section] += 1;
        self.written(&record.owner);
        self.number_of(record.data.kind());
        self.number_of(record.class);
        self.bytes.extend(record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.number_of(0);
        match &record.data {
            Data::Bytes(_, data) => self.bytes.extend(data),
            Data::Name(_, name) => self.written(name),
            Data::Service(priority, target, parameters) => {
                self.number_of(*priority);
                self.plain(target);
                for (key, value) in parameters {
                    self.number_of(*key);
                    self.number_of(value.len() as u16);
                    self.bytes.extend(value);
                }
            }
        }
        let length = (self.bytes.len() - length_at - 2) as u16;
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    /// A name as this server writes it: labels, then perhaps a pointer to the rest.
    fn written(&mut self, name: &Name) {
        for at in 0..name.len() {
            let rest = &name[at..];
            let known = self.known.iter().find(|(known, _)| same(known, rest));
            let points = match self.compress {
                Compress::Never => false,
                Compress::Best => true,
                Compress::Any => self.rng.bool(),
            };
            if let (Some((_, place)), true) = (known, points) {
                let pointer = 0xc000 | *place as u16;
                self.number_of(pointer);
                return;
            }
            self.label(name, at);
        }
        self.bytes.push(0);
    }

    fn plain(&mut self, name: &Name) {
        for at in 0..name.len() {
            self.label(name, at);
        }
        self.bytes.push(0);
    }

    fn label(&mut self, name: &Name, at: usize) {
        self.known.push((name[at..].to_vec(), self.bytes.len()));
        self.bytes.push(name[at].len() as u8);
        self.bytes.extend(name[at].bytes());
    }

    fn number_of(&mut self, number: u16) {
        self.bytes.extend(number.to_be_bytes());
    }
}

struct Record {
    owner: Name,
    class: u16,
    ttl: u32,
    data: Data,
}

enum Data {
    Bytes(u16, Vec<u8>),
    Name(u16, Name),
    Service(u16, Name, Vec<(u16, Vec<u8>)>),
}

impl Data {
    fn kind(&self) -> u16 {
        match self {
            Self::Bytes(kind, _) | Self::Name(kind, _) => *kind,
            Self::Service(_, target, _) if target.len() % 2 == 0 => HTTPS,
            Self::Service(..) => SVCB,
        }
    }
}

fn split(text: &str) -> Name {
    text.split('.').map(str::to_owned).collect()
}

fn bytes(name: &Name) -> usize {
    name.iter().map(|label| label.len() + 1).sum()
}

fn same(one: &[String], other: &[String]) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(a, b)| a.eq_ignore_ascii_case(b))
}

/// Some bytes changed, cut off, or added.
pub fn damaged(sound: &[u8], rng: &mut Rng) -> Vec<u8> {
    /// Bytes that mean something in DNS.
    const TELLING: [u8; 16] = [
        0, 1, 2, 3, 4, 5, 12, 16, 28, 46, 63, 64, 65, 0x80, 0xc0, 0xff,
    ];
    let mut bytes = sound.to_vec();
    for _ in 0..1 + rng.usize(..3) {
        if bytes.is_empty() {
            break;
        }
        // The first bytes and the last ones matter more than those between.
        let at = match rng.u8(..4) {
            0 => rng.usize(..bytes.len().min(40)),
            _ => rng.usize(..bytes.len()),
        };
        match rng.u8(..16) {
            0 => bytes.truncate(at),
            1 => bytes.push(TELLING[rng.usize(..TELLING.len())]),
            2 => {
                bytes.remove(at);
            }
            3 => bytes.insert(at, TELLING[rng.usize(..TELLING.len())]),
            4 => {
                let target = rng.u16(..=at as u16) | 0xc000;
                let end = (at + 2).min(bytes.len());
                let pointer = target.to_be_bytes();
                bytes[at..end].copy_from_slice(&pointer[..end - at]);
            }
            5 => bytes[at] = bytes[at].wrapping_add(1),
            6 => bytes[at] = bytes[at].wrapping_sub(1),
            7..11 => bytes[at] = rng.u8(..),
            _ => bytes[at] = TELLING[rng.usize(..TELLING.len())],
        }
    }
    bytes
}
