//! A folder of ours that every user can reach, for what cannot stay in the checkout: programs and
//! data when the checkout lies in a private home and the app runs as root, and programs when the
//! npm package is incomplete and read-only.
//!
//! What must stay true: only we can put anything there, because programs are run from it.
//! For root `/var/lib` comes first: no other user can write there, and nothing cleans it, while
//! `/var/tmp` loses files after weeks on many systems, which would break kept data.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    error::ClusterError,
    files,
    identity::{self, Identity},
};

/// Write permission for the group and for others.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The first usable place, made if it is missing.
pub(super) fn folder(run_as: Option<&Identity>) -> Result<PathBuf, ClusterError> {
    let candidates = candidates(identity::our_uid());
    candidates
        .iter()
        .find_map(|candidate| {
            let folder = files::make_folder(candidate).ok()?;
            let fits = is_ours_alone(candidate) && identity::can(run_as, "x", &folder);
            fits.then_some(folder)
        })
        .ok_or_else(|| ClusterError::Unreachable {
            user: identity::name(run_as),
            places: format!("any of {candidates:?}"),
        })
}

/// Whether `path` lies directly in one of our places.
pub(super) fn holds(path: &Path) -> bool {
    candidates(identity::our_uid())
        .iter()
        // Resolved, because `/var` is a link on macOS.
        .filter_map(|candidate| fs::canonicalize(candidate).ok())
        .any(|candidate| path.parent() == Some(candidate.as_path()))
}

fn candidates(uid: u32) -> Vec<PathBuf> {
    let in_tmp = PathBuf::from(format!("/var/tmp/embedded-postgres-{uid}"));
    if uid == 0 { vec![PathBuf::from("/var/lib/embedded-postgres"), in_tmp] } else { vec![in_tmp] }
}

/// A real folder, not a link, that is ours and that others cannot write to: in `/var/tmp` any user
/// could have made it before us.
fn is_ours_alone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_dir() && found.uid() == identity::our_uid() && found.mode() & WRITABLE_BY_OTHERS == 0
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_planted_folder_is_not_ours() {
        let parent = tempfile::tempdir().expect("temporary folder");
        let folder = parent.path().join("folder");
        fs::create_dir(&folder).expect("folder");
        let set = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode));

        set(0o755).expect("mode");
        assert!(is_ours_alone(&folder));
        set(0o777).expect("mode");
        assert!(!is_ours_alone(&folder));
        set(0o755).expect("mode");

        let link = parent.path().join("link");
        symlink(&folder, &link).expect("link");
        assert!(!is_ours_alone(&link));
        assert!(!is_ours_alone(&parent.path().join("missing")));
    }

    #[test]
    fn only_recorded_places_of_ours_count() {
        assert!(!holds(Path::new("/etc/passwd")));
        assert!(!holds(Path::new("/")));
    }
}
