//! A server that outlived its app and its supervisor: found by its pid file and ended. Also what
//! the next start must know about the pid file that a killed server left.
//!
//! What must stay true: a process gets a signal only if its command line says that it is the
//! server of this very data directory; pids are used again by others. The pid file is never
//! deleted or changed, unless it is empty: Postgres itself checks by what it says that no process
//! of the old server is left.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{error::ClusterError, identity};

/// How to end a server, and how long each way may take: fast shutdown writes a checkpoint;
/// immediate shutdown gives the children 5 s by itself; nothing outlives SIGKILL, except in the
/// kernel.
const ENDINGS: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(10)),
    (Signal::QUIT, Duration::from_secs(7)),
    (Signal::KILL, Duration::from_secs(3)),
];

/// After this a signal is sent again: a server that is just starting still ignores it. More than
/// a shutdown usually takes.
const RESEND: Duration = Duration::from_millis(300);

/// A server that is alive writes its pid file at once after making it; this is for a machine under
/// heavy load.
const WRITE_BOUND: Duration = Duration::from_secs(1);

/// How often a condition is looked at.
pub(super) const POLL: Duration = Duration::from_millis(5);

/// Line of `postmaster.pid` with the port, and the one with the state, counted from 0.
const PORT_LINE: usize = 3;
const STATE_LINE: usize = 7;

/// What a server that is gone left behind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Leftover {
    /// It was killed: its data must be recovered first, which may take longer.
    pub(super) unclean: bool,
    /// The pid in its pid file belongs to another process now.
    pub(super) reused_pid: Option<Pid>,
}

/// The parts of `postmaster.pid` that we use.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: Pid,
    pub(super) port: Option<u16>,
    pub(super) ready: bool,
}

/// Ends the server of this data directory, if one runs, and waits until it is gone.
pub(super) fn stop(pgdata: &Path) -> Result<Leftover, ClusterError> {
    remove_empty(pgdata)?;
    let Some(PidFile { pid, .. }) = read(pgdata)? else {
        return Ok(Leftover::default());
    };
    for (signal, bound) in ENDINGS {
        let deadline = Instant::now() + bound;
        while is_server(pid, pgdata) && Instant::now() < deadline {
            tracing::debug!(postgres.pid = pid.as_raw_pid(), ?signal, "ending a leftover server");
            // It may end by itself right now, which is what we want.
            let _ = kill_process(pid, signal);
            wait_until(RESEND, || !is_server(pid, pgdata));
        }
    }
    if is_server(pid, pgdata) {
        return Err(ClusterError::StillRunning { pid: pid.as_raw_pid(), path: pgdata.to_owned() });
    }
    let unclean = read(pgdata)?.is_some();
    let reused = unclean && test_kill_process(pid).is_ok();
    Ok(Leftover { unclean, reused_pid: reused.then_some(pid) })
}

/// A server that was killed between making its pid file and writing it leaves an empty one, and
/// Postgres would never start again. It is empty, so nothing is lost with it.
fn remove_empty(pgdata: &Path) -> Result<(), ClusterError> {
    let path = pgdata.join("postmaster.pid");
    let is_empty = || fs::metadata(&path).is_ok_and(|found| found.len() == 0);
    if wait_until(WRITE_BOUND, || !is_empty()) {
        return Ok(());
    }
    fs::remove_file(&path).map_err(ClusterError::io("delete the empty file", path))
}

/// Polls until `condition` holds or the bound is reached; says whether it holds.
pub(super) fn wait_until(bound: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + bound;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Reads the pid file; `None` if there is none, or nothing whole in it.
pub(super) fn read(pgdata: &Path) -> Result<Option<PidFile>, ClusterError> {
    let path = pgdata.join("postmaster.pid");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::io("read", path)(error)),
    }
}

