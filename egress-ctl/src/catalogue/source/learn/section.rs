//! Where in a page we are: headings, tabs and their short names.
//!
//! In: headings in the order of the page. Out: the path of the current section, as the page words
//! it and as selectors do.

use super::{place, port::ProsePorts, rich::Rich};

/// The headings above the current place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sections {
    open: Vec<Section>,
}

/// A heading and what its paragraphs have said so far.
#[derive(Clone, Debug)]
pub(super) struct Section {
    level: u8,
    pub(super) title: String,
    /// The name for links, which stays English where the page is translated.
    slug: String,
    /// Ports that paragraphs have named.
    pub(super) ports: ProsePorts,
    pub(super) is_tab: bool,
}

/// Tabs lie below headings of any level.
const TAB: u8 = 9;

impl Sections {
    /// A heading begins a section; one that links to `#tab/..` begins a tab of the section it is in.
    pub(super) fn enter(&mut self, level: u8, heading: &Rich) {
        let tab = heading
            .links
            .iter()
            .find_map(|link| link.url.strip_prefix("#tab/"));
        let level = if tab.is_some() { TAB } else { level };
        self.close(level);
        let title = heading.joined();
        let slug = match (tab, &heading.anchor) {
            (Some(tab), _) => slug(tab.split('/').next().unwrap_or_default()),
            (None, Some(anchor)) => slug(anchor),
            (None, None) => slug(&title),
        };
        self.open.push(Section {
            level,
            title,
            slug,
            ports: ProsePorts::default(),
            is_tab: tab.is_some(),
        });
    }

    /// Ends the sections of this level and below. What a section on ports says holds for those
    /// beside it.
    fn close(&mut self, level: u8) {
        while let Some(last) = self.open.pop_if(|last| last.level >= level) {
            let about_ports = last.slug.split('-').any(|word| word.starts_with("port"));
            if let Some(around) = self.open.last_mut().filter(|_| about_ports) {
                around.ports = last.ports;
            }
        }
    }

    /// A rule ends the tabs.
    pub(super) fn end_tabs(&mut self) {
        self.open.retain(|section| !section.is_tab);
    }

    /// The current section.
    pub(super) fn current(&mut self) -> Option<&mut Section> {
        self.open.last_mut()
    }

    /// Headings from the outermost, without the title of the page.
    pub(super) fn titles(&self) -> Vec<&str> {
        let below = self.open.iter().filter(|section| section.level > 1);
        below.map(|section| section.title.as_str()).collect()
    }

    /// What the innermost heading says.
    pub(super) fn title(&self) -> &str {
        self.open.last().map_or("", |section| &section.title)
    }

    /// Ports that the section's paragraphs named, or those around it; not those of the whole page.
    pub(super) fn ports(&self) -> ProsePorts {
        let below = self.open.iter().rev().filter(|section| section.level > 1);
        let mut said = below
            .map(|section| &section.ports)
            .filter(|ports| **ports != ProsePorts::default());
        said.next().cloned().unwrap_or_default()
    }

    /// The path for selectors: a system's name begins it, clouds, regions and tabs lie below.
    pub(super) fn path(&self) -> String {
        let mut path: Vec<String> = Vec::new();
        for section in self.open.iter().filter(|section| section.level > 1) {
            if let Some(system) = system(&section.slug) {
                path = vec![system.to_owned()];
                continue;
            }
            let own = match place::cloud_of_heading(&section.slug) {
                Some(cloud) => cloud.to_owned(),
                None => short(&section.slug),
            };
            if section.is_tab || !own.is_empty() {
                path.push(own);
            }
        }
        path.join("/")
    }
}

/// Lower case, letters and digits, words joined by `-`.
pub(super) fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words: Vec<_> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

/// Systems by the words of their headings, and the names that a person would guess.
const SYSTEMS: [(&[&str], &str); 18] = [
    (&["autopilot"], "autopilot"),
    (&["remote", "help"], "remote-help"),
    (&["push", "notification"], "windows-push-notification"),
    (&["delivery", "optimization"], "delivery-optimization"),
    (&["apple"], "apple"),
    (&["aosp"], "android-aosp"),
    (&["android", "enterprise"], "android-enterprise"),
    (&["authentication"], "authentication"),
    (&["win32"], "win32-apps"),
    (&["powershell", "scripts"], "win32-apps"),
    (&["macos"], "macos"),
    (&["microsoft", "store"], "microsoft-store"),
    (&["attestation"], "attestation"),
    (&["defender"], "defender"),
    (&["privilege", "management"], "privilege-management"),
    (&["mobile", "app"], "mobile"),
    (&["desktop", "flows"], "desktop-flows"),
    (&["intune", "core"], "core"),
];

fn system(slug: &str) -> Option<&'static str> {
    let words: Vec<_> = slug.split('-').collect();
    let named = |wanted: &&(&[&str], &str)| wanted.0.iter().all(|word| words.contains(word));
    if words.first() == Some(&"required") {
        return Some("required");
    }
    SYSTEMS.iter().find(named).map(|(_, name)| *name)
}

/// A heading without the words that every heading of such pages has.
fn short(slug: &str) -> String {
    const FILLERS: [&str; 25] = [
        "access",
        "and",
        "firewall",
        "port",
        "proxy",
        "dependencies",
        "dependency",
        "domains",
        "endpoint",
        "endpoints",
        "for",
        "intune",
        "in",
        "network",
        "of",
        "ports",
        "required",
        "requirements",
        "service",
        "services",
        "the",
        "to",
        "urls",
        "use",
        "with",
    ];
    let words = slug.split('-').filter(|word| !FILLERS.contains(word));
    words.take(5).collect::<Vec<_>>().join("-")
}
