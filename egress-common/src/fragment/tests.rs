use super::*;
use Reason::{Fragment, FragmentOverlap, FragmentUnknown, Malformed, Prefix, WrongPort};

/// Fragments of one datagram in the order in which they come: first and last unit, whether more follow,
/// and what becomes of each.
type Table = [(&'static str, &'static [(u16, u16, bool, Reason)])];

const TABLE: &Table = &[
    (
        "in order",
        &[
            (0, 3, true, Prefix),
            (3, 6, true, Fragment),
            (6, 9, true, Fragment),
            (9, 10, false, Fragment),
        ],
    ),
    (
        "the last one overtakes",
        &[
            (0, 3, true, Prefix),
            (6, 7, false, Fragment),
            (3, 6, true, Fragment),
        ],
    ),
    (
        "backwards behind the first",
        &[
            (0, 3, true, Prefix),
            (9, 10, false, Fragment),
            (6, 9, true, Fragment),
            (3, 6, true, Fragment),
        ],
    ),
    (
        "a second gap",
        &[
            (0, 1, true, Prefix),
            (2, 3, true, Fragment),
            (4, 5, true, FragmentUnknown),
            (1, 2, true, Fragment),
            (3, 4, true, Fragment),
        ],
    ),
    (
        "before the first",
        &[(3, 6, false, FragmentUnknown), (0, 3, true, Prefix)],
    ),
    (
        "over the first one's end",
        &[
            (0, 3, true, Prefix),
            (2, 6, true, FragmentOverlap),
            (3, 6, false, FragmentOverlap),
        ],
    ),
    (
        "over a stretch behind the gap",
        &[
            (0, 3, true, Prefix),
            (6, 9, true, Fragment),
            (5, 7, true, FragmentOverlap),
            (3, 6, true, FragmentOverlap),
        ],
    ),
    (
        "inside a stretch",
        &[
            (0, 3, true, Prefix),
            (6, 12, true, Fragment),
            (8, 9, true, FragmentOverlap),
        ],
    ),
    (
        "around a stretch",
        &[
            (0, 3, true, Prefix),
            (6, 8, true, Fragment),
            (5, 9, true, FragmentOverlap),
        ],
    ),
    (
        "the same once more",
        &[
            (0, 3, true, Prefix),
            (3, 6, true, Fragment),
            (3, 6, true, FragmentOverlap),
        ],
    ),
    (
        "the first once more",
        &[
            (0, 3, true, Prefix),
            (0, 3, true, FragmentOverlap),
            (3, 6, false, FragmentOverlap),
        ],
    ),
    (
        "behind the end",
        &[
            (0, 3, true, Prefix),
            (6, 7, false, Fragment),
            (7, 8, true, FragmentOverlap),
        ],
    ),
    (
        "two ends",
        &[
            (0, 3, true, Prefix),
            (6, 7, false, Fragment),
            (3, 4, false, FragmentOverlap),
        ],
    ),
    (
        "an end before what was seen",
        &[
            (0, 3, true, Prefix),
            (6, 9, true, Fragment),
            (3, 4, false, FragmentOverlap),
        ],
    ),
    (
        "the next datagram of that number",
        &[
            (0, 3, true, Prefix),
            (3, 4, false, Fragment),
            (3, 4, false, FragmentUnknown),
            (0, 2, true, Prefix),
            (2, 4, false, Fragment),
        ],
    ),
];

fn piece(start: u16, end: u16, more: bool) -> Piece {
    Piece::new(start, usize::from(end - start) * UNIT, more, 7).unwrap()
}

fn alone(piece: &Piece, reason: Reason) -> Verdict {
    match piece.is_later() {
        true => Verdict::because(FragmentUnknown).of_group(3),
        false => Verdict::by(reason, 9).of_group(3),
    }
}

#[test]
fn later_fragments_follow_the_first() {
    for (what, fragments) in TABLE {
        let mut seen = None;
        for (start, end, more, expected) in *fragments {
            let piece = piece(*start, *end, *more);
            let (verdict, note) = follow(seen, &piece, alone(&piece, Prefix), 1000);
            assert_eq!(verdict.reason, *expected, "{what}: {start}..{end}");
            assert_eq!(verdict.group, 3, "{what}");
            if verdict.reason == Fragment {
                assert_eq!(verdict.set, 9, "{what}");
            }
            seen = match (note, seen) {
                (Note::Nothing, seen) => seen,
                (Note::Begin(begun), _) => Some(begun),
                (Note::Extent(extent), seen) => seen.map(|seen| Seen { extent, ..seen }),
            };
        }
    }
}

#[test]
fn what_may_not_begin_is_not_followed() {
    let first = piece(0, 3, true);
    let denied = follow(None, &first, alone(&first, WrongPort), 1000);
    assert_eq!(denied, (alone(&first, WrongPort), Note::Nothing));
    let (_, Note::Begin(seen)) = follow(None, &first, alone(&first, Prefix), 1000) else {
        panic!("not noted");
    };
    let denied = follow(Some(seen), &first, alone(&first, WrongPort), 1000);
    assert_eq!(denied, (alone(&first, WrongPort), Note::Nothing));
}

#[test]
fn only_the_same_group_and_chain_follow_and_not_for_ever() {
    let (first, later) = (piece(0, 3, true), piece(3, 6, true));
    let (_, Note::Begin(seen)) = follow(None, &first, alone(&first, Prefix), 1000) else {
        panic!("not noted");
    };
    let judged = |seen, piece: &Piece, alone, now_ms| follow(Some(seen), piece, alone, now_ms).0;
    let unknown = alone(&later, Prefix);
    assert_eq!(judged(seen, &later, unknown, 1000 + LIFE_MS), unknown);
    let other_group = unknown.of_group(4);
    assert_eq!(judged(seen, &later, other_group, 1000), other_group);
    let other_chain = Piece { chain: 1, ..later };
    let verdict = judged(seen, &other_chain, unknown, 1000);
    assert_eq!(verdict.reason, FragmentOverlap);
    assert_eq!(judged(seen, &later, unknown, 1000).reason, Fragment);
}

#[test]
fn pieces_that_cannot_be_are_malformed() {
    assert_eq!(Piece::new(1, 0, false, 0), Err(Malformed));
    assert_eq!(Piece::new(0, 20, true, 0), Err(Malformed));
    assert_eq!(Piece::new(8191, 8, true, 0), Err(Malformed));
    let last = Piece::new(8191, 7, false, 0).unwrap();
    assert_eq!((last.start, last.end, last.more), (8191, 8192, 0));
    let extent = Extent {
        head: 8192,
        from: 8191,
        to: 8192,
        total: 8192,
    };
    assert_eq!(Extent::from_word(extent.to_word()), extent);
    assert_ne!(extent.to_word(), POISONED);
}

#[test]
fn chains_of_other_headers_are_other_words() {
    let destination = Piece::link(0, 60, 0, 44);
    let longer = Piece::link(0, 60, 1, 44);
    let twice = Piece::link(Piece::link(0, 60, 0, 60), 60, 0, 44);
    assert!(destination != longer && destination != twice && destination != 0);
}
