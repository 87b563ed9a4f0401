//! The rules of the house, read from sources and manifests: who may use whom, no loops between modules, and what each crate
//! may depend on. Each rule is a function over texts, so that the tests at the end can show that it finds a violation.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each part of `src`, and what it may use besides itself. Where several fit, the longest name counts.
const ALLOWED: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("browser", &["model"]),
    // JavaScript: `pages` puts it into documents.
    ("scripts", &[]),
    // The domain: whatever is beside the two below.
    ("server", &["model"]),
    ("server::http", &["model", "server"]),
    ("server::runtime", &["model", "server", "server::http"]),
    ("server_fns", &["model", "server", "server::http"]),
    ("islands", &["model", "server_fns", "browser"]),
    ("pages", &["model", "islands", "server", "server::http"]),
    ("app", &["pages", "server", "server::http", "server::runtime", "model"]),
    ("dev", &["server", "server::runtime"]),
    ("main", &["app", "server", "server::runtime", "dev"]),
    // The map of the crate names everything.
    ("lib", &["model", "browser", "server", "server_fns", "islands", "pages", "app", "dev"]),
];

/// Parts whose modules are told apart when loops are looked for.
const DIVIDED: [&str; 6] = ["app", "browser", "islands", "model", "pages", "server"];

/// The only parts that know the whole state of a running server.
const KNOW_THE_STATE: [&str; 4] = ["app", "main", "dev", "server::runtime"];

/// The crates of this repository, and which others of them each may depend on.
const CRATES: [(&str, &[&str]); 3] =
    [("clerk-emulator", &[]), ("embedded-postgres", &[]), ("vestibule", &["clerk-emulator", "embedded-postgres"])];

/// A source: the module it is (`["server", "outbox", "relay"]`), and its code without comments and tests.
struct Source {
    module: Vec<String>,
    code: String,
}

impl Source {
    /// `path` within `src`. `None`: not a module of the product, or a test of one.
    fn read(path: &str, text: &str) -> Option<Self> {
        let mut module: Vec<String> = path.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let is_test = module.iter().any(|part| part == "tests" || part == "benches");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        (!is_test).then_some(Self { module, code })
    }

    /// The paths it names, absolute within the crate and without braces.
    fn paths(&self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for root in ["crate::", "super::", "vestibule::"] {
            for (at, _) in self.code.match_indices(root) {
                let before = self.code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                let end = path_end(&self.code[at..]);
                expand(&self.code[at..at + end], &[], &mut found);
            }
        }
        found.into_iter().filter_map(|path| self.absolute(path)).collect()
    }

    fn absolute(&self, path: Vec<String>) -> Option<Vec<String>> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        let rest = path.iter().skip(ups.max(1)).filter(|part| *part != "self").cloned();
        let base = match ups {
            0 => &[][..],
            _ => self.module.get(..self.module.len().checked_sub(ups)?)?,
        };
        Some(base.iter().cloned().chain(rest).collect())
    }
}

