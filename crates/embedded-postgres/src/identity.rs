//! The user that runs the server. Postgres does not run as root, so root becomes `postgres`, else
//! `nobody`; an ordinary user runs it as itself.
//!
//! What must stay true: whatever is run here gets a clean environment (no `PG*` variable, no
//! `LD_LIBRARY_PATH` of cargo's), the folder `/`, which every user can enter, and no groups of
//! root's (the standard library drops them together with the user id).

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

use super::error::ClusterError;

/// Preferred first; `_postgres` is what macOS calls it.
const SERVER_USERS: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// A user that root becomes to run the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Our own effective user id.
pub(super) fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A name for messages.
pub(super) fn name(run_as: Option<&Identity>) -> String {
    run_as.map_or_else(|| format!("with id {}", our_uid()), |user| user.name.clone())
}

/// The user for a new data directory; `None` means ourselves.
pub(super) fn for_new_data() -> Result<Option<Identity>, ClusterError> {
    if our_uid() != 0 {
        return Ok(None);
    }
    let users = passwd();
    SERVER_USERS
        .iter()
        .find_map(|name| users.iter().find(|user| user.name == *name))
        .cloned()
        .map(Some)
        .ok_or(ClusterError::NoServerUser)
}

/// The user for data that exists: its owner, so that root can also use what an ordinary user
/// began.
pub(super) fn for_data_of(path: &Path, owner: u32, group: u32) -> Result<Option<Identity>, ClusterError> {
    let we_are = our_uid();
    if we_are == owner && we_are != 0 {
        return Ok(None);
    }
    if we_are != 0 || owner == 0 {
        return Err(ClusterError::WrongOwner { path: path.to_owned(), owner, we_are });
    }
    let known = passwd().into_iter().find(|user| user.uid == owner);
    Ok(Some(known.unwrap_or_else(|| Identity { name: format!("with id {owner}"), uid: owner, gid: group })))
}

/// A command that runs as `run_as`, with nothing of our environment.
pub(super) fn command(run_as: Option<&Identity>, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        // Messages in English (we look for some), and on macOS no threads before the fork.
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some(user) = run_as {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// Asks, as `run_as`, whether `test <flag> <path>` holds for each flag. Mode bits alone are
/// not enough: parents, access lists and mounts matter too.
pub(super) fn can(run_as: Option<&Identity>, flags: &str, path: &Path) -> bool {
    flags.chars().all(|flag| {
        command(run_as, "/bin/sh")
            .args(["-c", "test \"$1\" \"$2\"", "sh"])
            .arg(format!("-{flag}"))
            .arg(path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn passwd() -> Vec<Identity> {
    fs::read_to_string("/etc/passwd")
        .map(|text| text.lines().filter_map(parse_passwd_line).collect())
        .unwrap_or_default()
}

/// `name:password:uid:gid:…`; root and its doubles are left out. macOS writes `nobody` as -2.
fn parse_passwd_line(line: &str) -> Option<Identity> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let _password = fields.next()?;
    let uid = parse_id(fields.next()?)?;
    let gid = parse_id(fields.next()?)?;
    (uid != 0).then(|| Identity { name: name.to_owned(), uid, gid })
}

fn parse_id(text: &str) -> Option<u32> {
    text.parse::<u32>().ok().or_else(|| text.parse::<i32>().ok().map(i32::cast_unsigned))
}

#[cfg(test)]
mod tests {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn reads_passwd_lines() {
        let nobody = parse_passwd_line("nobody:*:-2:-2:Unprivileged:/var/empty:/usr/bin/false");
        assert_eq!(nobody.map(|user| user.uid), Some(u32::MAX - 1));
        let postgres = parse_passwd_line("postgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/bash");
        assert_eq!(postgres, Some(Identity { name: "postgres".to_owned(), uid: 101, gid: 104 }));
        for line in ["root:x:0:0::/root:/bin/sh", "# comment", "", "a:b", "a:x:y:1"] {
            assert_eq!(parse_passwd_line(line), None, "{line:?}");
        }
    }

    #[test]
    fn sees_what_the_user_cannot_reach() {
        let folder = tempfile::tempdir().expect("temporary folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("mode");
        assert!(can(None, "dwx", folder.path()));
        assert!(!can(None, "d", &folder.path().join("missing")));
        if let Some(user) = for_new_data().expect("a user for the server") {
            assert!(!can(Some(&user), "x", folder.path()));
        }
    }
}
