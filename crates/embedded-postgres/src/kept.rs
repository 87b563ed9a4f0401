//! Chooses the place of a kept cluster: the requested folder or, when root's server user cannot
//! reach that one, a folder in `shared`, whose path is recorded in the requested folder's file
//! `location`.
//!
//! What must stay true: the same requested folder leads to the same data at every start, and each
//! folder is locked before anything in it is looked at.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{
    error::ClusterError,
    files::{self, Place},
    identity::{self, Identity},
    shared,
};

/// The file in the requested folder that says where the data lies instead.
const LOCATION: &str = "location";

pub(super) fn place(requested: &Path) -> Result<Place, ClusterError> {
    let requested = files::make_folder(requested)?;
    require_own(&requested)?;
    let lock = files::lock(&requested)?;
    let recorded = recorded(&requested)?;
    let folder = recorded.clone().unwrap_or_else(|| requested.clone());
    let mut place = Place { run_as: server_user(&folder.join("pgdata"))?, folder, locks: vec![lock] };
    if recorded.is_some() {
        place.locks.push(files::lock(&place.folder)?);
        return Ok(place);
    }
    let Some(user) = &place.run_as else {
        return Ok(place);
    };
    if identity::can(Some(user), "x", &requested) {
        return Ok(place);
    }
    if place.pgdata().exists() {
        return Err(ClusterError::Unreachable { user: user.name.clone(), places: requested.display().to_string() });
    }
    place.folder = elsewhere(&requested, user)?;
    place.locks.push(files::lock(&place.folder)?);
    tracing::info!(
        postgres.folder = %place.folder.display(),
        "the data of the embedded Postgres lies outside of the project, \
         because the server's user cannot reach the project"
    );
    Ok(place)
}

/// An ordinary user cannot use another user's folder: reported here instead of by a failing open.
fn require_own(folder: &Path) -> Result<(), ClusterError> {
    let we_are = identity::our_uid();
    let owner = fs::metadata(folder).map_err(ClusterError::io("look at", folder))?.uid();
    if we_are == 0 || we_are == owner {
        return Ok(());
    }
    Err(ClusterError::WrongOwner { path: folder.to_owned(), owner, we_are })
}

fn server_user(pgdata: &Path) -> Result<Option<Identity>, ClusterError> {
    match fs::symlink_metadata(pgdata) {
        Ok(found) => identity::for_data_of(pgdata, found.uid(), found.gid()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => identity::for_new_data(),
        Err(error) => Err(ClusterError::io("look at", pgdata)(error)),
    }
}

/// The recorded folder, if there is one. It must be one that we could have made: a checkout is
/// not to be trusted with the choice of any folder on the machine.
fn recorded(requested: &Path) -> Result<Option<PathBuf>, ClusterError> {
    let record = requested.join(LOCATION);
    let folder = match fs::read_to_string(&record) {
        Ok(text) => PathBuf::from(text.trim()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ClusterError::io("read", record)(error)),
    };
    match fs::symlink_metadata(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::warn!(
                postgres.folder = %folder.display(),
                "the folder with the data of the embedded Postgres is gone: starting with empty data"
            );
            Ok(None)
        }
        Err(error) => Err(ClusterError::io("look at", folder)(error)),
        Ok(found) if found.is_dir() && shared::holds(&folder) => {
            require_own(&folder)?;
            Ok(Some(folder))
        }
        Ok(found) if found.uid() != identity::our_uid() => {
            require_own(&folder)?;
            Err(not_a_place(&record))
        }
        Ok(_) => Err(not_a_place(&record)),
    }
}

fn not_a_place(record: &Path) -> ClusterError {
    let reason = "it names no folder that this launcher made; delete this file to start with empty data";
    ClusterError::io("use", record)(io::Error::new(io::ErrorKind::InvalidData, reason))
}

/// Makes the folder in `shared` and records it. Recorded last and by renaming: a kill in between
/// leaves an empty folder there, nothing worse.
fn elsewhere(requested: &Path, user: &Identity) -> Result<PathBuf, ClusterError> {
    let name = format!("data-{}", files::random_hex::<8>()?);
    let folder = files::make_folder(&shared::folder(Some(user))?.join(name))?;
    let record = requested.join(LOCATION);
    let unfinished = requested.join(format!("{LOCATION}.new"));
    fs::write(&unfinished, format!("{}\n", folder.display()))
        .and_then(|()| fs::rename(&unfinished, &record))
        .map_err(ClusterError::io("write", record))?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cannot_lead_anywhere() {
        let requested = tempfile::tempdir().expect("temporary folder");
        assert!(recorded(requested.path()).expect("no record").is_none());

        fs::write(requested.path().join(LOCATION), "/etc\n").expect("record");
        recorded(requested.path()).expect_err("not one of our places");

        fs::write(requested.path().join(LOCATION), "/var/lib/embedded-postgres/gone\n").expect("record");
        assert!(recorded(requested.path()).expect("gone").is_none());
    }
}