/// Where a path ends that begins at the start of `code`, with its braces.
fn path_end(code: &str) -> usize {
    let mut depth = 0;
    for (at, character) in code.char_indices() {
        match character {
            '{' if code[..at].ends_with("::") || depth > 0 => depth += 1,
            '}' if depth > 1 => depth -= 1,
            '}' if depth == 1 => return at + 1,
            _ if depth > 0 => {}
            c if c.is_alphanumeric() || c == '_' || c == ':' => {}
            _ => return at,
        }
    }
    code.len()
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expand(path: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let parts = |text: &str| {
        let parts = text.split("::").map(|part| part.split_whitespace().next().unwrap_or_default().to_owned());
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>()
    };
    let Some(open) = path.find('{') else {
        found.push(before.iter().cloned().chain(parts(path)).collect());
        return;
    };
    let before: Vec<_> = before.iter().cloned().chain(parts(&path[..open])).collect();
    let (mut depth, mut from) = (0, open + 1);
    for (at, character) in path.char_indices().skip(open + 1) {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                if !path[from..at].trim().is_empty() {
                    expand(path[from..at].trim(), &before, found);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// The part of the house that a path leads to.
fn part_of(path: &[String]) -> String {
    let names = ALLOWED.iter().map(|(name, _)| *name);
    let fits = |name: &&str| name.split("::").eq(path.iter().take(name.split("::").count()).map(String::as_str));
    names.filter(fits).max_by_key(|name| name.len()).unwrap_or_default().to_owned()
}

/// Uses that the table does not allow.
fn forbidden(sources: &[Source]) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    for source in sources {
        let part = part_of(&source.module);
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == part) else {
            wrong.insert(format!("{} is not in the table", source.module.join("::")));
            continue;
        };
        for path in source.paths() {
            let used = part_of(&path);
            // A module may say which others are in it.
            let is_own = used == part || part.starts_with(&format!("{used}::")) && path.len() == 1;
            if !used.is_empty() && !is_own && !allowed.contains(&used.as_str()) {
                wrong.insert(format!("{} uses {}", source.module.join("::"), path.join("::")));
            }
        }
    }
    wrong
}

/// Modules that know the whole state and may not.
fn know_the_state(sources: &[Source]) -> BTreeSet<String> {
    let knows = |source: &&Source| source.code.contains("AppState");
    let may = |source: &&Source| KNOW_THE_STATE.contains(&part_of(&source.module).as_str());
    sources.iter().filter(knows).filter(|source| !may(source)).map(|source| source.module.join("::")).collect()
}

/// The module that a path leads to, as far as modules are told apart.
fn node_of(path: &[String]) -> String {
    let is_module = |name: &String| name.chars().next().is_some_and(char::is_lowercase);
    let depth = if path.first().is_some_and(|first| DIVIDED.contains(&first.as_str())) { 2 } else { 1 };
    path.iter().take(depth).take_while(|name| is_module(name)).cloned().collect::<Vec<_>>().join("::")
}

/// What `mod.rs` files hand on: `pub use document::Page` makes `pages::Page` mean `pages::document`.
fn handed_on(sources: &[Source]) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut all = BTreeMap::new();
    for source in sources {
        for statement in source.code.split("pub use ").skip(1) {
            let mut found = Vec::new();
            expand(statement.split(';').next().unwrap_or_default(), &[], &mut found);
            for path in found.into_iter().filter(|path| path.len() > 1 && path[0] != "crate") {
                let alias = source.module.iter().chain(path.last()).cloned().collect();
                all.insert(alias, source.module.iter().chain(path.first()).cloned().collect());
            }
        }
    }
    all
}

/// A loop between modules, if there is one.
fn find_loop(sources: &[Source]) -> Option<Vec<String>> {
    let handed_on = handed_on(sources);
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.module != ["lib"]) {
        let from = node_of(&source.module);
        for path in source.paths() {
            let path = (1..=path.len()).find_map(|length| handed_on.get(&path[..length])).unwrap_or(&path);
            let to = node_of(path);
            if !to.is_empty() && to != from {
                graph.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| visit(start, &graph, &mut Vec::new(), &mut done))
}

fn visit(
    node: &str,
    graph: &BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = way.iter().position(|passed| passed == node) {
        return Some(way[at..].to_vec());
    }
    if done.contains(node) {
        return None;
    }
    way.push(node.to_owned());
    let found = graph.get(node).and_then(|next| next.iter().find_map(|next| visit(next, graph, way, done)));
    way.pop();
    done.insert(node.to_owned());
    found
}

/// Dependencies of a manifest, or names in a crate's sources, that the table of crates does not allow.
fn forbidden_crates(name: &str, manifest: &str, sources: &str) -> Vec<String> {
    let Some((_, allowed)) = CRATES.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{name} is not in the table of crates")];
    };
    let others = CRATES.iter().map(|(other, _)| *other).filter(|other| *other != name && !allowed.contains(other));
    let depends = |other: &str| {
        let mut lines = manifest.lines().skip_while(|line| !line.starts_with("[package]"));
        lines.any(|line| line.split(['=', '.', ' ']).next() == Some(other))
    };
    let names = |other: &str| sources.contains(&format!("{}::", other.replace('-', "_")));
    others.filter(|other| depends(other) || names(other)).map(|other| format!("{name} uses {other}")).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let all = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn product() -> Vec<Source> {
    let src = root().join("src");
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&src).expect("within src").to_string_lossy().into_owned();
        Source::read(&name, &fs::read_to_string(&path).expect("a source"))
    };
    let sources: Vec<_> = files(&src).into_iter().filter_map(read).collect();
    assert!(sources.len() > 80, "the sources were found");
    sources
}

#[test]
fn every_module_uses_only_what_it_may() {
    assert_eq!(forbidden(&product()), BTreeSet::new());
}

#[test]
fn only_the_process_knows_the_whole_state() {
    assert_eq!(know_the_state(&product()), BTreeSet::new());
}

#[test]
fn modules_form_no_loop() {
    assert_eq!(find_loop(&product()), None);
}