fn parse(text: &str) -> Option<PidFile> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    // Not 0 or negative, which would mean whole groups of processes, and not init.
    let pid: i32 = lines.first()?.parse().ok().filter(|pid| *pid > 1)?;
    Some(PidFile {
        pid: Pid::from_raw(pid)?,
        port: lines.get(PORT_LINE).and_then(|port| port.parse().ok()),
        ready: lines.get(STATE_LINE) == Some(&"ready"),
    })
}

/// Whether this process is the server of this data directory. A zombie is not.
pub(super) fn is_server(pid: Pid, pgdata: &Path) -> bool {
    let proc = format!("/proc/{}/cmdline", pid.as_raw_pid());
    if Path::new("/proc/self/cmdline").exists() {
        return fs::read(proc).is_ok_and(|line| is_server_arguments(&line, pgdata));
    }
    // macOS has no /proc.
    identity::command(None, "/bin/ps")
        .args(["-ww", "-o", "command=", "-p"])
        .arg(pid.as_raw_pid().to_string())
        .output()
        .is_ok_and(|output| is_server_line(&output.stdout, pgdata))
}

/// The arguments as Linux gives them: each ends with a zero byte.
fn is_server_arguments(line: &[u8], pgdata: &Path) -> bool {
    let mut arguments = line.split(|byte| *byte == 0).map(OsStr::from_bytes);
    let program = arguments.next().map(Path::new).and_then(Path::file_name);
    program == Some(OsStr::new("postgres"))
        && arguments.next() == Some(OsStr::new("-D"))
        && arguments.next() == Some(pgdata.as_os_str())
}

/// The arguments as `ps` gives them: with spaces between.
fn is_server_line(line: &[u8], pgdata: &Path) -> bool {
    let expected = [b"/postgres -D ", pgdata.as_os_str().as_bytes(), b" "].concat();
    line.windows(expected.len()).any(|part| part == expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_pid_files() {
        let whole = "4711\n/data/pgdata\n1700000000\n54321\n\n127.0.0.1\n  123  456\nready   \n";
        let found = parse(whole).expect("whole");
        assert_eq!(found.pid.as_raw_pid(), 4711);
        assert_eq!((found.port, found.ready), (Some(54321), true));

        let begun = parse("4711\n/data/pgdata\n1700000000\n54321\n\n").expect("begun");
        assert!(!begun.ready);
        for text in ["", "\n", "0\n", "1\n", "-4711\n", "many\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_empty_pid_file_is_removed() {
        let pgdata = tempfile::tempdir().expect("temporary folder");
        let file = pgdata.path().join("postmaster.pid");
        fs::write(&file, "").expect("pid file");
        assert_eq!(stop(pgdata.path()).expect("removed"), Leftover::default());
        assert!(!file.exists());
    }

    #[test]
    fn knows_the_server_by_its_arguments() {
        let pgdata = Path::new("/my data/pgdata");
        assert!(is_server_arguments(b"/x/bin/postgres\0-D\0/my data/pgdata\0-p\x001\0", pgdata));
        assert!(is_server_line(b"/x/bin/postgres -D /my data/pgdata -p 1", pgdata));
        for line in [
            &b""[..],
            b"postgres: checkpointer \0",
            b"/x/bin/postgres\0-D\0/my data/pgdata2\0",
            b"/bin/sh\0-D\0/my data/pgdata\0",
        ] {
            assert!(!is_server_arguments(line, pgdata), "{line:?}");
            assert!(!is_server_line(line, pgdata), "{line:?}");
        }
    }

    #[test]
    fn a_foreign_process_is_left_alone() {
        let pgdata = tempfile::tempdir().expect("temporary folder");
        assert_eq!(stop(pgdata.path()).expect("no file"), Leftover::default());

        // Our own pid stands for one that was used again.
        let pid = std::process::id();
        fs::write(pgdata.path().join("postmaster.pid"), format!("{pid}\n")).expect("pid file");
        let left = stop(pgdata.path()).expect("not a server");
        assert!(left.unclean);
        assert_eq!(left.reused_pid.map(Pid::as_raw_pid), i32::try_from(pid).ok());
    }
}
