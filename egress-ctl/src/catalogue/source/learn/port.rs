//! Ports in cells and in prose.
//!
//! In: text such as `**TCP:** 80, 443`, `https`, or a sentence about `port 80/443`. Out: ports by
//! protocol, and what looks like a port but is none.

use crate::catalogue::ports::{Ports, PortsError};

/// Ports of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RowPorts {
    /// As text, `80,443`; empty where there is none.
    pub(super) tcp: String,
    pub(super) udp: String,
    /// What is wrong.
    pub(super) wrong: Vec<String>,
}

impl RowPorts {
    pub(super) fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }

    fn add(&mut self, to: Protocols, item: &str) {
        match item.parse::<Ports>() {
            Ok(_) => {
                for (wanted, list) in [(to.tcp, &mut self.tcp), (to.udp, &mut self.udp)] {
                    if wanted {
                        let comma = if list.is_empty() { "" } else { "," };
                        list.push_str(comma);
                        list.push_str(item);
                    }
                }
            }
            Err(fault) => self.wrong.push(PortsError::to_string(&fault)),
        }
    }

    /// Sorted, each port once.
    fn tidied(mut self) -> Self {
        for list in [&mut self.tcp, &mut self.udp] {
            if let Ok(ports) = list.parse::<Ports>() {
                *list = ports.to_string();
            }
        }
        self
    }
}

/// For which protocols a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Protocols {
    tcp: bool,
    udp: bool,
}

const TCP: Protocols = Protocols {
    tcp: true,
    udp: false,
};
const UDP: Protocols = Protocols {
    tcp: false,
    udp: true,
};

fn protocol(word: &str) -> Option<Protocols> {
    if word.eq_ignore_ascii_case("tcp") {
        return Some(TCP);
    }
    let is_udp = ["udp", "teredo", "quic"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known));
    is_udp.then_some(UDP)
}

/// The port that a scheme stands for.
fn scheme(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some("443"),
        "http" | "ws" => Some("80"),
        _ => None,
    }
}

/// Words and numbers, and ranges as one word.
fn words(text: &str) -> Vec<&str> {
    let dash = |c: char| "-–".contains(c);
    text.split(|c: char| !c.is_alphanumeric() && !dash(c))
        .map(|word| word.trim_matches(dash))
        .filter(|word| !word.is_empty())
        .collect()
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "-–".contains(c))
}

/// The ports of a cell, or of the cells of protocols and ports together.
pub(super) fn cell_ports(lines: &[String]) -> RowPorts {
    let mut ports = RowPorts::default();
    let mut schemes = Vec::new();
    for line in lines {
        let line = line.replace(" - ", "-").replace(" – ", "-");
        let mut to = TCP;
        let mut fresh = true;
        for (i, word) in words(&line).iter().enumerate() {
            if let Some(named) = protocol(word) {
                // `TCP & UDP 443` names both before the number; `TCP 80 UDP 53` one after another.
                to = if fresh && i > 0 {
                    both(to, named)
                } else {
                    named
                };
                fresh = true;
            } else if is_number(word) {
                let after = words(&line).get(i + 1).and_then(|next| protocol(next));
                let slash = after.filter(|_| line.contains(&format!("{word}/")));
                ports.add(slash.unwrap_or(to), &word.replace('–', "-"));
                fresh = false;
            } else if let Some(port) = scheme(word) {
                schemes.push(port);
                fresh = false;
            }
        }
    }
    if ports.is_empty() && ports.wrong.is_empty() {
        for port in schemes {
            ports.add(TCP, port);
        }
    }
    ports.tidied()
}

fn both(a: Protocols, b: Protocols) -> Protocols {
    Protocols {
        tcp: a.tcp || b.tcp,
        udp: a.udp || b.udp,
    }
}

/// Ports that a paragraph names: those that are needed, and those that are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ProsePorts {
    pub(super) needed: RowPorts,
    pub(super) optional: RowPorts,
}

/// Reads sentences; a number counts behind `port` or a protocol, or before `for TCP`, `/tcp`.
pub(super) fn prose_ports(text: &str) -> ProsePorts {
    let mut found = ProsePorts::default();
    for sentence in text.split(['.', ';']).flat_map(|s| s.split('。')) {
        let optional = words(sentence).iter().any(|word| {
            let word = word.to_lowercase();
            word.starts_with("option") || word == "peer"
        });
        let into = if optional {
            &mut found.optional
        } else {
            &mut found.needed
        };
        sentence_ports(sentence, into);
    }
    ProsePorts {
        needed: found.needed.tidied(),
        optional: found.optional.tidied(),
    }
}

fn sentence_ports(sentence: &str, into: &mut RowPorts) {
    let words = words(sentence);
    let mut to = TCP;
    let mut armed = false;
    for (i, word) in words.iter().enumerate() {
        if let Some(named) = protocol(word) {
            to = named;
            armed = true;
        } else if is_port_word(word) || scheme(word).is_some() {
            armed = true;
        } else if is_number(word) {
            let ahead = words.iter().skip(i + 1).take(2);
            let named = ahead
                .clone()
                .take_while(|w| !is_number(w))
                .find_map(|w| protocol(w));
            let follows = named.is_some() || ahead.take(1).any(|w| is_port_word(w));
            let through_nat = words.iter().skip(i + 1).take(2).any(|w| is_nat(w));
            if (armed || follows) && word.parse::<Ports>().is_ok() {
                let said = if armed { to } else { named.unwrap_or(TCP) };
                into.add(if through_nat { UDP } else { said }, word);
            }
        } else if !is_joint(word) {
            armed = false;
        }
    }
}

/// `port` in languages of Learn.
fn is_port_word(word: &str) -> bool {
    const WORDS: [&str; 12] = [
        "port",
        "ports",
        "porta",
        "portas",
        "porte",
        "porten",
        "porty",
        "poort",
        "poorten",
        "puerto",
        "puertos",
        "anschluss",
    ];
    let word = word.to_lowercase();
    let stem = |stem: &&str| word.starts_with(stem);
    WORDS.contains(&word.as_str()) || ["порт", "端口", "ポート", "포트"].iter().any(stem)
}

/// Teredo passes NAT over UDP: `3544 for NAT traversal`.
fn is_nat(word: &str) -> bool {
    word.to_lowercase().starts_with("nat-") || word.eq_ignore_ascii_case("nat")
}

/// Words that may stand between a port and the word that announces it.
fn is_joint(word: &str) -> bool {
    [
        "and", "or", "und", "oder", "et", "ou", "y", "o", "e", "i", "ip",
    ]
    .contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests;
