//! Where a cluster's files lie, and the few ways in which we make them.
//!
//! What must stay true: files for the server's user are made with `create_new` (never through a
//! planted link), with mode 0600, and belong to that user, who has to read some of
//! them. The lock file stays for ever, and only its lock has a meaning.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::{
    error::ClusterError,
    identity::{self, Identity},
    leftover::wait_until,
};

/// Name of the lock file, which holds the app's pid.
pub(super) const LOCK: &str = "lock";

/// How long a lock is waited for: a killed app's lock lives on for a moment in a child process
/// that it was just starting.
const LOCK_BOUND: Duration = Duration::from_millis(500);

/// A cluster's folder: the server's data directory and, beside it, our own files.
#[derive(Debug)]
pub(super) struct Place {
    /// Absolute and without links, because the server's command line is compared with it.
    pub(super) folder: PathBuf,
    /// Who runs the server; `None` means ourselves.
    pub(super) run_as: Option<Identity>,
    /// Held for as long as the cluster lives.
    pub(super) locks: Vec<File>,
}

impl Place {
    /// The server's data directory: it exists only once `initdb` has finished.
    pub(super) fn pgdata(&self) -> PathBuf {
        self.folder.join("pgdata")
    }

    /// The superuser's password, alone in its file.
    pub(super) fn password(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// The log of the last start.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }
}

/// Makes a folder that root shares with the server's user, and that an ordinary user keeps private. The mode of a folder that exists is left alone.
pub(super) fn make_folder(path: &Path) -> Result<PathBuf, ClusterError> {
    let mode = if identity::our_uid() == 0 { 0o755 } else { 0o700 };
    if !path.is_dir() {
        DirBuilder::new().recursive(true).mode(mode).create(path).map_err(ClusterError::io("make the folder", path))?;
        // Again, because the umask may have taken bits away.
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(ClusterError::io("set the mode of", path))?;
    }
    fs::canonicalize(path).map_err(ClusterError::io("resolve the folder", path))
}

/// Makes a new empty file for the server's user.
pub(super) fn create(path: &Path, run_as: Option<&Identity>) -> Result<File, ClusterError> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(ClusterError::io("make the file", path))?;
    if let Some(user) = run_as {
        fchown(&file, Some(user.uid), Some(user.gid)).map_err(ClusterError::io("change the owner of", path))?;
    }
    Ok(file)
}

/// Begins a new log and keeps the one before as `server.log.1`: two files at most. The handle
/// appends, also when the server's processes share it.
pub(super) fn fresh_log(place: &Place) -> Result<File, ClusterError> {
    let path = place.log();
    match fs::rename(&path, path.with_extension("log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ClusterError::io("move away the log", path)(error))
        }
        _ => create(&path, place.run_as.as_ref()),
    }
}

/// Takes the folder's lock and writes our pid into it, or says who holds it. The lock ends with
/// the process, however that ends; the file stays.
pub(super) fn lock(folder: &Path) -> Result<File, ClusterError> {
    let path = folder.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(&path)
        .map_err(ClusterError::io("open the lock file", &path))?;
    let mut locked = Ok(());
    wait_until(LOCK_BOUND, || {
        locked = file.try_lock();
        !matches!(locked, Err(TryLockError::WouldBlock))
    });
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // Best effort: the pid is only for a message.
            let _ = file.read_to_string(&mut pid);
            let pid = pid.trim();
            return Err(ClusterError::Locked {
                path: folder.to_owned(),
                pid: if pid.is_empty() { "unknown" } else { pid }.to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => {
            return Err(ClusterError::io("lock", path)(source));
        }
    }
    write_pid(&mut file, folder).map_err(ClusterError::io("write the lock file", path))?;
    Ok(file)
}

fn write_pid(file: &mut File, folder: &Path) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    let owner = fs::metadata(folder)?;
    // Root in another user's folder must not leave a lock that its owner cannot take.
    if identity::our_uid() == 0 && owner.uid() != 0 {
        fchown(&*file, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

/// Random bytes in hexadecimal: they need no quoting in URLs, paths and shells.
pub(super) fn random_hex<const BYTES: usize>() -> Result<String, ClusterError> {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| ClusterError::NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_lock_names_the_first_holder() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let held = lock(folder.path()).expect("free");
        let error = lock(folder.path()).expect_err("held");
        let pid = format!("pid {}", std::process::id());
        assert!(error.to_string().contains(&pid), "{error}");
        drop(held);
        lock(folder.path()).expect("free again");
    }
}
