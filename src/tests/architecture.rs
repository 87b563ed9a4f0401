//! The dependency rule: which module may use which, read from the sources' own paths.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder or file of `src`, and what else it may use.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("model", &[]),
    ("browser", &["model"]),
    ("server", &["model"]),
    // JavaScript, which `pages` inlines into documents.
    ("scripts", &[]),
    ("server_fns", &["model", "server"]),
    ("islands", &["model", "server_fns", "browser"]),
    ("pages", &["model", "islands", "server"]),
    ("app", &["pages", "islands", "server", "model"]),
    ("dev", &["server"]),
    ("main", &["app", "server", "dev"]),
    // The crate's map names everything.
    ("lib", &["model", "browser", "server", "server_fns", "islands", "pages", "app", "dev"]),
];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return if path.extension().is_some_and(|extension| extension == "rs") {
            vec![path.to_owned()]
        } else {
            Vec::new()
        };
    }
    fs::read_dir(path).expect("a folder").flat_map(|entry| sources(&entry.expect("an entry").path())).collect()
}

/// Our modules that a source names by `crate::` or, in the binary, by `vestibule::`.
fn used(source: &str) -> BTreeSet<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let after = ["crate::", "vestibule::"].iter().flat_map(|root| code.split(root).skip(1).collect::<Vec<_>>());
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || "_{*".contains(*c)).collect::<String>();
    after.map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn every_module_uses_only_what_it_may() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(&root).expect("src") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        // They may use anything they test or measure.
        if name == "tests" || name == "benches" {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            panic!("{name} is not in the table of this test");
        };
        for source in sources(&path) {
            files += 1;
            let text = fs::read_to_string(&source).expect("a source");
            let foreign = used(&text).into_iter().filter(|used| *used != name && !allowed.contains(&used.as_str()));
            // Groups and globs directly after `crate::` hide their parts; they count as foreign.
            wrong.extend(foreign.map(|used| format!("{} uses {used}", source.display())));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(files > 50, "too few sources were found");
}

#[test]
fn used_modules_are_found() {
    let source = "use crate::server::http::api;\n// crate::dev::x\nlet x = crate::model::ids::UserId; use vestibule::app;\nuse crate::{pages};";
    let found: Vec<_> = used(source).into_iter().collect();
    assert_eq!(found, ["app", "model", "server", "{pages"]);
}
