//! `vestibule reconcile`, `sync` and `invite` as an operator runs them: the real binary, its output and its exit
//! status.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::support::emulated::Emulated;
use crate::support::{ORIGIN, PUBLISHABLE_KEY, TestApp};

/// Longest run of a command.
const LIMIT: Duration = Duration::from_secs(30);

/// A finished command: whether it succeeded, its lines, and its standard error.
struct Ended {
    succeeded: bool,
    out: Vec<String>,
    err: String,
}

impl Ended {
    fn json(&self) -> Vec<Value> {
        self.out.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}"))).collect()
    }

    fn says(&self, text: &str) -> bool {
        self.out.iter().any(|line| line.contains(text))
    }
}

/// The binary with the configuration of this app, and no other variable.
fn vestibule(app: &TestApp, clerk: &Emulated, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vestibule"));
    command.args(arguments).env_clear().envs(app.database.variables()).envs([
        ("PUBLIC_ORIGIN", ORIGIN),
        ("CLERK_PUBLISHABLE_KEY", PUBLISHABLE_KEY),
        ("CLERK_SECRET_KEY", clerk.secret_key()),
        ("CLERK_API_URL", clerk.api_url()),
        ("RUST_LOG", "error"),
    ]);
    command.current_dir(std::env::temp_dir()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn run(app: &TestApp, clerk: &Emulated, arguments: &[&str]) -> Ended {
    // The command has the machine's clock.
    app.database.release_clock().await;
    let output = tokio::time::timeout(LIMIT, vestibule(app, clerk, arguments).output()).await;
    app.database.set_clock(app.clock.now()).await;
    let output = output.expect("it ends").expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let out = text(&output.stdout).lines().map(str::to_owned).collect();
    Ended { succeeded: output.status.success(), out, err: text(&output.stderr) }
}

#[tokio::test]
async fn reconcile_reports_and_settles_differences() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    let acme = app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    clerk.set_metadata(&ada, json!({})).await;

    let dry = run(&app, &clerk, &["reconcile", "--dry-run"]).await;
    assert!(dry.succeeded, "{}", dry.err);
    assert!(dry.says("to Clerk     nothing waits"), "{:?}", dry.out);
    assert!(dry.says(&format!("{ada}  Clerk does not know their organization (would be settled)")), "{:?}", dry.out);
    assert!(dry.says(&format!("{grace}  no profile of a user whom Clerk knows (would be settled)")), "{:?}", dry.out);
    assert!(dry.says("Compared 2 users."), "{:?}", dry.out);
    assert_eq!(clerk.look_up(&ada).await["public_metadata"], json!({}));

    let real = run(&app, &clerk, &["reconcile", "--json"]).await;
    let lines = real.json();
    assert!(real.succeeded && lines.len() == 4, "{:?} {}", real.out, real.err);
    assert_eq!(lines[0]["in_flight"]["outbox_waiting"], json!(0));
    let difference = |user: &str, kind: &str| json!({"difference": {"user": user, "kind": kind, "end": "settled"}});
    assert_eq!(lines[1..3], [difference(&ada, "metadata_missing"), difference(&grace, "profile_missing")]);
    assert_eq!(
        lines[3]["summary"],
        json!({"finished": true, "dry_run": false, "delivered": 1, "counts": {
            "compared": 2, "settled": {"metadata_missing": 1, "profile_missing": 1}, "would_be_settled": {}, "left_alone": {}}})
    );
    let metadata = clerk.look_up(&ada).await["public_metadata"].clone();
    assert_eq!(
        metadata,
        json!({"activeOrgId": acme, "onboardingComplete": true}),
        "no server runs: the command notified Clerk"
    );
    assert!(run(&app, &clerk, &["reconcile"]).await.says("Nothing differs."));
}

#[tokio::test]
async fn reconcile_can_be_interrupted() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    clerk.create_user("ada@example.test", "Ada").await;
    // Clerk is down, so the command would retry for a while.
    clerk
        .set_faults(
            json!({"faults": [{"method": "GET", "path_starts_with": "/v1/users", "count": 100, "status": 503}]}),
        )
        .await;
    let mut child = vestibule(&app, &clerk, &["reconcile"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let begun = async { while lines.next_line().await.expect("a line").is_some_and(|line| !line.is_empty()) {} };
    tokio::time::timeout(LIMIT, begun).await.expect("it reports what is in flight");
    let pid = rustix::process::Pid::from_raw(child.id().expect("it runs") as i32).expect("an id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("interrupted");
    let mut rest = Vec::new();
    let ended = async {
        while let Some(line) = lines.next_line().await.expect("a line") {
            rest.push(line);
        }
        child.wait_with_output().await.expect("it ends")
    };
    let output = tokio::time::timeout(LIMIT, ended).await.expect("it ends at once");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("interrupted. Nothing is half done"), "{said}");
    assert!(rest.iter().any(|line| line.contains("not all of them")), "{rest:?}");
}

#[tokio::test]
async fn sync_settles_one_user() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    let acme = app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    clerk.set_metadata(&ada, json!({"activeOrgId": "org_of_another_app"})).await;
    let dry = run(&app, &clerk, &["sync", "--user", &ada, "--dry-run"]).await;
    assert!(dry.succeeded && dry.says("A dry run"), "{:?} {}", dry.out, dry.err);
    let real = run(&app, &clerk, &["sync", "--user", &ada]).await;
    assert!(real.succeeded && real.says("Both sides are equal now."), "{:?} {}", real.out, real.err);
    assert_eq!(clerk.look_up(&ada).await["public_metadata"]["activeOrgId"], json!(acme));
    assert!(run(&app, &clerk, &["sync", "--user", &ada]).await.says("Nothing differed."));
    let known = "select count(*) from user_profiles where user_id = $1";
    assert_eq!(app.database.value::<i64>(known, &grace).await, 0, "no other user is touched");

    for (user, said) in [
        ("user_unknown", "Clerk does not know user_unknown. Nothing was changed."),
        ("../users", "is not the id of a user"),
    ] {
        let refused = run(&app, &clerk, &["sync", "--user", user]).await;
        assert!(!refused.succeeded && refused.err.contains(said), "{user}: {}", refused.err);
    }
}

#[tokio::test]
async fn invite_creates_an_invitation() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let [ada, grace] = clerk.ada_and_grace().await;
    app.create(&ada, "Acme", "acme").await;
    app.settled().await;
    let invite = async |email: &str, organization: &str, role: &str| {
        run(&app, &clerk, &["invite", "--email", email, "--organization", organization, "--role", role]).await
    };
    for (email, organization, role, said) in [
        ("grace", "acme", "member", "is not an e-mail address of plain letters. No one was invited"),
        ("grace @example.test", "acme", "member", "is not an e-mail address"),
        ("grace@exámple.test", "acme", "member", "is not an e-mail address"),
        ("grace@example.test", "Acme!", "member", "--organization is the last part of its address"),
        ("grace@example.test", "nobodys", "member", "there is no organization nobodys. No one was invited"),
        ("grace@example.test", "acme", "owner", "invalid value 'owner'"),
    ] {
        let refused = invite(email, organization, role).await;
        assert!(!refused.succeeded && refused.err.contains(said), "{email} {organization} {role}: {}", refused.err);
    }
    let already = invite("ADA@example.test", "acme", "member").await;
    assert!(already.succeeded && already.says("is a member of acme already"), "{:?} {}", already.out, already.err);

    // For a known user the relay applies the invitation, and the last one counts.
    assert!(run(&app, &clerk, &["reconcile"]).await.succeeded);
    for role in ["member", "admin"] {
        let invited = invite("Grace@example.test", "acme", role).await;
        assert!(invited.succeeded && invited.says("Invited."), "{:?} {}", invited.out, invited.err);
    }
    // No server runs: the next command delivers pending messages.
    assert!(run(&app, &clerk, &["reconcile"]).await.succeeded);
    let role = "select role from organization_users where user_id = $1";
    assert_eq!(app.database.value::<String>(role, &grace).await, "admin");
}

