//! `egress-ctl replay`: a capture through the real programs, to try a policy on yesterday's traffic.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{BufReader, IsTerminal as _},
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    force,
    narrow::Narrow,
    output::{moves, print, print_json, room},
};
use crate::{
    config::{Config, ConfigError},
    daemon::{self, Places},
    explain::words::printable,
    feed::standing::Feeds,
    filter::{Filter, FilterError, Known},
    replay::{
        capture::Capture,
        meant::Meant,
        sender::{Senders, Way},
        stage::{Outcome, Stage, alone},
        tally::{Changes, Destination, Sum, Tally},
    },
    schema::Kind,
    sheet::sheet,
};

/// Judge the packets of a capture by a policy; nothing that enforces is touched.
#[derive(Args)]
pub struct Replay {
    /// A capture of the LAN side, pcap or pcapng: Ethernet, raw IP or Linux cooked.
    file: PathBuf,
    #[command(flatten)]
    narrow: Narrow,
    /// Judge by this config rather than by the one in force.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take a source of the config from a file, such as a newer answer of the web service.
    #[arg(long, value_name = "SOURCE=FILE", value_parser = replacement)]
    catalogue: Vec<(String, PathBuf)>,
    /// Tell as well what would change: against the config in force where --config names another one, else
    /// against the config without --catalogue.
    #[arg(long)]
    compare: bool,
    /// Where clients are; without it where the groups of the config are.
    #[arg(long = "clients", value_name = "PREFIX")]
    clients: Vec<IpNet>,
    /// The gateway's addresses in the capture; without it this machine's.
    #[arg(long = "gateway", value_name = "ADDRESS")]
    gateway: Vec<IpAddr>,
    /// How many clients, destinations and changes to list.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// Print one JSON object, with everything in it.
    #[arg(long)]
    json: bool,
}

/// Checks that the groups and sets of a filter are in one of these configs.
fn check(filter: &Filter, configs: &[Option<&Config>]) -> Result<(), FilterError> {
    let configs = || configs.iter().copied().flatten();
    let groups = || configs().flat_map(|config| &config.groups);
    let sets = configs().flat_map(|config| config.catalogue.sets());
    let rules = groups().flat_map(|group| &group.rules);
    let keys = sets.map(|set| set.key.as_str());
    filter.check(&Known {
        groups: groups().map(|group| group.name.as_str()).collect(),
        sets: keys.chain(rules.map(|rule| rule.key.as_str())).collect(),
    })
}

/// `SOURCE=FILE`.
fn replacement(text: &str) -> Result<(String, PathBuf), String> {
    let (source, file) = text
        .split_once('=')
        .filter(|(source, file)| !source.is_empty() && !file.is_empty())
        .ok_or("write SOURCE=FILE, as in m365=endpoints.json")?;
    Ok((source.to_owned(), file.into()))
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.replay/1", "egress-ctl replay --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    file: String,
    packets: u64,
    /// From clients, and so judged.
    judged: u64,
    /// DNS answers to clients, which may have taught.
    answers: u64,
    /// Neither.
    others: u64,
    seconds: u64,
    /// The filter in its normal form, and judged packets that it means; all that follows is of those alone.
    filter: String,
    meant: u64,
    verdicts: Vec<Line>,
    clients: Vec<ClientLine>,
    denied: Vec<DeniedLine>,
    /// Against another config; null where none was compared.
    changes: Option<Vec<ChangeLine>>,
}

#[derive(JsonSchema, Serialize)]
struct Line {
    verdict: &'static str,
    reason: &'static str,
    group: Option<String>,
    set: Option<String>,
    #[serde(flatten)]
    sum: Sum,
}

#[derive(JsonSchema, Serialize)]
struct ClientLine {
    client: Option<IpAddr>,
    #[serde(flatten)]
    line: Line,
}

#[derive(JsonSchema, Serialize)]
struct DeniedLine {
    #[serde(flatten)]
    destination: Destination,
    #[serde(flatten)]
    line: Line,
}

#[derive(JsonSchema, Serialize)]
struct ChangeLine {
    client: Option<IpAddr>,
    #[serde(flatten)]
    destination: Option<Destination>,
    before: &'static str,
    after: &'static str,
    before_reason: &'static str,
    after_reason: &'static str,
    #[serde(flatten)]
    sum: Sum,
}

