//! What a DNS answer may teach, by the readers of hickory-proto.
//!
//! In: the bytes of a message. Out: its name and its addresses, or why it teaches nothing. Names are read and
//! compared by the library, sections and records are walked with its decoder; nothing of the kernel's reader
//! is used.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use egress_common::dns::Outcome;
use hickory_proto::op::{Header, Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// Addresses of one message that are read.
const ADDRESSES: usize = 256;
/// Bytes of a header.
const HEADER_BYTES: usize = 12;
/// Bytes of a record between owner and data.
const FIXED_BYTES: usize = 10;

/// What a message says.
#[derive(Debug, Default)]
pub struct Said {
    /// The name that was asked for.
    pub name: String,
    /// Addresses of that name or of an alias of it, with the TTLs that they have wherever they occur.
    pub addrs: BTreeMap<IpAddr, Vec<u32>>,
    /// How many addresses other names have.
    pub unlinked: u64,
    /// Bytes of all names that were read, and records: what reading takes.
    pub effort: usize,
}

/// Labels in lower case: how names are compared here.
type Labels = Vec<Vec<u8>>;

/// Reads an answer.
///
/// # Errors
/// Why it teaches nothing, as far as it was read.
pub fn read(payload: &[u8]) -> Result<Said, (Outcome, Said)> {
    let mut reader = Reader::default();
    let outcome = reader.message(payload);
    let said = reader.said();
    match outcome {
        Err(outcome) => Err((outcome, said)),
        // Addresses of others are counted only of a message that was read to its end.
        Ok(()) if said.addrs.is_empty() => Err((Outcome::NoAddress, said)),
        Ok(()) => Ok(said),
    }
}

#[derive(Default)]
struct Reader {
    asked: Labels,
    links: BTreeMap<Labels, Vec<Labels>>,
    found: Vec<(Labels, IpAddr, u32)>,
    effort: usize,
}

/// Why reading ended.
type Read<T> = Result<T, Outcome>;

impl Reader {
    fn message(&mut self, payload: &[u8]) -> Read<()> {
        // A name in the header would be read as a name; these bytes are none.
        let mut guarded = payload.to_vec();
        for byte in guarded.iter_mut().take(HEADER_BYTES) {
            *byte = 0x80;
        }
        let header = header(payload)?;
        let mut decoder = BinDecoder::new(&guarded).clone(HEADER_BYTES as u16);
        self.question(&mut decoder)?;
        let counts = header.counts;
        let others = usize::from(counts.authorities) + usize::from(counts.additionals);
        for _ in 0..counts.answers {
            self.answer(&mut decoder)?;
        }
        for _ in 0..others {
            self.other(&mut decoder)?;
        }
        match decoder.is_empty() {
            true => Ok(()),
            false => Err(Outcome::Malformed),
        }
    }

    fn question(&mut self, decoder: &mut BinDecoder<'_>) -> Read<()> {
        let began = decoder.index();
        self.asked = self.name(decoder)?;
        let bytes: usize = self.asked.iter().map(|label| label.len() + 1).sum();
        // Nothing stands before it that it could point to.
        if decoder.index() != began + bytes + 1 {
            return Err(Outcome::Malformed);
        }
        let _kind = number(decoder)?;
        match DNSClass::from(number(decoder)?) {
            DNSClass::IN => Ok(()),
            _ => Err(Outcome::NoAnswer),
        }
    }

    fn answer(&mut self, decoder: &mut BinDecoder<'_>) -> Read<()> {
        let owner = self.name(decoder)?;
        let kind = RecordType::from(number(decoder)?);
        let class = DNSClass::from(number(decoder)?);
        let ttl = decoder.read_u32().map_err(malformed)?.unverified();
        let bytes = usize::from(number(decoder)?);
        if bytes > decoder.len() {
            return Err(Outcome::Malformed);
        }
        let end = decoder.index() + bytes;
        self.effort += 16;
        match (class, kind) {
            (DNSClass::IN, RecordType::A) => {
                let addr: [u8; 4] = whole(decoder, bytes)?;
                self.find(&owner, Ipv4Addr::from(addr).into(), ttl)?;
            }
            (DNSClass::IN, RecordType::AAAA) => {
                let addr: [u8; 16] = whole(decoder, bytes)?;
                self.find(&owner, Ipv6Addr::from(addr).into(), ttl)?;
            }
            (DNSClass::IN, RecordType::CNAME) => {
                let target = self.name(decoder)?;
                if decoder.index() != end {
                    return Err(Outcome::Malformed);
                }
                self.links.entry(owner).or_default().push(target);
            }
            (DNSClass::IN, RecordType::SVCB | RecordType::HTTPS) => {
                self.service(decoder, &owner, ttl, end)?;
            }
            _ => {
                decoder.read_slice(bytes).map_err(malformed)?;
            }
        }
        Ok(())
    }

    /// RFC 9460 section 2.2.
    fn service(
        &mut self,
        decoder: &mut BinDecoder<'_>,
        owner: &Labels,
        ttl: u32,
        end: usize,
    ) -> Read<()> {
        let priority = number(decoder)?;
        let target = self.name(decoder)?;
        if decoder.index() > end {
            return Err(Outcome::Malformed);
        }
        if !target.is_empty() {
            self.links.entry(owner.clone()).or_default().push(target);
        }
        let mut before = None;
        while decoder.index() < end {
            self.effort += 16;
            let key = number(decoder)?;
            let bytes = usize::from(number(decoder)?);
            if decoder.index() + bytes > end || before.is_some_and(|before| before >= key) {
                return Err(Outcome::Malformed);
            }
            before = Some(key);
            let value = decoder.read_slice(bytes).map_err(malformed)?.unverified();
            let fits = match key {
                0 => bytes > 0 && bytes % 2 == 0,
                1 => bytes > 0,
                2 => bytes == 0,
                3 => bytes == 2,
                4 => bytes > 0 && bytes % 4 == 0,
                6 => bytes > 0 && bytes % 16 == 0,
                _ => true,
            };
            if !fits {
                return Err(Outcome::Malformed);
            }
            if priority == 0 {
                continue;
            }
            match key {
                4 => {
                    for addr in value.as_chunks::<4>().0 {
                        self.find(owner, Ipv4Addr::from(*addr).into(), ttl)?;
                    }
                }
                6 => {
                    for addr in value.as_chunks::<16>().0 {
                        self.find(owner, Ipv6Addr::from(*addr).into(), ttl)?;
                    }
                }
                _ => {}
            }
        }
        match decoder.index() == end {
            true => Ok(()),
            false => Err(Outcome::Malformed),
        }
    }

    /// A record of another section: the lengths alone matter.
    fn other(&mut self, decoder: &mut BinDecoder<'_>) -> Read<()> {
        let began = decoder.index();
        loop {
            self.effort += 16;
            let byte = decoder.read_u8().map_err(malformed)?.unverified();
            match byte {
                0 => break,
                0xc0.. => {
                    let low = decoder.read_u8().map_err(malformed)?.unverified();
                    let target = usize::from(byte & 0x3f) << 8 | usize::from(low);
                    if target < HEADER_BYTES || target >= began {
                        return Err(Outcome::Malformed);
                    }
                    break;
                }
                64.. => return Err(Outcome::Malformed),
                label => {
                    decoder.read_slice(label.into()).map_err(malformed)?;
                }
            }
        }
        let fixed = decoder
            .read_slice(FIXED_BYTES)
            .map_err(malformed)?
            .unverified();
        let bytes = usize::from(fixed[8]) << 8 | usize::from(fixed[9]);
        decoder.read_slice(bytes).map_err(malformed)?;
        Ok(())
    }

    /// A name by the library's reader. Dots and NULs inside of labels make it look like another one.
    fn name(&mut self, decoder: &mut BinDecoder<'_>) -> Read<Labels> {
        let name = Name::read(decoder).map_err(malformed)?;
        let labels = labels(&name);
        self.effort += 16 + name.len();
        match labels.iter().flatten().any(|byte| [b'.', 0].contains(byte)) {
            true => Err(Outcome::Malformed),
            false => Ok(labels),
        }
    }

    fn find(&mut self, owner: &Labels, addr: IpAddr, ttl: u32) -> Read<()> {
        if matches!(addr, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
            return Err(Outcome::Malformed);
        }
        if self.found.len() == ADDRESSES {
            return Err(Outcome::TooManyRecords);
        }
        self.effort += 16;
        self.found.push((owner.clone(), addr, ttl));
        Ok(())
    }

    fn said(self) -> Said {
        let linked = reachable(&self.asked, &self.links);
        let mut said = Said {
            name: text(&self.asked),
            effort: self.effort,
            ..Said::default()
        };
        for (owner, addr, ttl) in self.found {
            if !linked.contains(&owner) {
                said.unlinked += 1;
                continue;
            }
            said.addrs.entry(addr).or_default().push(ttl);
        }
        said
    }
}

fn header(payload: &[u8]) -> Read<Header> {
    let header = Header::read(&mut BinDecoder::new(payload)).map_err(malformed)?;
    let said = &header.metadata;
    // Some codes the library only knows by what EDNS adds to them.
    let code = payload.get(3).map_or(0, |flags| flags & 0xf);
    if said.message_type != MessageType::Response || said.op_code != OpCode::Query || code != 0 {
        return Err(Outcome::NoAnswer);
    }
    if said.truncation {
        return Err(Outcome::Truncated);
    }
    if header.counts.queries != 1 {
        return Err(Outcome::Malformed);
    }
    if header.counts.answers == 0 {
        return Err(Outcome::NoAddress);
    }
    Ok(header)
}

fn reachable(from: &Labels, links: &BTreeMap<Labels, Vec<Labels>>) -> BTreeSet<Labels> {
    let mut seen = BTreeSet::from([from.clone()]);
    let mut waiting = vec![from.clone()];
    while let Some(name) = waiting.pop() {
        for target in links.get(&name).into_iter().flatten() {
            if seen.insert(target.clone()) {
                waiting.push(target.clone());
            }
        }
    }
    seen
}

fn labels(name: &Name) -> Labels {
    name.iter().map(<[u8]>::to_ascii_lowercase).collect()
}

fn text(labels: &Labels) -> String {
    String::from_utf8_lossy(&labels.join(&b'.')).into_owned()
}

fn number(decoder: &mut BinDecoder<'_>) -> Read<u16> {
    Ok(decoder.read_u16().map_err(malformed)?.unverified())
}

/// Data of exactly so many bytes.
fn whole<const BYTES: usize>(decoder: &mut BinDecoder<'_>, bytes: usize) -> Read<[u8; BYTES]> {
    let data = decoder.read_slice(bytes).map_err(malformed)?.unverified();
    data.try_into().map_err(|_| Outcome::Malformed)
}

fn malformed<E>(_: E) -> Outcome {
    Outcome::Malformed
}

/// The same once more by the library alone: the addresses of a message that it accepts as a whole. Some that
/// teach it refuses, because of records that are only stepped over.
pub fn by_library(payload: &[u8]) -> Option<BTreeSet<IpAddr>> {
    let message = Message::from_vec(payload).ok()?;
    if message.metadata.response_code != ResponseCode::NoError {
        return None;
    }
    let asked = labels(message.queries.first()?.name());
    let mut links: BTreeMap<Labels, Vec<Labels>> = BTreeMap::new();
    let mut found: Vec<(Labels, IpAddr)> = Vec::new();
    for record in &message.answers {
        if record.dns_class != DNSClass::IN {
            continue;
        }
        let owner = labels(&record.name);
        match &record.data {
            RData::A(a) => found.push((owner, a.0.into())),
            RData::AAAA(aaaa) => found.push((owner, aaaa.0.into())),
            RData::CNAME(target) => links.entry(owner).or_default().push(labels(&target.0)),
            RData::SVCB(service) => hints(service, owner, &mut links, &mut found),
            RData::HTTPS(service) => hints(&service.0, owner, &mut links, &mut found),
            _ => {}
        }
    }
    let linked = reachable(&asked, &links);
    let of_linked = found
        .into_iter()
        .filter(|(owner, _)| linked.contains(owner));
    Some(of_linked.map(|(_, addr)| addr).collect())
}

fn hints(
    service: &SVCB,
    owner: Labels,
    links: &mut BTreeMap<Labels, Vec<Labels>>,
    found: &mut Vec<(Labels, IpAddr)>,
) {
    if !service.target_name.is_root() {
        let target = labels(&service.target_name);
        links.entry(owner.clone()).or_default().push(target);
    }
    if service.svc_priority == 0 {
        return;
    }
    for (_, value) in &service.svc_params {
        match value {
            SvcParamValue::Ipv4Hint(hints) => {
                found.extend(hints.0.iter().map(|a| (owner.clone(), a.0.into())));
            }
            SvcParamValue::Ipv6Hint(hints) => {
                found.extend(hints.0.iter().map(|a| (owner.clone(), a.0.into())));
            }
            _ => {}
        }
    }
}
