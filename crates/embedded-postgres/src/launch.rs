//! Launches the server on a free port and waits until it accepts connections.
//!
//! What must stay true: ready means that the server with the pid that we started says so in its
//! pid file; an older file that says the same does not count. All settings are given at each
//! start, so that a change here also reaches data directories that exist.

use std::{
    fs::File,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::{
    Lifetime,
    binaries::Binaries,
    error::ClusterError,
    files::Place,
    identity,
    leftover::{self, Leftover},
    supervisor::{SCRIPT, Supervisor},
};

/// A start takes 0.1 s; a busy machine may take longer.
const START_BOUND: Duration = Duration::from_secs(10);

/// After a crash the server first replays its log of up to `max_wal_size`.
const RECOVERY_BOUND: Duration = Duration::from_secs(60);

/// Pause before a start that failed for a passing reason is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How much of the log's end an error shows, in bytes: some twenty lines.
const TAIL: u64 = 2_000;

/// In the log when a start failed for a passing reason: another process took the port after we
/// had chosen it; a server whose app was killed while it started had not yet written its pid file
/// when we looked; the last processes of a killed server are still ending.
const PASSING: [&str; 3] =
    ["Address already in use", "lock file \"postmaster.pid\" already exists", "pre-existing shared memory block"];

/// For development: reachable from this machine only, small, quiet.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=100",
    "shared_buffers=64MB",
    // Bounds the disk that the log of changes takes.
    "max_wal_size=256MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_line_prefix=%m [%p] %u@%d ",
    // The server's stderr is our log file.
    "logging_collector=off",
];

/// For tests: nothing survives a crash, so nothing waits for the disk.
const THROWAWAY_SETTINGS: [&str; 5] =
    ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0"];

/// Ends what an earlier app left running, starts the server, again if that failed for a passing
/// reason, and returns the port.
pub(super) fn launch(
    place: &Place,
    binaries: &Binaries,
    lifetime: Lifetime,
    log: &File,
) -> Result<(Supervisor, u16), ClusterError> {
    let mut before = leftover::stop(&place.pgdata())?;
    let bound = if before.unclean { RECOVERY_BOUND } else { START_BOUND };
    let deadline = Instant::now() + bound;
    loop {
        log.set_len(0).map_err(ClusterError::io("empty the log", place.log()))?;
        let port = free_port()?;
        let command = command(place, binaries, lifetime, port, &before);
        let mut supervisor = Supervisor::spawn(command, log)?;
        match wait_ready(&mut supervisor, &place.pgdata(), port, deadline)? {
            Outcome::Ready => return Ok((supervisor, port)),
            Outcome::Ended => {
                let tail = tail(log);
                let passing = PASSING.iter().any(|reason| tail.contains(reason));
                if !passing || Instant::now() >= deadline {
                    return Err(ClusterError::EndedEarly { log: place.log(), tail });
                }
                thread::sleep(RETRY_PAUSE);
                before = leftover::stop(&place.pgdata())?;
            }
            Outcome::TimedOut => {
                let tail = tail(log);
                supervisor.shut_down(&place.pgdata())?;
                return Err(ClusterError::NotReady { seconds: bound.as_secs(), log: place.log(), tail });
            }
        }
    }
}

enum Outcome {
    Ready,
    Ended,
    TimedOut,
}

fn wait_ready(
    supervisor: &mut Supervisor,
    pgdata: &Path,
    port: u16,
    deadline: Instant,
) -> Result<Outcome, ClusterError> {
    loop {
        if let Some(file) = leftover::read(pgdata)?
            && file.ready
            && file.port == Some(port)
            && Some(file.pid) == supervisor.server()
        {
            return Ok(Outcome::Ready);
        }
        if supervisor.has_ended() {
            return Ok(Outcome::Ended);
        }
        if Instant::now() >= deadline {
            return Ok(Outcome::TimedOut);
        }
        thread::sleep(leftover::POLL);
    }
}

fn command(place: &Place, binaries: &Binaries, lifetime: Lifetime, port: u16, before: &Leftover) -> Command {
    let mut command = identity::command(place.run_as.as_ref(), "/bin/sh");
    command.args(["-c", SCRIPT, "embedded-postgres-supervisor"]);
    match lifetime {
        Lifetime::Kept => command.arg(""),
        Lifetime::Throwaway => command.arg(&place.folder),
    };
    command
        // `leftover` knows a server by these first arguments.
        .arg(binaries.program("postgres"))
        .arg("-D")
        .arg(place.pgdata())
        .args(["-p", &port.to_string()]);
    let throwaway: &[&str] = match lifetime {
        Lifetime::Kept => &[],
        Lifetime::Throwaway => &THROWAWAY_SETTINGS,
    };
    for setting in SETTINGS.iter().chain(throwaway) {
        command.args(["-c", setting]);
    }
    if let Some(pid) = before.reused_pid {
        // The way to say to Postgres that the process with the pid in its old pid file is no server of
        // this data. It still checks that no process of the old server is left.
        command.env("PG_GRANDPARENT_PID", pid.as_raw_pid().to_string());
    }
    command
}

fn free_port() -> Result<u16, ClusterError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(ClusterError::io("find a free port on", "127.0.0.1"))
}

/// The end of the log, read through our handle: the path may be the server user's to change.
fn tail(log: &File) -> String {
    let length = log.metadata().map_or(0, |found| found.len());
    let mut end = vec![0; usize::try_from(length.min(TAIL)).unwrap_or_default()];
    match log.read_exact_at(&mut end, length.saturating_sub(TAIL)) {
        Ok(()) => String::from_utf8_lossy(&end).trim().to_owned(),
        Err(error) => format!("(not readable: {error})"),
    }
}
