//! What the columns of a table hold.
//!
//! In: the cells of a head, in any order and in several languages, and the rows below. Out: a
//! [`Column`] each. A head that is not known is told by what stands below it.

use super::{address::addresses, block::Table, place::is_scale_unit, rich::Rich};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Description,
    Category,
    Required,
    ExpressRoute,
    Addresses,
    Ports,
    Protocols,
    Notes,
    ScaleUnits,
    Storage,
    Region,
    Cloud,
    Unknown,
}

/// Beginnings of words by which heads are known; the first line that fits decides.
const HEADS: [(Column, &[&str]); 12] = [
    (Column::ScaleUnits, &["asu", "scale", "skalierung"]),
    (
        Column::Storage,
        &[
            "storage",
            "speicher",
            "stockage",
            "almacen",
            "archivi",
            "ストレージ",
            "存储",
        ],
    ),
    (Column::ExpressRoute, &["er", "expressroute"]),
    (
        Column::Category,
        &[
            "categor",
            "kategor",
            "catégor",
            "カテゴリ",
            "类别",
            "分類",
            "범주",
            "катег",
        ],
    ),
    (
        Column::Protocols,
        &[
            "protoc",
            "protok",
            "プロトコル",
            "协议",
            "通訊協定",
            "프로토콜",
            "проток",
        ],
    ),
    (
        Column::Ports,
        &[
            "port",
            "puerto",
            "poort",
            "anschl",
            "anschlüsse",
            "ポート",
            "端口",
            "連接埠",
            "포트",
            "порт",
        ],
    ),
    (
        Column::Addresses,
        &[
            "address",
            "adress",
            "adresse",
            "direcc",
            "endere",
            "indirizz",
            "adres",
            "domain",
            "domän",
            "domäne",
            "domein",
            "dominio",
            "domínio",
            "domén",
            "url",
            "fqdn",
            "endpoint",
            "endpunkt",
            "host",
            "cdn",
            "ip",
            "destination",
            "アドレス",
            "ドメイン",
            "エンドポイント",
            "地址",
            "位址",
            "域",
            "주소",
            "도메인",
            "адрес",
            "домен",
            "конечн",
        ],
    ),
    (
        Column::Notes,
        &[
            "note", "hinweis", "anmerk", "remark", "comment", "notas", "remarque", "メモ", "备注",
        ],
    ),
    (Column::Cloud, &["cloud", "environment"]),
    (
        Column::Region,
        &[
            "region", "région", "location", "geograph", "standort", "地域", "区域",
        ],
    ),
    (
        Column::Required,
        &["required", "erforderlich", "requis", "obligator"],
    ),
    (
        Column::Description,
        &[
            "desc", "besch", "use", "purpose", "verwend", "zweck", "utilis", "service", "name",
            "feature", "beskr", "説明", "描述", "说明", "설명", "опис", "opis", "leírás",
        ],
    ),
];

/// The columns of a table; none of them is [`Column::Addresses`] where it lists no endpoints.
pub(super) fn columns(table: &Table) -> Vec<Column> {
    let (head, rows) = table
        .rows
        .split_first()
        .map_or((None, &[][..]), |(h, r)| (Some(h), r));
    let cells = head.map(|head| head.cells.as_slice()).unwrap_or_default();
    let mut columns: Vec<Column> = cells.iter().map(by_head).collect();
    // `Endpoint` and `Service` may head addresses too; where nothing else does, cells decide.
    let unheaded = !columns.contains(&Column::Addresses);
    for (i, column) in columns.iter_mut().enumerate() {
        let cells = || rows.iter().take(SAMPLE).filter_map(|row| row.cells.get(i));
        match column {
            Column::Unknown => *column = by_cells(cells()),
            Column::Description if unheaded && cells().any(is_only_addresses) => {
                *column = Column::Addresses;
            }
            _ => {}
        }
    }
    columns
}

/// How many rows tell what a column holds.
const SAMPLE: usize = 50;

fn by_head(cell: &Rich) -> Column {
    let head = cell.joined().to_lowercase();
    let words: Vec<_> = head.split(|c: char| !c.is_alphanumeric()).collect();
    if ["id", "nr", "no"].contains(&head.trim()) {
        return Column::Id;
    }
    let known = |stems: &[&str]| {
        stems.iter().any(|stem| {
            let short = stem.len() <= 3 && stem.is_ascii();
            let fits = |word: &&str| {
                if short {
                    is_word(word, stem)
                } else {
                    word.starts_with(stem)
                }
            };
            words.iter().any(fits)
        })
    };
    let found = HEADS.iter().find(|(_, stems)| known(stems));
    found.map_or(Column::Unknown, |(column, _)| *column)
}

/// Short stems are whole words, or these in the plural.
fn is_word(word: &str, stem: &str) -> bool {
    word.strip_prefix(stem)
        .is_some_and(|rest| ["", "s", "es"].contains(&rest))
}

fn by_cells<'a>(cells: impl Iterator<Item = &'a Rich>) -> Column {
    for cell in cells.filter(|cell| !cell.is_empty()) {
        let found = addresses(&cell.lines);
        // A sentence that names a host is no address.
        if found.names.len() + found.prefixes.len() > found.labels.len() {
            return Column::Addresses;
        }
        if found.labels.iter().all(|word| is_scale_unit(word)) {
            return Column::ScaleUnits;
        }
        if found.labels.iter().all(|word| is_scheme(word)) {
            return Column::Protocols;
        }
        if is_ports(&found.labels) {
            return Column::Ports;
        }
    }
    Column::Unknown
}

fn is_only_addresses(cell: &Rich) -> bool {
    let found = addresses(&cell.lines);
    found.labels.is_empty() && !found.names.is_empty()
}

fn is_scheme(word: &str) -> bool {
    ["http", "https", "tcp", "udp"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

/// `TCP: 80` and the like; bare numbers may count anything.
fn is_ports(words: &[String]) -> bool {
    let plain = |word: &String| word.trim_end_matches(':').to_owned();
    let is_number = |word: &str| word.parse::<u16>().is_ok();
    let words: Vec<_> = words.iter().map(plain).collect();
    words.iter().any(|word| is_scheme(word)) && words.iter().all(|w| is_scheme(w) || is_number(w))
}

#[cfg(test)]
mod tests;