impl Replay {
    /// Runs the command.
    ///
    /// # Errors
    /// The capture or a config cannot be read, or the kernel refuses.
    pub fn run(self, places: &Places) -> Result<()> {
        let filter = self.narrow.filter()?;
        if self.narrow.prints(&filter)? {
            return Ok(());
        }
        let (tried, compared) = self.configs(places)?;
        check(&filter, &[Some(&tried), compared.as_ref()])?;
        let own = match self.gateway.as_slice() {
            [] => daemon::own_addresses()?,
            named => named.to_vec(),
        };
        let report = alone(|bpffs| self.replay(bpffs, filter, (tried, compared), &own))?;
        if self.json {
            return print_json(&report);
        }
        print(&report.text(self.top))
    }

    /// The config to try, and the one to compare with.
    fn configs(&self, places: &Places) -> Result<(Config, Option<Config>)> {
        let policy = match &self.config {
            Some(path) => Policy::of_file(places, path)?,
            None => Policy::in_force(places)?,
        };
        let tried = policy.config(&self.catalogue)?;
        if !self.compare {
            return Ok((tried, None));
        }
        let base = match (&self.config, self.catalogue.as_slice()) {
            (_, [_, ..]) => policy,
            (Some(_), []) => Policy::in_force(places)?,
            (None, []) => bail!(
                "--compare needs --config or --catalogue: what is in force would be compared with itself"
            ),
        };
        Ok((tried, Some(base.config(&[])?)))
    }

    fn replay(
        &self,
        bpffs: &Path,
        filter: Filter,
        (tried, compared): (Config, Option<Config>),
        own: &[IpAddr],
    ) -> Result<Report> {
        let file = File::open(&self.file)
            .with_context(|| format!("cannot open {}", self.file.display()))?;
        let bar = progress(file.metadata().map_or(0, |metadata| metadata.len()));
        let capture = Capture::open(BufReader::new(bar.wrap_read(file)));
        let capture = capture.with_context(|| self.file.display().to_string())?;
        let mut senders = Senders::new(&self.clients, &tried);
        let mut run = Run::of(filter);
        let mut configs = Some((tried, compared));
        let mut stages: Option<(Stage, Option<Stage>)> = None;
        for captured in capture {
            let captured = captured.with_context(|| self.file.display().to_string())?;
            if let Some((tried, compared)) = configs.take() {
                run.first_ms = captured.at_ms;
                let stage =
                    |name: &str, config| Stage::set(&bpffs.join(name), config, own, captured.at_ms);
                let base = compared.map(|base| stage("base", base)).transpose()?;
                stages = Some((stage("tried", tried)?, base));
            }
            let Some((tried, base)) = &mut stages else {
                continue;
            };
            run.last_ms = run.last_ms.max(captured.at_ms);
            let since_first = run.last_ms.saturating_sub(run.first_ms);
            run.packets += 1;
            let frame = &captured.frame;
            let mut all = [Some(tried), base.as_mut()];
            for stage in all.iter_mut().flatten() {
                stage.pass_to(since_first)?;
            }
            match senders.way(frame) {
                Way::Other => run.others += 1,
                Way::Answer => {
                    run.answers += 1;
                    run.meant.hear(frame);
                    for stage in all.iter_mut().flatten() {
                        stage.answer(frame)?;
                    }
                }
                Way::FromClient(client) => {
                    let outcomes = all
                        .iter_mut()
                        .map(|stage| stage.as_mut().map(|stage| stage.judge(frame)).transpose());
                    let outcomes: Vec<_> = outcomes.collect::<Result<_>>()?;
                    run.add(client, frame, &outcomes, captured.wire_len);
                }
            }
        }
        bar.finish_and_clear();
        Ok(run.report(&self.file, self.compare))
    }
}

/// What was seen so far.
#[derive(Default)]
struct Run {
    packets: u64,
    judged: u64,
    answers: u64,
    others: u64,
    first_ms: u64,
    last_ms: u64,
    filter: String,
    meant: Meant,
    packets_meant: u64,
    tally: Tally,
    changes: Changes,
}

impl Run {
    fn of(filter: Filter) -> Self {
        Self {
            filter: filter.to_string(),
            meant: Meant::by(filter),
            ..Self::default()
        }
    }

