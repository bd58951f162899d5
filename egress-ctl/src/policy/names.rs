//! Names, as the kernel looks them up.
//!
//! In: what each pattern says. Out: the ruleset of each pattern and of each meeting of patterns, and the
//! keys of two tries. A name's longest key in the first one, by its end, knows the narrowest pattern
//! without a head; and where patterns with a head end so too, which list of heads to ask. The name's
//! longest key in that list, by its beginning, then knows all patterns with a head that match: two heads of
//! one name are beginnings of each other. Only how long the name must be differs between them.

use std::collections::{BTreeMap, BTreeSet};

use egress_common::{
    heads::{HEAD_MAX, Headed, LISTS_MAX, Listed},
    limits,
    name::NAME_MAX,
    pattern::{NameKey, NamePattern},
    rule::Rule,
};

use super::{
    compile::{CompileError, Rulesets},
    generation::{Meeting, Pattern, Teacher},
    ids::Ids,
    meet,
};

/// Keys of the kernel's tries of names and of heads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// What is listed at the end of a name.
    pub listed: Vec<(NameKey, Listed)>,
    /// What is listed at its beginning, by list.
    pub heads: BTreeMap<(u32, String), Headed>,
}

/// Patterns, their meetings, and how the kernel finds them.
pub(super) struct Compiled {
    pub patterns: Vec<Pattern>,
    pub meetings: Vec<Meeting>,
    pub names: Names,
}

/// What each pattern says by itself.
pub(super) type Rules = BTreeMap<NamePattern, Vec<Rule>>;

/// Compiles patterns. Ids that are new are given in `ids`.
pub(super) fn compiled(
    rules: &Rules,
    rulesets: &mut Rulesets,
    ids: &mut Ids,
) -> Result<Compiled, CompileError> {
    // In the order of their texts, however they nest.
    for pattern in rules.keys() {
        ids.pattern(&pattern.to_string())?;
    }
    let mut compiler = Compiler {
        rules,
        rulesets,
        ids,
        teachers: BTreeMap::new(),
        lists: 0,
        names: Names::default(),
    };
    let mut path: Vec<End<'_>> = Vec::new();
    for (key, here) in ends(rules) {
        let covers = |wide: &End<'_>| key.prefix().starts_with(wide.key.prefix());
        while path.pop_if(|wide| !covers(wide)).is_some() {}
        let end = End::below(path.last(), key, &here);
        compiler.add(&end, &here)?;
        path.push(end);
    }
    compiler.remember();
    let Compiler {
        teachers, names, ..
    } = compiler;
    let (patterns, meetings) = patterns_and_meetings(teachers, rules);
    Ok(Compiled {
        patterns,
        meetings,
        names,
    })
}

/// Ids and rulesets, first those of the patterns themselves.
fn patterns_and_meetings(
    mut teachers: BTreeMap<String, Teacher>,
    rules: &Rules,
) -> (Vec<Pattern>, Vec<Meeting>) {
    let of = |pattern: &NamePattern| {
        let Teacher { id, ruleset } = teachers.remove(&pattern.to_string())?;
        Some(Pattern {
            pattern: pattern.clone(),
            id,
            ruleset,
        })
    };
    let patterns = rules.keys().filter_map(of).collect();
    let meetings = teachers.into_iter();
    let meetings = meetings.map(|(text, Teacher { id, ruleset })| Meeting { text, id, ruleset });
    (patterns, meetings.collect())
}

/// The patterns that end in a key.
#[derive(Default)]
struct Here<'a> {
    plain: Option<&'a NamePattern>,
    headed: Vec<&'a NamePattern>,
}

/// All keys, in an order in which each stands before those that it covers.
fn ends(rules: &Rules) -> BTreeMap<NameKey, Here<'_>> {
    let mut ends: BTreeMap<NameKey, Here<'_>> = BTreeMap::new();
    for pattern in rules.keys() {
        if let Some(key) = pattern.key() {
            ends.entry(key).or_default().plain = Some(pattern);
        } else if let Some(key) = pattern.tail_key() {
            ends.entry(key).or_default().headed.push(pattern);
        }
    }
    ends
}

/// What may match names of which a key is the longest that they end in.
struct End<'a> {
    key: NameKey,
    /// Patterns without a head, the narrowest last.
    plain: Vec<&'a NamePattern>,
    /// Patterns by their head.
    headed: BTreeMap<&'a str, Vec<&'a NamePattern>>,
}

impl<'a> End<'a> {
    fn below(wide: Option<&Self>, key: NameKey, here: &Here<'a>) -> Self {
        let mut plain = wide.map(|wide| wide.plain.clone()).unwrap_or_default();
        let mut headed = wide.map(|wide| wide.headed.clone()).unwrap_or_default();
        plain.extend(here.plain);
        for (pattern, (head, _)) in here.headed.iter().filter_map(|p| Some((*p, halves(p)?))) {
            headed.entry(head).or_default().push(pattern);
        }
        Self { key, plain, headed }
    }