#[tokio::test]
async fn a_missing_migration_is_reported_before_anything_is_changed() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    app.database.as_owner("delete from _sqlx_migrations where version = 4 and $1 = ''", "").await;
    let refused = run(&app, &clerk, &["reconcile"]).await;
    assert!(
        !refused.succeeded && refused.out.is_empty() && refused.err.contains("vestibule migrate"),
        "{}",
        refused.err
    );
}

#[tokio::test]
async fn a_wrong_key_and_an_unreachable_database_are_reported_at_once() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    let ada = clerk.create_user("ada@example.test", "Ada").await;
    for arguments in [&["reconcile"][..], &["sync", "--user", &ada]] {
        let wrong = |name: &'static str, value: &'static str| {
            let mut command = vestibule(&app, &clerk, arguments);
            async move { command.env(name, value).output().await.expect("it starts") }
        };
        let refused = wrong("CLERK_SECRET_KEY", "sk_live_of_another_instance").await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("CLERK_SECRET_KEY is not a key of this instance"), "{said}");
        // Nothing listens there.
        let refused = wrong("DATABASE_WORKER_URL", "postgres://worker:secret@127.0.0.1:1/vestibule").await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("the database does not answer") && !said.contains("secret"), "{said}");
        assert!(!refused.status.success() && refused.stdout.is_empty());
    }
}

#[tokio::test]
async fn commands_without_configuration_name_what_is_missing() {
    let clerk = Emulated::start().await;
    let app = clerk.app().await;
    for arguments in [&["reconcile"][..], &["sync", "--user", "user_ada"]] {
        let output = vestibule(&app, &clerk, arguments)
            .env_remove("CLERK_SECRET_KEY")
            .env("RECONCILE_HOURS", "often")
            .output()
            .await;
        let output = output.expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("CLERK_SECRET_KEY: is not set"), "{said}");
        assert!(
            said.contains("RECONCILE_HOURS: must be a whole number of hours, 0 (never) to 720; it is \"often\""),
            "{said}"
        );
    }
}
