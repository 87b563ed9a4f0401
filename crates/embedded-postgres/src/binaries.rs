//! Gets the Postgres programs into a state in which the server's user can run them: as they are,
//! else with the library links made, else as a copy in `shared`.
//!
//! What must stay true: usable means that a run as that user succeeded. A copy appears whole, by renaming, and
//! one process at a time makes it, under a lock.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{
    error::ClusterError,
    identity::{self, Identity},
    links, shared,
};

/// What is copied: the rest of the package is documentation.
const COPIED: [&str; 4] = ["bin", "lib", "share", "pg-symlinks.json"];

/// Runs each program and looks at one file of each other kind that the server needs. The version
/// goes to stdout, the reason for a failure to stderr.
const PROBE: &str = r#"
"$1/bin/initdb" --version >/dev/null && "$1/bin/postgres" --version || exit 1
for needed in share/postgresql/postgres.bki share/postgresql/timezonesets/Default lib/postgresql
do test -r "$1/$needed" || { echo "$needed is missing or not readable" >&2; exit 1; }
done
"#;

/// Programs that the server's user can run.
#[derive(Debug)]
pub(super) struct Binaries {
    /// The folder with `bin`, `lib` and `share`.
    root: PathBuf,
    /// The major version, as in the file `PG_VERSION`.
    pub(super) major: String,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.root.join("bin").join(name)
    }
}

/// See the module.
pub(super) fn prepare(native: &Path, run_as: Option<&Identity>) -> Result<Binaries, ClusterError> {
    let native = fs::canonicalize(native)
        .map_err(|_| ClusterError::BinariesMissing { looked_for: native.display().to_string() })?;
    let unusable = match probe(&native, run_as) {
        Ok(binaries) => return Ok(binaries),
        Err(unusable) => unusable,
    };
    let linked = links::make_missing(&native);
    if let Ok(1..) = linked
        && let Ok(binaries) = probe(&native, run_as)
    {
        return Ok(binaries);
    }
    // A copy helps against a folder that is out of reach or read-only, and against nothing else.
    if run_as.is_none() && linked.is_ok() {
        return Err(unusable);
    }
    copied(&native, run_as)
}

fn copied(native: &Path, run_as: Option<&Identity>) -> Result<Binaries, ClusterError> {
    let shared = shared::folder(run_as)?;
    let copy = shared.join(format!("binaries-{}", version(native)));
    if let Ok(binaries) = probe(&copy, run_as) {
        return Ok(binaries);
    }
    let path = shared.join("copying.lock");
    let lock = File::create(&path).map_err(ClusterError::io("open the lock file", &path))?;
    lock.lock().map_err(ClusterError::io("lock", &path))?;
    // Another process may have made the copy while we waited for the lock.
    if let Ok(binaries) = probe(&copy, run_as) {
        return Ok(binaries);
    }
    copy_whole(native, &copy).map_err(ClusterError::io("copy the Postgres programs to", &copy))?;
    probe(&copy, run_as)
}

fn probe(root: &Path, run_as: Option<&Identity>) -> Result<Binaries, ClusterError> {
    let output = identity::command(run_as, "/bin/sh")
        .args(["-c", PROBE, "sh"])
        .arg(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(ClusterError::io("run the Postgres programs in", root))?;
    let said = String::from_utf8_lossy(&output.stdout);
    match major(&said) {
        Some(major) if output.status.success() => Ok(Binaries { root: root.to_owned(), major }),
        _ => Err(ClusterError::BinariesUnusable {
            path: root.to_owned(),
            detail: format!("{said} {}", String::from_utf8_lossy(&output.stderr)).trim().to_owned(),
        }),
    }
}

/// From `postgres (PostgreSQL) 18.4`, also from `18beta1`.
fn major(said: &str) -> Option<String> {
    let version = said.split_whitespace().last()?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// Distinguishes packages: npm's version, and the size of the server in case that one
/// cannot be read.
fn version(native: &Path) -> String {
    let package = native.with_file_name("package.json");
    let version = fs::read(package)
        .ok()
        .and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok())
        .and_then(|package| Some(package.get("version")?.as_str()?.to_owned()))
        .unwrap_or_default();
    let version: String = version.chars().filter(|char| char.is_ascii_alphanumeric() || ".-".contains(*char)).collect();
    let size = fs::metadata(native.join("bin/postgres")).map_or(0, |server| server.size());
    format!("{version}-{size:x}")
}

/// Only under the lock. Cleans up what a killed run left, and replaces a copy that does not work.
fn copy_whole(native: &Path, copy: &Path) -> io::Result<()> {
    let unfinished = copy.with_file_name("unfinished");
    remove_if_there(&unfinished)?;
    fs::create_dir(&unfinished)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o755))?;
    for name in COPIED {
        copy_tree(&native.join(name), &unfinished.join(name))?;
    }
    links::make_missing(&unfinished)?;
    remove_if_there(copy)?;
    fs::rename(&unfinished, copy)
}

fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies files, folders and links with modes that let every user read and run them, whatever the
/// umask was when they were installed.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(from) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if found.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    let executable = found.is_dir() || found.mode() & 0o100 != 0;
    if found.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy_tree(&from.join(&name), &to.join(&name))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(to, Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(major("postgres (PostgreSQL) 18.4\n").as_deref(), Some("18"));
        assert_eq!(major("postgres (PostgreSQL) 19beta1").as_deref(), Some("19"));
        assert_eq!(major(""), None);
        assert_eq!(major("no version"), None);
    }

    #[test]
    fn a_copy_is_whole_readable_and_replaceable() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let native = folder.path().join("native");
        fs::create_dir_all(native.join("bin")).expect("bin");
        fs::write(native.join("bin/postgres"), "program").expect("program");
        fs::set_permissions(native.join("bin/postgres"), Permissions::from_mode(0o700)).expect("mode");
        symlink("postgres", native.join("bin/postmaster")).expect("link");

        let copy = folder.path().join("copy");
        for _ in 0..2 {
            copy_whole(&native, &copy).expect("copy");
            let mode = fs::metadata(copy.join("bin/postgres")).expect("file").mode();
            assert_eq!(mode & 0o777, 0o755);
            let linked = fs::read_link(copy.join("bin/postmaster")).expect("link");
            assert_eq!(linked, Path::new("postgres"));
        }
        assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 2);
    }
}