    /// Adds a client's packet; the first outcome is of the policy that is tried.
    fn add(
        &mut self,
        client: Option<IpAddr>,
        frame: &[u8],
        outcomes: &[Option<Outcome>],
        bytes: usize,
    ) {
        self.judged += 1;
        let destination = Destination::of(frame);
        let [Some(tried), base] = outcomes else {
            return;
        };
        let is_meant = |outcome| self.meant.means(client, frame, outcome);
        let tried_meant = is_meant(tried);
        let either_meant = tried_meant || base.as_ref().is_some_and(is_meant);
        self.packets_meant += u64::from(either_meant);
        if tried_meant {
            self.tally.add(client, destination.as_ref(), tried, bytes);
        }
        if let Some(base) = base
            && either_meant
        {
            let both = (base, tried);
            self.changes.add(client, destination.as_ref(), both, bytes);
        }
    }

    fn report(self, file: &Path, compared: bool) -> Report {
        let Tally {
            outcomes,
            clients,
            denied,
        } = self.tally;
        let changes = self.changes.changes.into_iter();
        let changes = changes.map(|((client, destination, before, after), sum)| ChangeLine {
            client,
            destination,
            before: before.action.name(),
            after: after.action.name(),
            before_reason: before.reason.name(),
            after_reason: after.reason.name(),
            sum,
        });
        let mut report = Report {
            schema: KIND.name,
            file: file.display().to_string(),
            packets: self.packets,
            judged: self.judged,
            answers: self.answers,
            others: self.others,
            seconds: (self.last_ms - self.first_ms) / 1000,
            filter: self.filter,
            meant: self.packets_meant,
            verdicts: outcomes
                .into_iter()
                .map(|(outcome, sum)| line(outcome, sum))
                .collect(),
            clients: clients
                .into_iter()
                .map(|((client, outcome), sum)| ClientLine {
                    client,
                    line: line(outcome, sum),
                })
                .collect(),
            denied: denied
                .into_iter()
                .map(|((destination, outcome), sum)| DeniedLine {
                    destination,
                    line: line(outcome, sum),
                })
                .collect(),
            changes: compared.then(|| changes.collect()),
        };
        report.sort();
        report
    }
}

fn line(outcome: Outcome, sum: Sum) -> Line {
    let Outcome {
        action,
        reason,
        group,
        set,
    } = outcome;
    Line {
        verdict: action.name(),
        reason: reason.name(),
        group,
        set,
        sum,
    }
}

impl Report {
    /// What has most packets first.
    fn sort(&mut self) {
        use std::cmp::Reverse;
        self.verdicts.sort_by_key(|line| Reverse(line.sum.packets));
        self.clients
            .sort_by_key(|client| Reverse(client.line.sum.packets));
        self.denied
            .sort_by_key(|denied| Reverse(denied.line.sum.packets));
        if let Some(changes) = &mut self.changes {
            changes.sort_by_key(|change| Reverse(change.sum.packets));
        }
    }

    fn text(&self, top: usize) -> String {
        let Self {
            packets,
            judged,
            answers,
            others,
            seconds,
            filter,
            meant,
            ..
        } = self;
        let mut text = format!(
            "{packets} packets of {seconds} s: {judged} from clients, {answers} DNS answers to them, {others} others\n"
        );
        if !filter.is_empty() {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{meant} of those from clients: {filter}");
        }
        table(
            &mut text,
            &[
                "verdict",
                "reason",
                "group",
                "endpoint set",
                "packets",
                "bytes",
            ],
            self.verdicts.iter().map(|line| line.cells().to_vec()),
            usize::MAX,
        );
        table(
            &mut text,
            &[
                "client",
                "verdict",
                "reason",
                "group",
                "endpoint set",
                "packets",
                "bytes",
            ],
            self.clients.iter().map(|client| {
                let name = client
                    .client
                    .map_or_else(|| "(unknown)".to_owned(), |c| c.to_string());
                [&[name][..], &client.line.cells()].concat()
            }),
            top,
        );
        table(
            &mut text,
            &[
                "not allowed",
                "verdict",
                "reason",
                "group",
                "endpoint set",
                "packets",
                "bytes",
            ],
            self.denied
                .iter()
                .map(|denied| [&[denied.destination.text()][..], &denied.line.cells()].concat()),
            top,
        );
        if let Some(changes) = &self.changes {
            if changes.is_empty() {
                text.push_str("\nNothing would change.\n");
            }
            table(
                &mut text,
                &["client", "would change", "from", "to", "packets", "bytes"],
                changes.iter().map(ChangeLine::cells),
                top,
            );
        }
        text
    }
}

