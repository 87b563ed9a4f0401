//! The documents name what exists: files, headings, commands, and names from the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest README, in lines: what a stranger reads before the first command.
const README_LINES: usize = 120;
/// How a path in the repository begins.
const FOLDERS: [&str; 8] = ["src/", "docs/", "crates/", "migrations/", "end2end/", "public/", "style/", ".ci/"];
/// Files whose text is code: names in documents must be there.
const CODE: [&str; 9] = ["rs", "sql", "toml", "ts", "mjs", "js", "json", "html", "css"];

/// One document, taken apart.
struct Document {
    /// From the repository's root.
    path: PathBuf,
    /// Lines outside code blocks.
    prose: Vec<String>,
    /// Lines of code blocks.
    blocks: Vec<String>,
}

impl Document {
    fn new(path: &Path, text: &str) -> Self {
        let (mut prose, mut blocks, mut in_block) = (Vec::new(), Vec::new(), false);
        for line in text.lines() {
            match (line.trim_start().starts_with("```"), in_block) {
                (true, _) => in_block = !in_block,
                (false, true) => blocks.push(line.to_owned()),
                (false, false) => prose.push(line.to_owned()),
            }
        }
        Self { path: path.to_owned(), prose, blocks }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// What stands between backticks.
    fn spans(&self) -> impl Iterator<Item = &str> {
        self.prose.iter().flat_map(|line| line.split('`').skip(1).step_by(2))
    }

    /// Where its links lead.
    fn links(&self) -> Vec<String> {
        let without_spans = |line: &String| line.split('`').step_by(2).collect::<Vec<_>>().join("x");
        let targets = |line: String| {
            let after = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            after.map(str::to_owned).collect::<Vec<_>>()
        };
        self.prose.iter().map(without_spans).flat_map(targets).collect()
    }

    /// The names by which its headings can be linked to.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.prose.iter().filter(|line| line.starts_with('#'));
        let mut anchors = BTreeSet::new();
        for heading in headings {
            let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let anchor: String = title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
            let again = (1..).map(|number| format!("{anchor}-{number}")).find(|name| !anchors.contains(name));
            if anchors.contains(&anchor) { anchors.extend(again) } else { _ = anchors.insert(anchor) }
        }
        anchors
    }

    /// The targets of `make` that its code names.
    fn targets(&self) -> BTreeSet<String> {
        let lines = self.blocks.iter().map(|line| line.split(" #").next().unwrap_or_default());
        let words = self.spans().chain(lines).map(|code| code.split_whitespace().collect::<Vec<_>>());
        let target = |pair: &[&str]| {
            let is_name = pair[1].chars().all(|c| c.is_ascii_lowercase() || c == '-');
            (pair[0] == "make" && is_name).then(|| pair[1].to_owned())
        };
        words.flat_map(|words| words.windows(2).filter_map(target).collect::<Vec<_>>()).collect()
    }

    /// Links to files and headings that are not there.
    fn dead_links(&self, root: &Path) -> Vec<String> {
        let is_ours = |link: &&String| !link.contains("://") && !link.starts_with("mailto:");
        let dead = |link: String| {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { self.path.clone() } else { self.folder().join(path) };
            if !root.join(&target).exists() {
                return Some(format!("{} links to {link}: no such file", self.path.display()));
            }
            let found = || Document::read(root, &target).anchors().contains(anchor);
            (!anchor.is_empty() && !found())
                .then(|| format!("{} links to {link}: no such heading", self.path.display()))
        };
        self.links().iter().filter(is_ours).cloned().filter_map(dead).collect()
    }

    /// Paths between backticks that are not there. A crate's README may name its own files.
    fn dead_paths(&self, root: &Path) -> Vec<String> {
        let is_path = |span: &&str| {
            let is_pattern = span.contains(|c: char| " *<{…$=".contains(c)) || span.contains("node_modules");
            FOLDERS.iter().any(|folder| span.starts_with(folder)) && !is_pattern
        };
        let is_dead = |span: &&str| !root.join(span).exists() && !root.join(self.folder()).join(span).exists();
        let named = self.spans().filter(is_path).filter(is_dead);
        named.map(|span| format!("{} names {span}: no such file", self.path.display())).collect()
    }

    /// Names with an underscore between backticks that no code has: columns, codes, differences. A variant of an enum may
    /// be written in JSON like this.
    fn dead_names(&self, code: &str) -> Vec<String> {
        let as_variant = |name: &str| {
            let capital =
                |part: &str| part.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(part.chars().skip(1)).collect();
            name.split('_').map(capital).collect::<Vec<String>>().concat()
        };
        let is_name = |span: &&str| {
            let plain = span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            plain && span.trim_matches('_').contains('_')
        };
        let is_dead = |span: &&str| !code.contains(*span) && !code.contains(&as_variant(span));
        let named = self.spans().filter(is_name).filter(is_dead);
        named.map(|span| format!("{} names {span}: no code has it", self.path.display())).collect()
    }

