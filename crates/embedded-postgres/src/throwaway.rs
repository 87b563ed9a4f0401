//! The place of a throwaway cluster: a new folder with a random name, that the server's user can
//! delete by itself, because on `kill -9` of the app only the supervisor is left to do so.
//!
//! What must stay true: only folders with our prefix, of ours or of the server's user, whose lock
//! is free, are ever deleted. A folder gets that prefix only once it is locked.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use super::{
    error::ClusterError,
    files::{self, LOCK, Place},
    identity::{self, Identity},
    leftover,
};

/// How the name of each throwaway folder begins; `supervisor.sh` checks it before it deletes.
const PREFIX: &str = "embedded-postgres-throwaway-";

/// Used when the server's user cannot write to the requested folder.
const FALLBACKS: [&str; 2] = ["/tmp", "/var/tmp"];

/// Sweeps away what killed runs left, then makes and locks a new folder.
pub(super) fn place(requested: &Path) -> Result<Place, ClusterError> {
    let run_as = identity::for_new_data()?;
    let parent = parent(requested, run_as.as_ref())?;
    sweep(&parent, run_as.as_ref());
    let name = files::random_hex::<8>()?;
    let unlocked = files::make_folder(&parent.join(format!("embedded-postgres-new-{name}")))?;
    let lock = files::lock(&unlocked)?;
    let folder = parent.join(format!("{PREFIX}{name}"));
    fs::rename(&unlocked, &folder).map_err(ClusterError::io("rename to", &folder))?;
    Ok(Place { folder, run_as, locks: vec![lock] })
}

/// Gives the folder to the server's user. Root writes nothing into it afterwards, so that user
/// can mislead root with no link.
pub(super) fn hand_over(place: &Place) -> Result<(), ClusterError> {
    let folder = &place.folder;
    fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(ClusterError::io("set the mode of", folder))?;
    match &place.run_as {
        Some(user) => {
            chown(folder, Some(user.uid), Some(user.gid)).map_err(ClusterError::io("change the owner of", folder))
        }
        None => Ok(()),
    }
}

/// Deletes a throwaway folder. A failure is only logged: the next throwaway sweeps again.
pub(super) fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        tracing::debug!(%error, postgres.folder = %folder.display(), "throwaway not deleted");
    }
}

fn parent(requested: &Path, run_as: Option<&Identity>) -> Result<PathBuf, ClusterError> {
    let requested = files::make_folder(requested)?;
    let candidates = [requested.as_path(), Path::new(FALLBACKS[0]), Path::new(FALLBACKS[1])];
    let parent = candidates.iter().find(|candidate| identity::can(run_as, "wx", candidate)).ok_or_else(|| {
        ClusterError::Unreachable { user: identity::name(run_as), places: format!("any of {candidates:?}") }
    })?;
    fs::canonicalize(parent).map_err(ClusterError::io("resolve the folder", *parent))
}

fn sweep(parent: &Path, run_as: Option<&Identity>) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let is_throwaway = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if is_throwaway && is_abandoned(&entry.path(), run_as) {
            let folder = entry.path();
            match leftover::stop(&folder.join("pgdata")) {
                Ok(_) => remove(&folder),
                Err(error) => tracing::warn!(%error, "a leftover throwaway server remains"),
            }
        }
    }
}

fn is_abandoned(folder: &Path, run_as: Option<&Identity>) -> bool {
    let ours = fs::symlink_metadata(folder).is_ok_and(|found| {
        let owner = found.uid();
        let server_user = run_as.is_some_and(|user| user.uid == owner);
        found.is_dir() && (owner == identity::our_uid() || server_user)
    });
    let lock = folder.join(LOCK);
    // No lock file: its deletion was interrupted. Not a plain file: not ours, and might block.
    ours && match fs::symlink_metadata(&lock) {
        Ok(found) => found.is_file() && File::open(&lock).is_ok_and(|file| file.try_lock().is_ok()),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_only_folders_whose_lock_is_free() {
        let parent = tempfile::tempdir().expect("temporary folder");
        let held = parent.path().join(format!("{PREFIX}held"));
        let left = parent.path().join(format!("{PREFIX}left"));
        let other = parent.path().join("other");
        for folder in [&held, &left, &other] {
            fs::create_dir(folder).expect("folder");
            fs::write(folder.join(LOCK), "1\n").expect("lock file");
        }
        let _lock = files::lock(&held).expect("lock");

        sweep(parent.path(), None);
        assert!(held.exists() && other.exists() && !left.exists());
    }
}
