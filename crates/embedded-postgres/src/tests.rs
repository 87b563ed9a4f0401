//! The launcher with a real Postgres: restarts, kills, half-done work, two apps at once. They run
//! as root and as an ordinary user; `make setup` must have installed the npm package.

use std::{
    fs::{self, Permissions},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::{Cluster, ClusterError, Lifetime, Options, Search, identity, leftover};

/// More than any ending takes here.
const SOON: Duration = Duration::from_secs(10);

/// A folder that the server's user can enter, also when we are root.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("mode");
    folder
}

const SEARCH: Search<'_> = Search { packages: "end2end/node_modules", ..Search::DEFAULT };

fn options(data_dir: &Path, lifetime: Lifetime) -> Options {
    let start = Path::new(env!("CARGO_MANIFEST_DIR"));
    Options { binaries: SEARCH.find(start).expect("the npm package"), data_dir: data_dir.to_owned(), lifetime }
}

async fn start(data_dir: &Path, lifetime: Lifetime) -> Cluster {
    Cluster::start(options(data_dir, lifetime)).await.expect("started")
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("connected")
}

/// Writes a row that `has_row` finds later.
async fn write_row(cluster: &Cluster) {
    let mut database = connect(&cluster.superuser_url("postgres")).await;
    sqlx::query("CREATE TABLE kept AS SELECT 1").execute(&mut database).await.expect("row");
}

async fn has_row(cluster: &Cluster) -> bool {
    let mut database = connect(&cluster.superuser_url("postgres")).await;
    sqlx::query("SELECT FROM kept").execute(&mut database).await.is_ok()
}

#[tokio::test]
async fn keeps_its_data_between_runs() {
    let folder = open_folder();
    let data_dir = folder.path().join("a new folder/with 'quotes'");
    let first = start(&data_dir, Lifetime::Kept).await;
    write_row(&first).await;
    first.stop().await.expect("stopped");

    let second = start(&data_dir, Lifetime::Kept).await;
    assert!(has_row(&second).await);
    let wrong = second.superuser_url("postgres").replace("postgres:", "postgres:wrong");
    PgConnection::connect(&wrong).await.expect_err("the password is required");
    second.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_second_app_is_rejected_and_learns_the_pid() {
    let folder = open_folder();
    let first = start(folder.path(), Lifetime::Kept).await;
    let error = Cluster::start(options(folder.path(), Lifetime::Kept)).await.expect_err("locked");
    let pid = format!("(pid {})", std::process::id());
    assert!(error.to_string().contains(&pid), "{error}");
    first.stop().await.expect("stopped");
}

#[tokio::test]
async fn an_unfinished_initdb_is_redone() {
    let folder = open_folder();
    let unfinished = folder.path().join("making-0123456789abcdef");
    fs::create_dir(&unfinished).expect("folder");
    fs::write(unfinished.join("PG_VERSION"), "18\n").expect("file");
    let cluster = start(folder.path(), Lifetime::Kept).await;
    assert!(!unfinished.exists());
    cluster.stop().await.expect("stopped");
}

#[tokio::test]
async fn data_of_another_version_is_left_alone() {
    let folder = open_folder();
    start(folder.path(), Lifetime::Kept).await.stop().await.expect("stopped");
    let version = folder.path().join("pgdata/PG_VERSION");
    fs::write(&version, "9\n").expect("version");
    let error = Cluster::start(options(folder.path(), Lifetime::Kept)).await.expect_err("rejected");
    assert!(matches!(error, ClusterError::OtherVersion { .. }), "{error}");
    assert!(version.exists());
}

#[tokio::test]
async fn a_failing_start_shows_the_log() {
    let folder = open_folder();
    start(folder.path(), Lifetime::Kept).await.stop().await.expect("stopped");
    fs::remove_file(folder.path().join("pgdata/global/pg_control")).expect("broken");
    let error = Cluster::start(options(folder.path(), Lifetime::Kept)).await.expect_err("broken");
    assert!(error.to_string().contains("pg_control"), "{error}");
}

#[tokio::test]
async fn a_reused_pid_does_not_prevent_the_start() {
    let folder = open_folder();
    start(folder.path(), Lifetime::Kept).await.stop().await.expect("stopped");
    // A process of the server's user, as Postgres itself only minds those.
    let mut other = identity::command(identity::for_new_data().expect("user").as_ref(), "/bin/sleep")
        .arg("60")
        .spawn()
        .expect("sleep");
    let pgdata = folder.path().join("pgdata");
    let text = format!("{}\n{}\n1\n1\n\n127.0.0.1\n1 1\nready\n", other.id(), pgdata.display());
    fs::write(pgdata.join("postmaster.pid"), text).expect("pid file");

    let cluster = start(folder.path(), Lifetime::Kept).await;
    assert!(other.try_wait().expect("sleep").is_none(), "a foreign process was ended");
    cluster.stop().await.expect("stopped");
    other.kill().expect("kill");
    other.wait().expect("wait");
}

#[tokio::test]
async fn throwaways_leave_nothing() {
    let folder = open_folder();
    // Where the server's user may write.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("mode");
    let stopped = start(folder.path(), Lifetime::Throwaway).await;
    let dropped = start(folder.path(), Lifetime::Throwaway).await;
    assert_eq!(fs::read_dir(folder.path()).expect("folder").count(), 2);
    write_row(&stopped).await;
    assert!(!has_row(&dropped).await);
    stopped.stop().await.expect("stopped");
    drop(dropped);
    let empty = || fs::read_dir(folder.path()).expect("folder").next().is_none();
    assert!(leftover::wait_until(SOON, empty));
}

#[tokio::test]
async fn root_in_a_private_folder_finds_its_data_again() {
    // As an ordinary user nothing lies elsewhere, and the rest must work the same.
    let private = tempfile::tempdir().expect("temporary folder");
    fs::set_permissions(private.path(), Permissions::from_mode(0o700)).expect("mode");
    let first = start(private.path(), Lifetime::Kept).await;
    let folder = first.place.folder.clone();
    assert_eq!(folder.starts_with(private.path()), identity::our_uid() != 0);
    write_row(&first).await;
    first.stop().await.expect("stopped");

    let second = start(private.path(), Lifetime::Kept).await;
    assert!(has_row(&second).await);
    second.stop().await.expect("stopped");
    fs::remove_dir_all(folder).expect("deleted");
}

#[tokio::test]
async fn the_server_ends_with_a_killed_app() {
    let folder = open_folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("mode");
    for lifetime in [Lifetime::Kept, Lifetime::Throwaway] {
        let mut app = App::start(folder.path(), lifetime);
        app.kill();
        let pgdata = app.folder.join("pgdata");
        assert!(leftover::wait_until(SOON, || !leftover::is_server(app.server, &pgdata)));
        if lifetime == Lifetime::Throwaway {
            assert!(leftover::wait_until(SOON, || !app.folder.exists()));
        }
    }
}

#[tokio::test]
async fn a_server_without_its_supervisor_is_recovered() {
    let folder = open_folder();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).expect("mode");
    for lifetime in [Lifetime::Kept, Lifetime::Throwaway] {
        let mut app = App::start(folder.path(), lifetime);
        kill_process(app.supervisor, Signal::KILL).expect("kill");
        app.kill();
        assert!(leftover::is_server(app.server, &app.folder.join("pgdata")));

        let cluster = start(folder.path(), lifetime).await;
        assert!(!leftover::is_server(app.server, &app.folder.join("pgdata")));
        assert_eq!(app.folder.exists(), lifetime == Lifetime::Kept);
        connect(&cluster.superuser_url("postgres")).await;
        cluster.stop().await.expect("stopped");
    }
}