    fn read(root: &Path, path: &Path) -> Self {
        let text = fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::new(path, &text)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with one of these endings, from the repository's root.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let below = entries.flat_map(|entry| {
        let entry = entry.expect("an entry");
        let path = folder.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true if entry.file_name() == "node_modules" => Vec::new(),
            true => files(&path, endings),
            false => vec![path],
        }
    });
    let fits = |path: &PathBuf| path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known));
    below.filter(fits).collect()
}

/// All documents that are written by hand.
fn documents() -> Vec<Document> {
    let mut paths: Vec<PathBuf> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from).into();
    for folder in ["docs", "crates", "migrations"] {
        paths.extend(files(Path::new(folder), &["md"]));
    }
    paths.iter().map(|path| Document::read(root(), path)).collect()
}

fn code() -> String {
    let folders = ["src", "crates", "migrations", "end2end"];
    let sources = folders.iter().flat_map(|folder| files(Path::new(folder), &CODE));
    // This file names what must not be found.
    let others = sources.filter(|path| !path.ends_with("documents.rs"));
    others.map(|path| fs::read_to_string(root().join(path)).expect("a source")).collect()
}

fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(root().join("README.md")).expect("a README").lines().count();
    assert!(lines <= README_LINES, "{lines} lines: move something to docs/");
}

#[test]
fn every_link_leads_somewhere() {
    none(documents().iter().flat_map(|document| document.dead_links(root())).collect());
}

#[test]
fn every_path_exists() {
    none(documents().iter().flat_map(|document| document.dead_paths(root())).collect());
}

#[test]
fn every_make_target_exists() {
    let makefile = fs::read_to_string(root().join("Makefile")).expect("a Makefile");
    let known: BTreeSet<_> =
        makefile.lines().filter_map(|line| line.split_once(": ## ")).map(|(name, _)| name).collect();
    let unknown = |document: &Document| {
        let targets = document.targets().into_iter().filter(|target| !known.contains(target.as_str()));
        targets.map(|target| format!("{} names make {target}", document.path.display())).collect::<Vec<_>>()
    };
    assert!(known.contains("test") && documents()[0].targets().contains("test"));
    none(documents().iter().flat_map(unknown).collect());
}

#[test]
fn every_name_is_in_the_code() {
    let code = code();
    // What earlier versions had is named in the changelog.
    let current = documents().into_iter().filter(|document| document.path != Path::new("CHANGELOG.md"));
    none(current.flat_map(|document| document.dead_names(&code)).collect());
}

#[test]
fn every_log_line_to_watch_is_written() {
    let code = code();
    let operating = Document::read(root(), Path::new("docs/operating.md"));
    let row = |line: &String| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        matches!(cells[..], [_, _, "error" | "warn", ..]).then(|| cells[1].trim_matches('`').to_owned())
    };
    let lines: Vec<_> = operating.prose.iter().filter_map(row).collect();
    assert!(lines.len() > 3, "the table was found");
    none(lines.into_iter().filter(|line| !code.contains(line)).collect());
}

#[test]
fn what_does_not_exist_is_found() {
    let text = "# A title\n## A `b` title, twice\n## A b title twice\n\
        [a](README.md) [b](nothing.md) [c](#a-title) [d](#a-b-title-twice-1) [e](#nothing) [f](https://example.com/x) `[g](x)`\n\
        `src/lib.rs` `src/nothing.rs` `src/*.rs` `make nothing` make it `make test ARGS=x` `nothing_such` `Some_thing`\n\
        ```sh\nX=1 make nowhere   # make more\n[h](x) `src/x`\n```\n";
    let document = Document::new(Path::new("x.md"), text);
    // A link to itself reads the file, so its own headings are asked directly.
    let anchors: Vec<_> = document.anchors().into_iter().collect();
    assert_eq!(anchors, ["a-b-title-twice", "a-b-title-twice-1", "a-title"]);
    assert_eq!(
        document.links(),
        ["README.md", "nothing.md", "#a-title", "#a-b-title-twice-1", "#nothing", "https://example.com/x"]
    );
    let elsewhere =
        Document::new(Path::new("docs/x.md"), "[a](../README.md#nothing) [b](../README.md#run-it) [c](y.md)");
    let dead = ["docs/x.md links to ../README.md#nothing: no such heading", "docs/x.md links to y.md: no such file"];
    assert_eq!(elsewhere.dead_links(root()), dead);
    assert_eq!(document.dead_paths(root()), ["x.md names src/nothing.rs: no such file"]);
    assert_eq!(document.targets().into_iter().collect::<Vec<_>>(), ["nothing", "nowhere", "test"]);
    assert_eq!(document.dead_names("NothingSuch"), Vec::<String>::new());
    assert_eq!(document.dead_names("let nothing_suck = NothingSuck;"), ["x.md names nothing_such: no code has it"]);
}
