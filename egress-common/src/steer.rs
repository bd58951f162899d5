//! Steering: how packets of an endpoint set leave, for a client group.
//!
//! In: what the policy says of a set and a group. Out: a [`Steering`], which the program that judges
//! leaves beside the packet as a [`Note`], and the program behind it writes into the packet.

/// What a packet is given on its way: bits of its mark, a priority, a DSCP.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Steering {
    /// Bits for the packet's mark.
    pub mark: u32,
    /// Which bits of the mark are written; 0 where it stays as it is.
    pub mask: u32,
    /// The packet's priority, where [`PRIORITY`] is among `what`.
    pub priority: u32,
    /// [`PRIORITY`] and [`DSCP`], and the DSCP in the lowest six bits.
    pub what: u32,
}

const _: () = assert!(size_of::<Steering>() == 16);

/// The priority is written.
pub const PRIORITY: u32 = 1 << 8;
/// The DSCP is written.
pub const DSCP: u32 = 1 << 9;
/// Bits of a DSCP (RFC 2474 section 3).
pub const DSCP_MAX: u8 = 63;

impl Steering {
    /// Changes nothing.
    pub const NONE: Self = Self {
        mark: 0,
        mask: 0,
        priority: 0,
        what: 0,
    };

    /// Of its parts; what is not there stays as it is.
    pub const fn new(mark: Option<(u32, u32)>, priority: Option<u32>, dscp: Option<u8>) -> Self {
        let mut steering = Self::NONE;
        if let Some((mark, mask)) = mark {
            steering.mark = mark & mask;
            steering.mask = mask;
        }
        if let Some(priority) = priority {
            steering.priority = priority;
            steering.what |= PRIORITY;
        }
        if let Some(dscp) = dscp {
            steering.what |= DSCP | (dscp & DSCP_MAX) as u32;
        }
        steering
    }

    /// The mark of a packet that had `old`.
    #[inline(always)]
    pub const fn mark_of(&self, old: u32) -> u32 {
        old & !self.mask | self.mark
    }

    /// The priority, where it is written.
    #[inline(always)]
    pub const fn priority(&self) -> Option<u32> {
        if self.what & PRIORITY == 0 {
            return None;
        }
        Some(self.priority)
    }

    /// The DSCP, where it is written.
    #[inline(always)]
    pub const fn dscp(&self) -> Option<u8> {
        if self.what & DSCP == 0 {
            return None;
        }
        Some(self.what as u8 & DSCP_MAX)
    }
}

/// A traffic class (of IPv4 the type of service) with another DSCP; the two bits of ECN stay (RFC 3168).
#[inline(always)]
pub const fn with_dscp(class: u8, dscp: u8) -> u8 {
    const ECN: u8 = 0b11;
    dscp << 2 | class & ECN
}

/// A steering as the metadata in front of a packet holds it: behind a number in the upper half of
/// `what` that says that it is ours.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note(Steering);

/// Bytes of a note; a multiple of 4, as `bpf_xdp_adjust_meta` wants it (net/core/filter.c).
pub const NOTE_BYTES: usize = size_of::<Note>();

/// "eg", in the upper half of a word.
const OURS: u32 = 0x6567 << 16;

impl Note {
    /// The note of a steering.
    #[inline(always)]
    pub const fn of(steering: Steering) -> Self {
        Self(Steering {
            what: steering.what & 0xffff | OURS,
            ..steering
        })
    }

    /// The steering; none where the metadata is somebody else's.
    #[inline(always)]
    pub const fn steering(self) -> Option<Steering> {
        if self.0.what & 0xffff_0000 != OURS {
            return None;
        }
        Some(Steering {
            what: self.0.what & 0xffff,
            ..self.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_is_written() {
        let nothing = Steering::NONE;
        assert_eq!(nothing.mark_of(0xabcd), 0xabcd);
        assert_eq!((nothing.priority(), nothing.dscp()), (None, None));
        let all = Steering::new(Some((0x10, 0xf0)), Some(3), Some(34));
        assert_eq!(all.mark_of(0xabcd), 0xab1d);
        assert_eq!((all.priority(), all.dscp()), (Some(3), Some(34)));
        let zeros = Steering::new(Some((0, u32::MAX)), Some(0), Some(0));
        assert_eq!(zeros.mark_of(0xabcd), 0);
        assert_eq!((zeros.priority(), zeros.dscp()), (Some(0), Some(0)));
    }

    #[test]
    fn congestion_notification_stays() {
        for (class, dscp, expected) in
            [(0, 34, 0x88), (3, 46, 0xbb), (0xff, 0, 3), (0xb9, 63, 0xfd)]
        {
            assert_eq!(with_dscp(class, dscp), expected, "{class:#x}");
        }
    }

    #[test]
    fn notes_come_back_and_those_of_others_do_not() {
        for steering in [
            Steering::NONE,
            Steering::new(Some((1, 1)), None, None),
            Steering::new(Some((u32::MAX, u32::MAX)), Some(u32::MAX), Some(63)),
        ] {
            assert_eq!(Note::of(steering).steering(), Some(steering));
        }
        let foreign = [0, 1 << 9, u32::MAX].map(|what| Steering {
            what,
            ..Steering::NONE
        });
        for steering in foreign {
            assert_eq!(Note(steering).steering(), None);
        }
    }
}