    /// Patterns whose head a name that begins with `beginning` has too.
    fn beginning(&self, beginning: &str) -> Vec<&'a NamePattern> {
        let heads = (1..=beginning.len()).filter_map(|bytes| beginning.get(..bytes));
        let heads = heads.filter_map(|head| self.headed.get(head));
        heads.flatten().copied().collect()
    }

    /// Bytes of the shortest name that begins with a head and ends here: the two may overlap.
    fn shortest(&self, head: &str) -> usize {
        let tail: Vec<u8> = self.key.prefix().iter().rev().copied().collect();
        let overlap = (0..=head.len().min(tail.len())).rev().find(|bytes| {
            let begin = tail.get(..*bytes);
            begin.is_some_and(|begin| head.as_bytes().ends_with(begin))
        });
        head.len() + tail.len() - overlap.unwrap_or(0)
    }

    /// What a head says: for names of so many bytes at least, these patterns match; longer names first.
    fn by_length(&self, head: &str) -> Vec<(usize, Vec<&'a NamePattern>)> {
        let least =
            |pattern: &NamePattern| halves(pattern).map_or(0, |(h, t)| h.len() + t.len() + 1);
        let matching = self.beginning(head);
        let lengths: BTreeSet<usize> = matching.iter().map(|pattern| least(pattern)).collect();
        let shortest = self.shortest(head);
        let mut all = Vec::new();
        for length in lengths.into_iter().rev() {
            let these = matching.iter().filter(|pattern| least(pattern) <= length);
            all.push((length, these.copied().collect()));
            if length <= shortest {
                break;
            }
        }
        all
    }
}

struct Compiler<'a> {
    rules: &'a Rules,
    rulesets: &'a mut Rulesets,
    ids: &'a mut Ids,
    /// Patterns and meetings so far, by text.
    teachers: BTreeMap<String, Teacher>,
    /// How many lists of heads there are.
    lists: u32,
    names: Names,
}

impl<'a> Compiler<'a> {
    /// Adds what is to be known of the names that end in a key.
    fn add(&mut self, end: &End<'a>, here: &Here<'a>) -> Result<(), CompileError> {
        for pattern in &here.headed {
            let mut covering = halves(pattern).map_or(Vec::new(), |(head, _)| end.beginning(head));
            covering.retain(|wide| wide.covers(pattern));
            self.teacher(&end.plain, &covering)?;
        }
        let listed = match here.plain {
            // One name: what matches it is known.
            Some(exact @ NamePattern::Exact(name)) => {
                let mut matching = end.beginning(name);
                matching.retain(|pattern| pattern.covers(exact));
                let pattern = self.teacher(&end.plain, &matching)?.id;
                Listed {
                    pattern,
                    ..Listed::default()
                }
            }
            _ => Listed {
                pattern: match end.plain.is_empty() {
                    true => 0,
                    false => self.teacher(&end.plain, &[])?.id,
                },
                heads: self.list(end)?,
                longest: end.headed.keys().map(|head| head.len()).max().unwrap_or(0) as u8,
            },
        };
        self.names.listed.push((end.key, listed));
        Ok(())
    }

    /// Adds the list of heads of names that end in a key; 0 where they have none. Names that are too short
    /// for what a head says there are looked up in the lists behind.
    fn list(&mut self, end: &End<'a>) -> Result<u32, CompileError> {
        if end.headed.is_empty() {
            return Ok(0);
        }
        let first = self.lists + 1;
        for head in end.headed.keys() {
            let by_length = end.by_length(head);
            let behind = (first + 1..)
                .take(by_length.len().saturating_sub(1))
                .chain([0]);
            for ((list, shorter), (least, matching)) in (first..).zip(behind).zip(&by_length) {
                let headed = Headed {
                    pattern: self.teacher(&end.plain, matching)?.id,
                    least: *least as u8,
                    shorter,
                };
                self.names.heads.insert((list, (*head).to_owned()), headed);
                self.lists = self.lists.max(list);
            }
            let is_full = self.names.heads.len() > limits::HEADS as usize;
            if is_full || by_length.len() > LISTS_MAX {
                return Err(CompileError::Heads((*head).to_owned()));
            }
        }
        Ok(first)
    }

    /// Adds meetings that taught addresses in earlier generations and do not occur any more: those of their
    /// patterns that are left allow on.
    fn remember(&mut self) {
        let known: Vec<_> = self.ids.meetings().collect();
        for (text, id) in known {
            let mut left = meet::patterns(&text);
            left.retain(|pattern| self.rules.contains_key(pattern));
            if left.is_empty() || self.teachers.contains_key(&text) {
                continue;
            }
            let covers = |wide: &NamePattern| left.iter().any(|narrow| wide.covers(narrow));
            let covering = self.rules.iter().filter(|(wide, _)| covers(wide));
            let rules = covering.flat_map(|(_, rules)| rules).copied().collect();
            // Where there is no room, the next answer teaches such addresses again.
            if let Ok(ruleset) = self.rulesets.index(&text, rules) {
                self.teachers.insert(text, Teacher { id, ruleset });
            }
        }
    }

    /// Id and ruleset of names that patterns match: nested ones without a head, and others.
    fn teacher(
        &mut self,
        plain: &[&'a NamePattern],
        headed: &[&'a NamePattern],
    ) -> Result<Teacher, CompileError> {
        let narrowest = plain.last().into_iter().chain(headed).copied();
        let text = meet::text(&meet::narrowest(narrowest));
        if let Some(known) = self.teachers.get(&text) {
            return Ok(*known);
        }
        let said = |pattern: &&NamePattern| self.rules.get(*pattern);
        let rules = plain.iter().chain(headed).filter_map(said).flatten();
        let teacher = Teacher {
            id: self.ids.pattern(&text)?,
            ruleset: self.rulesets.index(&text, rules.copied().collect())?,
        };
        self.teachers.insert(text, teacher);
        Ok(teacher)
    }
}

/// What stands before the star and what behind it.
fn halves(pattern: &NamePattern) -> Option<(&str, &str)> {
    match pattern {
        NamePattern::HeadTail { head, tail } => Some((head, tail)),
        NamePattern::Exact(_) | NamePattern::Tail(_) => None,
    }
}

const _: () = assert!(
    HEAD_MAX >= NAME_MAX - 1,
    "a pattern is no longer than a name"
);

#[cfg(test)]
mod tests;