#[test]
fn crates_depend_only_on_what_they_may() {
    let folders = fs::read_dir(root().join("crates")).expect("crates").map(|entry| entry.expect("an entry").path());
    let mut names = BTreeSet::from(["vestibule".to_owned()]);
    let mut wrong = Vec::new();
    for folder in folders {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        let sources: String =
            files(&folder).into_iter().map(|path| fs::read_to_string(path).expect("a source")).collect();
        wrong.extend(forbidden_crates(&name, &manifest, &sources));
        names.insert(name);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(names, CRATES.map(|(name, _)| name.to_owned()).into());
    // A production build has none of the others.
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    for name in ["clerk-emulator", "embedded-postgres"] {
        assert!(manifest.contains(&format!("{name} = {{ workspace = true, optional = true }}")), "{name} is optional");
        assert_eq!(manifest.matches(&format!("\"dep:{name}\"")).count(), 1, "{name}: for the feature `dev` only");
    }
}

/// Each rule finds what it is there for.
mod violations {
    use super::*;

    fn sources(all: &[(&str, &str)]) -> Vec<Source> {
        all.iter().filter_map(|(path, text)| Source::read(path, text)).collect()
    }

    #[test]
    fn a_use_against_the_table_is_found() {
        for (path, text, found) in [
            ("model/gate.rs", "use crate::server::outbox::Outbox;", "model::gate uses server::outbox::Outbox"),
            ("server/outbox/mod.rs", "use crate::{model::ids, pages};", "server::outbox uses pages"),
            ("server/users.rs", "use super::http::rpc;", "server::users uses server::http::rpc"),
            (
                "server/http/api.rs",
                "fn x() { crate::server::runtime::serve::y() }",
                "server::http::api uses server::runtime::serve::y",
            ),
            (
                "pages/home.rs",
                "use crate::server::runtime::site::Site;",
                "pages::home uses server::runtime::site::Site",
            ),
            ("dev/run.rs", "use vestibule::app;", "dev::run uses app"),
            ("new/thing.rs", "", "new::thing is not in the table"),
        ] {
            assert_eq!(forbidden(&sources(&[(path, text)])), BTreeSet::from([found.to_owned()]));
        }
        let fine = [
            ("pages/home.rs", "// crate::app\nuse crate::server::{access::Sessions, http::body};\nuse super::Page;"),
            ("server/mod.rs", "pub mod http;"),
            ("model/gate/tests.rs", "use crate::app;"),
        ];
        assert_eq!(forbidden(&sources(&fine)), BTreeSet::new());
    }

    #[test]
    fn a_feature_that_imports_the_state_is_found() {
        let all = [
            ("server/outbox/relay.rs", "use crate::server::runtime::state::AppState;"),
            ("app/layers.rs", "use crate::server::runtime::state::AppState;"),
        ];
        assert_eq!(know_the_state(&sources(&all)), BTreeSet::from(["server::outbox::relay".to_owned()]));
    }

    #[test]
    fn a_loop_is_found() {
        let pair = [
            ("server/users.rs", "use super::outbox::Outbox;"),
            ("server/outbox/relay.rs", "use crate::server::users::sync;"),
        ];
        assert_eq!(find_loop(&sources(&pair)), Some(vec!["server::outbox".to_owned(), "server::users".to_owned()]));
        // Through a name that is handed on.
        let through = [
            ("pages/mod.rs", "pub mod a;\npub mod b;\npub use b::Page;"),
            ("pages/a.rs", "use super::Page;"),
            ("pages/b.rs", "fn x() { super::a::y() }"),
        ];
        assert!(find_loop(&sources(&through)).is_some());
        assert_eq!(find_loop(&sources(&through[..2])), None);
    }

    #[test]
    fn a_crate_that_names_another_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nvestibule = { path = \"../..\" }\n";
        assert_eq!(forbidden_crates("clerk-emulator", manifest, ""), ["clerk-emulator uses vestibule"]);
        let workspace = "[package]\n[dev-dependencies]\nembedded-postgres.workspace = true\n";
        assert_eq!(forbidden_crates("clerk-emulator", workspace, ""), ["clerk-emulator uses embedded-postgres"]);
        let named = forbidden_crates("embedded-postgres", "[package]\n", "use clerk_emulator::Emulator;");
        assert_eq!(named, ["embedded-postgres uses clerk-emulator"]);
        assert_eq!(forbidden_crates("new", "", ""), ["new is not in the table of crates"]);
        assert_eq!(forbidden_crates("vestibule", "[package]\nclerk-emulator.workspace = true\n", ""), [""; 0]);
    }
}
