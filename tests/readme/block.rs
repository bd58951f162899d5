//! The blocks of a document that show commands: Markdown in, commands with what they print out.

/// A block between fences whose first line is a command of `egress-ctl`.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// The heading above it.
    pub section: &'a str,
    /// What is typed, and what is printed.
    pub commands: Vec<Shown<'a>>,
}

/// A command as a terminal shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// What is typed.
    pub line: &'a str,
    /// What is printed.
    pub output: String,
}

const FENCE: &str = "```";
const PROMPT: &str = "$ ";
const PROGRAM: &str = "$ egress-ctl ";

impl Block<'_> {
    /// Its first command.
    pub fn first(&self) -> &str {
        self.commands.first().map_or("", |shown| shown.line)
    }
}

/// All blocks of a document.
pub fn of(document: &str) -> Vec<Block<'_>> {
    let (mut blocks, mut section) = (Vec::new(), "");
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if line.starts_with(FENCE) {
            let inside: Vec<_> = lines.by_ref().take_while(|line| *line != FENCE).collect();
            if inside
                .first()
                .is_some_and(|first| first.starts_with(PROGRAM))
            {
                let commands = commands(&inside);
                blocks.push(Block { section, commands });
            }
        } else if line.starts_with('#') {
            section = line.trim_start_matches('#').trim();
        }
    }
    blocks
}

fn commands<'a>(lines: &[&'a str]) -> Vec<Shown<'a>> {
    let mut commands: Vec<Shown<'a>> = Vec::new();
    for line in lines {
        match (line.strip_prefix(PROMPT), commands.last_mut()) {
            (Some(line), _) => commands.push(Shown {
                line,
                output: String::new(),
            }),
            (None, Some(shown)) => shown.output.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    commands
}

#[test]
fn blocks_know_their_section_and_their_commands() {
    let document = "# One\n\n```toml\n[gateway]\n```\n## Two\n```\n$ egress-ctl a\nx\ny\n$ egress-ctl b\n```\n\
                    ### Three\n```\n$ cargo xtask demo\n```\n";
    let shown = |line, output: &str| Shown {
        line,
        output: output.to_owned(),
    };
    let block = Block {
        section: "Two",
        commands: vec![shown("egress-ctl a", "x\ny\n"), shown("egress-ctl b", "")],
    };
    assert_eq!(of(document), [block]);
}