impl Line {
    fn cells(&self) -> [String; 6] {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            self.verdict.to_owned(),
            self.reason.to_owned(),
            or_none(&self.group),
            or_none(&self.set),
            self.sum.packets.to_string(),
            self.sum.bytes.to_string(),
        ]
    }
}

impl ChangeLine {
    fn cells(&self) -> Vec<String> {
        let client = self
            .client
            .map_or_else(|| "(unknown)".to_owned(), |client| client.to_string());
        let destination = self
            .destination
            .as_ref()
            .map_or_else(String::new, Destination::text);
        vec![
            client,
            destination,
            format!("{} {}", self.before, self.before_reason),
            format!("{} {}", self.after, self.after_reason),
            self.sum.packets.to_string(),
            self.sum.bytes.to_string(),
        ]
    }
}

impl Destination {
    fn text(&self) -> String {
        let Self {
            address,
            protocol,
            port,
        } = self;
        match (port, address) {
            (0, _) => format!("{address} {protocol}"),
            (port, IpAddr::V4(_)) => format!("{address}:{port} {protocol}"),
            (port, IpAddr::V6(_)) => format!("[{address}]:{port} {protocol}"),
        }
    }
}

/// A config and what its web services brought.
struct Policy {
    path: PathBuf,
    text: String,
    feeds: Feeds,
}

impl Policy {
    fn of_file(places: &Places, path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path);
        Ok(Self {
            path: path.to_owned(),
            text: text.with_context(|| format!("cannot read {}", path.display()))?,
            feeds: Feeds::approved(&places.state_dir, BTreeMap::new()),
        })
    }

    fn in_force(places: &Places) -> Result<Self> {
        let snapshot = force::snapshot(places)?;
        Ok(Self {
            path: snapshot.config,
            text: snapshot.text,
            feeds: Feeds::Of {
                state_dir: places.state_dir.clone(),
                editions: snapshot.feeds,
            },
        })
    }

    /// The config, with sources taken from files.
    fn config(&self, with: &[(String, PathBuf)]) -> Result<Config> {
        let text = replaced(&self.text, with)?;
        let config = Config::parse_with(&text, &self.feeds).map_err(|problems| ConfigError {
            path: self.path.clone(),
            problems,
        });
        Ok(config?)
    }
}

/// The config's text with sources taken from files.
fn replaced(text: &str, with: &[(String, PathBuf)]) -> Result<String> {
    if with.is_empty() {
        return Ok(text.to_owned());
    }
    let mut table: toml::Table = text.parse().context("the config is no TOML")?;
    let sources = table.get_mut("source").and_then(toml::Value::as_table_mut);
    let sources = sources.context("the config has no sources")?;
    for (source, file) in with {
        if !sources.contains_key(source) {
            let known: Vec<_> = sources.keys().map(String::as_str).collect();
            bail!(
                "--catalogue: the config has no source `{source}`; it has {}",
                known.join(", ")
            );
        }
        let mut from_file = toml::Table::new();
        from_file.insert("kind".to_owned(), "file".into());
        from_file.insert("path".to_owned(), file.display().to_string().into());
        sources.insert(source.clone(), from_file.into());
    }
    Ok(toml::to_string(&table)?)
}

/// A bar on a terminal, nothing elsewhere.
fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
    if std::io::stderr().is_terminal() && moves() {
        bar.set_draw_target(ProgressDrawTarget::stderr());
    }
    let style = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes}, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// Adds a table of the first `top` rows behind an empty line; nothing where there are none.
fn table(
    text: &mut String,
    header: &[&str],
    rows: impl ExactSizeIterator<Item = Vec<String>>,
    top: usize,
) {
    let all = rows.len();
    if all == 0 {
        return;
    }
    let rows: Vec<_> = rows
        .take(top)
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    // Writing into a string cannot fail.
    let _: std::fmt::Result = writeln!(text, "\n{}", sheet(header, &rows, room()));
    if all > top {
        let _: std::fmt::Result = writeln!(text, "and {} more (--top, --json)", all - top);
    }
}
