//! Makes the data directory with `initdb`, once.
//!
//! What must stay true: `initdb` works in a folder with another name, which is renamed when it has
//! finished. So `pgdata` exists only whole, a killed `initdb` leaves only a `making-…` folder, and
//! nothing else is ever deleted here.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, chown},
    path::Path,
    process::Stdio,
};

use super::{
    SUPERUSER,
    binaries::Binaries,
    error::ClusterError,
    files::{self, Place},
    identity,
};

/// How the name of an unfinished data directory begins. The rest is random, so that an `initdb`
/// which outlived its killed app writes into nothing of ours.
const UNFINISHED: &str = "making-";

/// Makes the data directory if there is none, and returns the superuser's password.
pub(super) fn ensure(place: &Place, binaries: &Binaries) -> Result<String, ClusterError> {
    let pgdata = place.pgdata();
    if fs::exists(&pgdata).map_err(ClusterError::io("look at", &pgdata))? {
        require_same_version(&pgdata, &binaries.major)?;
        return read_password(place)?.ok_or(ClusterError::PasswordMissing { path: pgdata });
    }
    remove_unfinished(&place.folder);
    let password = match read_password(place)? {
        Some(password) => password,
        None => write_password(place)?,
    };
    let unfinished = place.folder.join(format!("{UNFINISHED}{}", files::random_hex::<8>()?));
    fs::DirBuilder::new().mode(0o700).create(&unfinished).map_err(ClusterError::io("make the folder", &unfinished))?;
    if let Some(user) = &place.run_as {
        chown(&unfinished, Some(user.uid), Some(user.gid))
            .map_err(ClusterError::io("change the owner of", &unfinished))?;
    }
    run(place, binaries, &unfinished)?;
    fs::rename(&unfinished, &pgdata).map_err(ClusterError::io("rename to", pgdata))?;
    Ok(password)
}

fn run(place: &Place, binaries: &Binaries, folder: &Path) -> Result<(), ClusterError> {
    let program = binaries.program("initdb");
    let output = identity::command(place.run_as.as_ref(), &program)
        .arg("--pgdata")
        .arg(folder)
        .arg("--username")
        .arg(SUPERUSER)
        .arg("--pwfile")
        .arg(place.password())
        .args(["--auth", "scram-sha-256"])
        // The same on every machine: UTF-8, sorted by code point, with Unicode's upper and lower
        // case. No locale of the system's is needed.
        .args(["--encoding", "UTF8", "--locale", "C"])
        .args(["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"])
        // A power failure right after the first start may lose the data; development accepts
        // that for half of the time.
        .args(["--no-sync", "--no-instructions"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .map_err(ClusterError::io("run", program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(ClusterError::Initdb {
        path: folder.to_owned(),
        detail: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn require_same_version(pgdata: &Path, installed: &str) -> Result<(), ClusterError> {
    let file = pgdata.join("PG_VERSION");
    let found = fs::read_to_string(&file).map_err(ClusterError::io("read", file))?;
    if found.trim() == installed {
        return Ok(());
    }
    Err(ClusterError::OtherVersion {
        path: pgdata.to_owned(),
        found: found.trim().to_owned(),
        installed: installed.to_owned(),
    })
}

/// `None` if there is none, or if its writing was interrupted.
fn read_password(place: &Place) -> Result<Option<String>, ClusterError> {
    match fs::read_to_string(place.password()) {
        // Whole only with its line end.
        Ok(text) => Ok(text.strip_suffix('\n').map(str::to_owned)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::io("read", place.password())(error)),
    }
}

fn write_password(place: &Place) -> Result<String, ClusterError> {
    let path = place.password();
    let unfinished = path.with_extension("new");
    // Left by a killed run, or absent.
    let _ = fs::remove_file(&unfinished);
    let password = files::random_hex::<32>()?;
    let mut file = files::create(&unfinished, place.run_as.as_ref())?;
    io::Write::write_all(&mut file, format!("{password}\n").as_bytes())
        .and_then(|()| fs::rename(&unfinished, &path))
        .map_err(ClusterError::io("write", path))?;
    Ok(password)
}

/// Best effort: what stays takes room and does no other harm.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, path = %entry.path().display(), "unfinished data not deleted");
        }
    }
}
