//! The shell that runs the server and outlives us just long enough to end it: see
//! `supervisor.sh`. We hold the other end of its stdin, the lifeline: when it closes, because we
//! closed it or because we were killed, the server ends.
//!
//! What must stay true: the lifeline is never inherited by another child of ours (the standard
//! library opens pipes close-on-exec), and the shell is in a process group of its own, so that
//! Ctrl-C in the terminal reaches the app only.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{error::ClusterError, leftover};

/// Passed to the shell, which has nothing to read it from: stdin is the lifeline.
pub(super) const SCRIPT: &str = include_str!("supervisor.sh");

/// 10 s of fast shutdown and 5 s of immediate shutdown, both in `supervisor.sh` and Postgres, and
/// some seconds for the deletion of a throwaway.
const SHUTDOWN_BOUND: Duration = Duration::from_secs(20);

/// A process that got SIGKILL is gone at once, unless the kernel is busy with its files.
const KILL_BOUND: Duration = Duration::from_secs(3);

/// The running shell.
#[derive(Debug)]
pub(super) struct Supervisor {
    shell: Child,
    lifeline: Option<ChildStdin>,
    /// The server itself; `None` if the shell did not report it.
    server: Option<Pid>,
}

impl Supervisor {
    /// Starts the command, which is the shell with its arguments, and learns the server's pid.
    pub(super) fn spawn(mut command: Command, log: &File) -> Result<Self, ClusterError> {
        let failed = || ClusterError::io("run", "/bin/sh");
        let mut shell = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().map_err(failed())?)
            .process_group(0)
            .spawn()
            .map_err(failed())?;
        let lifeline = shell.stdin.take();
        let mut pid = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut pid).map_err(failed())?;
        }
        Ok(Self { shell, lifeline, server: pid.trim().parse().ok().filter(|pid| *pid > 1).and_then(Pid::from_raw) })
    }

    /// The server's pid.
    pub(super) fn server(&self) -> Option<Pid> {
        self.server
    }

    /// The shell's own pid, for the tests that kill it.
    #[cfg(test)]
    pub(super) fn shell_pid(&self) -> Pid {
        Pid::from_child(&self.shell)
    }

    /// Whether the shell, and so the server before it, has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        // An error means that there is no such child any more.
        !matches!(self.shell.try_wait(), Ok(None))
    }

    /// Closes the lifeline, waits until the server is gone, and uses force if it takes too long
    /// or if the shell was killed.
    pub(super) fn shut_down(&mut self, pgdata: &Path) -> Result<(), ClusterError> {
        drop(self.lifeline.take());
        if !leftover::wait_until(SHUTDOWN_BOUND, || self.has_ended()) {
            if let Some(server) = self.server.filter(|pid| leftover::is_server(*pid, pgdata)) {
                // It may have ended just now.
                let _ = kill_process(server, Signal::KILL);
            }
            leftover::wait_until(KILL_BOUND, || self.has_ended());
        }
        leftover::stop(pgdata).map(|_| ())
    }
}