#[tokio::test]
async fn data_survives_when_everything_is_killed() {
    let folder = open_folder();
    let cluster = start(folder.path(), Lifetime::Kept).await;
    write_row(&cluster).await;
    cluster.stop().await.expect("stopped");

    let mut app = App::start(folder.path(), Lifetime::Kept);
    kill_process(app.supervisor, Signal::KILL).expect("kill");
    kill_process(app.server, Signal::KILL).expect("kill");
    app.kill();
    let cluster = start(folder.path(), Lifetime::Kept).await;
    assert!(has_row(&cluster).await);
    cluster.stop().await.expect("stopped");
}

/// This test binary again, as an app of its own that can be killed.
struct App {
    process: Child,
    folder: PathBuf,
    supervisor: Pid,
    server: Pid,
}

impl App {
    fn start(data_dir: &Path, lifetime: Lifetime) -> Self {
        let (_, module) = module_path!().split_once("::").expect("in a crate");
        let mut process = Command::new(std::env::current_exe().expect("path"))
            .args(["--exact", &format!("{module}::app"), "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("app");
        let stdin = process.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{lifetime:?} {}", data_dir.display()).expect("sent");
        let stdout = BufReader::new(process.stdout.take().expect("stdout"));
        let answer = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| Some(line.split_once("READY ")?.1.to_owned()))
            .expect("an answer");
        let mut parts = answer.splitn(3, ' ');
        let mut pid = || {
            let pid = parts.next().and_then(|pid| pid.parse().ok());
            pid.and_then(Pid::from_raw).expect("a pid")
        };
        Self { supervisor: pid(), server: pid(), folder: PathBuf::from(parts.next().expect("folder")), process }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.process.kill().expect("kill");
        self.process.wait().expect("wait");
    }
}

#[tokio::test]
#[ignore = "the app that the tests about killing start"]
async fn app() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).expect("stdin");
    let Some((lifetime, data_dir)) = line.trim_end().split_once(' ') else {
        return;
    };
    let lifetime = match lifetime {
        "Kept" => Lifetime::Kept,
        _ => Lifetime::Throwaway,
    };
    let cluster = start(Path::new(data_dir), lifetime).await;
    let supervisor = cluster.supervisor.shell_pid().as_raw_pid();
    let server = cluster.supervisor.server().expect("server").as_raw_pid();
    println!("READY {supervisor} {server} {}", cluster.place.folder.display());
    // Until killed, or until the test that started us is gone.
    io::stdin().read_line(&mut line).expect("stdin");
}
