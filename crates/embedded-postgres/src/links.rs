//! The library links of the npm package. npm carries no links, so the package's install script
//! makes them from `pg-symlinks.json`; after `npm install --ignore-scripts` they are missing, and
//! the server does not find its libraries.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

/// One entry of `pg-symlinks.json`; both paths begin with `native/`.
#[derive(Deserialize)]
struct Link {
    /// The file that exists.
    source: PathBuf,
    /// The link to make.
    target: PathBuf,
}

/// Makes the links that are missing in the package's `native` folder, and says how many.
/// Another process may do the same at the same time.
pub(super) fn make_missing(native: &Path) -> io::Result<usize> {
    let list = match fs::read(native.join("pg-symlinks.json")) {
        Ok(list) => list,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut made = 0;
    for Link { source, target } in serde_json::from_slice::<Vec<Link>>(&list)? {
        let (Some(source), Some(target)) = (inside(&source), inside(&target)) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("pg-symlinks.json leads out of native/: {}", target.display()),
            ));
        };
        match symlink(relative(source, target), native.join(target)) {
            Ok(()) => made += 1,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

/// The path inside of `native/`, if it stays there.
fn inside(path: &Path) -> Option<&Path> {
    let path = path.strip_prefix("native").ok()?;
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(path)
}

/// `source` as seen from the folder of `target`.
fn relative(source: &Path, target: &Path) -> PathBuf {
    let up = target.components().skip(1).map(|_| Component::ParentDir);
    up.chain(source.components()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_links_once_and_only_inside() {
        let native = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(native.path().join("lib")).expect("lib");
        fs::write(native.path().join("lib/libpq.so.5.18"), "library").expect("library");
        let list = native.path().join("pg-symlinks.json");

        fs::write(&list, r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so"}]"#).expect("list");
        assert_eq!(make_missing(native.path()).expect("links"), 1);
        assert_eq!(make_missing(native.path()).expect("links"), 0);
        let read = fs::read_to_string(native.path().join("lib/libpq.so")).expect("link works");
        assert_eq!(read, "library");

        fs::write(&list, r#"[{"source":"native/lib/x","target":"native/../../evil"}]"#).expect("list");
        make_missing(native.path()).expect_err("leads out");
    }
}
