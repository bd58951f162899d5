//! Heads and cells of columns.

use super::{super::block::Row, *};

fn table(rows: &[&[&str]]) -> Table {
    let cell = |text: &&str| {
        let mut rich = Rich::default();
        rich.text(text, false);
        rich
    };
    let row = |cells: &&[&str]| Row {
        line: 1,
        cells: cells.iter().map(cell).collect(),
    };
    Table {
        rows: rows.iter().map(row).collect(),
    }
}

#[test]
fn heads_are_known_in_any_order_and_language() {
    use Column::*;
    let table_of_heads: [(&[&str], &[Column]); 7] = [
        (
            &[
                "ID",
                "Desc",
                "Category",
                "ER",
                "Addresses",
                "Ports",
                "Notes",
            ],
            &[
                Id,
                Description,
                Category,
                ExpressRoute,
                Addresses,
                Ports,
                Notes,
            ],
        ),
        (&["Ports", "Addresses", "ID"], &[Ports, Addresses, Id]),
        (
            &["Domains", "Protocols", "Uses"],
            &[Addresses, Protocols, Description],
        ),
        (
            &["Azure Scale Unit (ASU)", "Storage name", "CDN", "Port"],
            &[ScaleUnits, Storage, Addresses, Ports],
        ),
        (&["Domänen", "IP-Adresse"], &[Addresses, Addresses]),
        (
            &["ID", "Beschreibung", "Kategorie", "Adressen"],
            &[Id, Description, Category, Addresses],
        ),
        (
            &["Description", "Version", "Domain name"],
            &[Description, Unknown, Addresses],
        ),
    ];
    for (heads, expected) in table_of_heads {
        assert_eq!(columns(&table(&[heads])), expected, "{heads:?}");
    }
}

#[test]
fn unknown_heads_are_told_by_their_cells() {
    use Column::*;
    let found = columns(&table(&[
        &["α", "β", "γ", "δ"],
        &["", "a.b.example", "TCP: 443", "AMSUA0101 AMSUA0102"],
    ]));
    assert_eq!(found, [Unknown, Addresses, Ports, ScaleUnits]);
    let found = columns(&table(&[
        &["Domains", "Uses", "β"],
        &["a.b.example", "node.js", "see a.b.example for more"],
    ]));
    assert_eq!(found, [Addresses, Description, Unknown]);
}
