//! The least that a filter must read: addresses and ports, each behind a check of bounds.

use aya_ebpf::programs::XdpContext;

const ETHERNET: usize = 14;
const IPV4: u16 = 0x0800_u16.to_be();
const IPV6: u16 = 0x86dd_u16.to_be();
const UDP: u8 = 17;

/// What was read, in network order.
#[derive(Clone, Copy)]
pub struct Flow {
    source: [u32; 4],
    /// IPv4 in the first word.
    pub destination: [u32; 4],
    ports: u32,
    protocol: u8,
}

impl Flow {
    /// Depends on all that was read.
    #[inline(always)]
    pub fn digest(self) -> u32 {
        let [a, b, c, d] = self.source;
        let [e, f, g, h] = self.destination;
        (a | b | c | d) ^ (e | f | g | h) ^ self.ports ^ u32::from(self.protocol)
    }
}

/// Reads a frame of IPv4 or IPv6 with ports right behind the header.
#[inline(always)]
pub fn parse(ctx: &XdpContext) -> Option<Flow> {
    match read::<u16>(ctx, 12)? {
        IPV4 => ipv4(ctx),
        IPV6 => ipv6(ctx),
        _ => None,
    }
}

/// Whether it is a UDP datagram of IPv4 or IPv6.
#[inline(always)]
pub fn is_udp(ctx: &XdpContext) -> Option<bool> {
    let protocol = match read::<u16>(ctx, 12)? {
        IPV4 => read::<u8>(ctx, ETHERNET + 9)?,
        IPV6 => read::<u8>(ctx, ETHERNET + 6)?,
        _ => return None,
    };
    Some(protocol == UDP)
}

#[inline(always)]
fn ipv4(ctx: &XdpContext) -> Option<Flow> {
    let header = usize::from(read::<u8>(ctx, ETHERNET)? & 0xf) * 4;
    if header < 20 {
        return None;
    }
    let [source, destination] = read::<[u32; 2]>(ctx, ETHERNET + 12)?;
    Some(Flow {
        source: [source, 0, 0, 0],
        destination: [destination, 0, 0, 0],
        ports: read(ctx, ETHERNET + header)?,
        protocol: read(ctx, ETHERNET + 9)?,
    })
}

#[inline(always)]
fn ipv6(ctx: &XdpContext) -> Option<Flow> {
    let [source, destination] = read::<[[u32; 4]; 2]>(ctx, ETHERNET + 8)?;
    Some(Flow {
        source,
        destination,
        ports: read(ctx, ETHERNET + 40)?,
        protocol: read(ctx, ETHERNET + 6)?,
    })
}

#[inline(always)]
fn read<T: Copy>(ctx: &XdpContext, at: usize) -> Option<T> {
    let from = ctx.data() + at;
    if from + size_of::<T>() > ctx.data_end() {
        return None;
    }
    // SAFETY: the bytes lie in the frame, as the verifier checks too, and numbers have no invalid values.
    Some(unsafe { (from as *const T).read_unaligned() })
}
