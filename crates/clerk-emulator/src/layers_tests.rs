//! The crate's modules form layers: no top-level module depends on itself by way of others. Reads the sources, so that a
//! cycle that compiles is found too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Module and the modules it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The graph of top-level modules: an edge for each `crate::name` in a module's files, but for tests and comments.
/// `lib.rs` and `main.rs` are no modules: nothing may depend on them.
fn graph() -> Result<Graph, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let mut uses: Vec<(String, PathBuf, Vec<String>)> = Vec::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("below src").to_owned();
        let top = path.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
        let is_test = path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with("tests"));
        if is_test || ["lib", "main", "test_support"].contains(&top.as_str()) {
            continue;
        }
        let code = code(&fs::read_to_string(&file).expect("a source file"));
        let mut names = names(&code);
        // Where `super` is the crate itself.
        if (path.iter().count() == 1 || path.ends_with("mod.rs")) && code.contains("super::") {
            names.push("super".to_owned());
        }
        uses.push((top, path, names));
    }
    let modules = uses.iter().map(|(top, ..)| top.clone()).collect::<BTreeSet<_>>();
    let mut graph = Graph::new();
    for (top, path, names) in uses {
        for name in names {
            // An item of `lib.rs`, or a `super` that leaves its module without saying where to.
            if !modules.contains(&name) {
                return Err(format!("{}: instead of {name}, write crate:: and the module", path.display()));
            }
            if name != top {
                graph.entry(top.clone()).or_default().insert(name);
            }
        }
    }
    Ok(graph)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The source without comments and without tests, which stand at the end of a file.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let without_comment = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split(" // ").next().unwrap_or_default().to_owned(),
    };
    source.lines().map(without_comment).collect::<Vec<_>>().join("\n")
}

/// The first names after each `crate::`: one, or those of a group. And `super::super`, which counts as a name that no
/// module has.
fn names(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let Some(group) = rest.strip_prefix('{') else {
            names.push(identifier(rest));
            continue;
        };
        let (mut depth, mut at_start) = (0, true);
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => at_start = true,
                letter if at_start && !letter.is_whitespace() => {
                    names.push(identifier(&group[at..]));
                    at_start = false;
                }
                _ => {}
            }
        }
    }
    names.extend(code.contains("super::super").then(|| "super::super".to_owned()));
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// A path from a module back to itself, if there is one.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    fn visit(graph: &Graph, path: &mut Vec<String>, done: &mut BTreeSet<String>) -> Option<Vec<String>> {
        let current = path.last()?.clone();
        for next in graph.get(&current).into_iter().flatten() {
            if let Some(at) = path.iter().position(|name| name == next) {
                return Some(path[at..].iter().chain([next]).cloned().collect());
            }
            if !done.contains(next) {
                path.push(next.clone());
                let found = visit(graph, path, done);
                path.pop();
                if found.is_some() {
                    return found;
                }
            }
        }
        done.insert(current);
        None
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|start| visit(graph, &mut vec![start.clone()], &mut done))
}

#[test]
fn no_module_depends_on_itself() {
    let graph = graph().unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(graph["app"].contains("store") && graph["fapi"].contains("app"), "the sources were not read: {graph:?}");
    let cycle = cycle(&graph).map(|modules| modules.join(" -> "));
    assert_eq!(cycle, None);
}

#[test]
fn names_are_found_in_paths_and_groups_but_not_in_comments_and_tests() {
    let source = "use crate::{a, b::{c, d}, e};\nfn f() { crate::g::h(); } // crate::i\n#[cfg(test)]\nuse crate::j;";
    assert_eq!(names(&code(source)), ["a", "b", "e", "g"]);
}

#[test]
fn a_cycle_is_found_by_its_path() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        graph
    };
    assert_eq!(cycle(&graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])), None);
    let found = cycle(&graph(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")]));
    assert_eq!(found, Some(["b", "c", "d", "b"].map(str::to_owned).to_vec()));
}
