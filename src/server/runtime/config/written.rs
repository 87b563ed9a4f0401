//! `.env.example` and the tables in `docs/operating.md`, as they follow from the table of variables.
//!
//! `UPDATE_CONFIG=1` writes both files; every other run of the tests fails if they and the table differ.

use std::fs;
use std::path::{Path, PathBuf};

use super::variables::{GROUPS, Value};
use super::*;

/// Widest line of `.env.example`.
const WIDTH: usize = 120;
/// Around the generated part of `docs/operating.md`.
const BEGIN: &str = "<!-- variables: written from src/server/runtime/config/variables.rs -->\n";
const END: &str = "<!-- end of variables -->\n";

/// `text` as comment lines.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => *line += &format!(" {word}"),
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

fn env_example() -> String {
    let mut text = comment(
        "Copy to .env and fill in. The commands read it from their working directory; the environment wins. \
         `make run` needs none of it: what is not set here starts with the app. Lines without # must be set. \
         docs/operating.md says what to set in Clerk's dashboard.",
    );
    text += "#\n# Written from src/server/runtime/config/variables.rs, by the command that is named there.\n";
    for group in &GROUPS {
        text += &format!("\n# ---- {} ----\n", group.title);
        if !group.note.is_empty() {
            text += &comment(group.note);
        }
        for variable in group.variables {
            text += "\n";
            text += &match variable.value {
                Value::Optional { without, .. } => comment(&format!("{} Without it: {without}.", variable.meaning)),
                Value::ForMigrate(_) => comment(&format!("{} Needed by `vestibule migrate` only.", variable.meaning)),
                _ => comment(variable.meaning),
            };
            text += &match variable.value {
                Value::Required(example) => format!("{}={example}\n", variable.name),
                Value::ForMigrate(value) | Value::Default(value) | Value::Optional { example: value, .. } => {
                    format!("#{}={value}\n", variable.name)
                }
            };
        }
    }
    text
}

fn tables() -> String {
    let mut text = String::new();
    for group in &GROUPS {
        text += &format!("\n### {}\n\n", group.title);
        if !group.note.is_empty() {
            text += &format!("{}\n\n", group.note);
        }
        text += "| Variable | Required | Without it | Meaning |\n|---|---|---|---|\n";
        for variable in group.variables {
            let (required, without) = match variable.value {
                Value::Required(_) => ("yes", "the server does not start".to_owned()),
                Value::ForMigrate(_) => ("for `migrate`", "`vestibule migrate` fails".to_owned()),
                Value::Default(value) => ("", format!("`{value}`")),
                Value::Optional { without, .. } => ("", without.to_owned()),
            };
            text += &format!("| `{}` | {required} | {without} | {} |\n", variable.name, variable.meaning);
        }
    }
    text + "\n"
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `document` with `part` between the marks.
fn with_part(document: &str, part: &str) -> String {
    let (before, rest) = document.split_once(BEGIN).expect("the mark at the beginning");
    let (_, after) = rest.split_once(END).expect("the mark at the end");
    format!("{before}{BEGIN}{part}{END}{after}")
}

#[test]
fn the_written_files_are_those_of_the_table() {
    let operating = read("docs/operating.md");
    let written = [(".env.example", env_example()), ("docs/operating.md", with_part(&operating, &tables()))];
    for (path, text) in written {
        if update_wanted() {
            let file: PathBuf = root().join(path);
            fs::write(file, &text).expect("a file that can be written");
        }
        assert_eq!(
            read(path),
            text,
            "{path} and the table of variables differ; UPDATE_CONFIG=1 before this test writes it"
        );
    }
}

#[expect(clippy::disallowed_methods, reason = "a test that can rewrite files has no configuration of its own")]
fn update_wanted() -> bool {
    std::env::var_os("UPDATE_CONFIG").is_some()
}

#[test]
fn every_variable_is_read_where_the_table_says() {
    for variable in variables::all() {
        let source = read(variable.read_in);
        assert!(
            source.contains(&format!("\"{}\"", variable.name)),
            "{} does not name {}",
            variable.read_in,
            variable.name
        );
    }
}

#[test]
fn every_variable_has_one_line_and_one_meaning() {
    let mut names: Vec<_> = variables::all().map(|variable| variable.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for variable in variables::all() {
        // A bar would end the cell of the Markdown table.
        assert!(variable.meaning.ends_with('.') && !variable.meaning.contains('|'), "{}", variable.name);
    }
}
