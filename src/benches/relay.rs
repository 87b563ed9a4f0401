//! How many messages per second one relay delivers, to a Clerk that responds at once and to a slow one.
//!
//! `end2end/bench/relay.mjs` runs this and compares. The yardstick is reqwest alone, with as many concurrent calls,
//! against the same stub of Clerk in the same run: the unavoidable cost. Both run without Clerk's rate limit. Prints
//! one JSON object per round.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::patch;
use embedded_postgres::{Cluster, Lifetime, Options};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;
use vestibule::dev::run::{POSTGRES, prepare_database};
use vestibule::server::clerk::backend_api::{BackendApi, TimeLimits};
use vestibule::server::clerk::limits::CallLimits;
use vestibule::server::clock::Clock;
use vestibule::server::outbox::Outbox;
use vestibule::server::runtime::config::{self};
use vestibule::server::runtime::database;

/// Clerk's latency, and the number of pending messages, each for another user.
const CASES: [(Duration, usize); 2] = [(Duration::ZERO, 2_000), (Duration::from_millis(100), 160)];
const ROUNDS: usize = 3;
/// The relay's own number of concurrent calls.
const CONCURRENT_CALLS: usize = 8;
/// A rate limit that is never reached.
const CALLS_ALLOWED: u32 = 100_000_000;
const KEY: &str = "sk_live_only_for_measurements";

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    // Started by root, Postgres runs as another user, which must be able to reach its data.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("our own folder");
    let binaries = POSTGRES.find(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("npm packages are installed");
    let options = Options { binaries, data_dir: folder.path().join("postgres"), lifetime: Lifetime::Kept };
    let cluster = Cluster::start(options).await.expect("Postgres starts");
    let logins = prepare_database(&cluster, "bench").await.expect("a database");
    let addresses = config::database_from_variables(&logins).expect("addresses");
    let owner = addresses.migration.clone().expect("the owner's address");
    database::migrate(&owner, &addresses).await.expect("the schema");
    let pools = database::open(&addresses).expect("pools");
    let owner = PgPoolOptions::new().max_connections(1).connect_lazy(owner.expose_secret()).expect("an address");

    for (delay, count) in CASES {
        let (url, answered) = stub(delay).await;
        for round in 0..ROUNDS {
            let plain = plain(&url, count).await;
            answered.store(0, Ordering::SeqCst);
            let relayed = relayed(&url, &owner, &pools.worker, round, count).await;
            assert_eq!(answered.load(Ordering::SeqCst), count, "each message is sent once");
            println!("{}", json!({"delay_ms": delay.as_millis(), "plain": plain, "relay": relayed}));
        }
    }
    owner.close().await;
    pools.request.close().await;
    pools.worker.close().await;
    cluster.stop().await.expect("Postgres stops");
}

/// A stub of Clerk's Backend API, and its number of responses.
async fn stub(delay: Duration) -> (Url, Arc<AtomicUsize>) {
    let answered = Arc::new(AtomicUsize::new(0));
    let counter = answered.clone();
    let update = move |axum::extract::Path(user): axum::extract::Path<String>, _body: axum::body::Bytes| {
        let counter = counter.clone();
        async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            counter.fetch_add(1, Ordering::SeqCst);
            axum::Json(json!({
                "id": user, "object": "user", "first_name": "Ada", "last_name": "Lovelace", "username": null,
                "primary_email_address_id": "idn_1",
                "email_addresses": [
                    {"id": "idn_1", "object": "email_address", "email_address": "ada@example.test", "linked_to": [], "verification": {"status": "verified"}}
                ],
                "public_metadata": {}, "private_metadata": {}, "unsafe_metadata": {},
                "created_at": 1_767_000_000_000_i64, "updated_at": 1_767_000_000_000_i64,
            }))
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
    let router = Router::new().route("/v1/users/{id}/metadata", patch(update));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, answered)
}

/// Calls per second without a relay.
async fn plain(url: &Url, count: usize) -> f64 {
    let client = reqwest::Client::new();
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CONCURRENT_CALLS {
        let (client, next, url) = (client.clone(), next.clone(), url.clone());
        callers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= count {
                    break;
                }
                let url = url.join(&format!("/v1/users/user_{number}/metadata")).expect("a URL");
                let body =
                    json!({"public_metadata": {"activeOrgId": uuid::Uuid::now_v7(), "onboardingComplete": true}});
                let answer = client.patch(url).bearer_auth(KEY).json(&body).send().await.expect("an answer");
                answer.json::<serde_json::Value>().await.expect("a user");
            }
        });
    }
    callers.join_all().await;
    per_second(count, began)
}

/// Messages per second of a relay that starts when all are pending, until the last one is marked as delivered.
async fn relayed(url: &Url, owner: &PgPool, worker: &PgPool, round: usize, count: usize) -> f64 {
    sqlx::query(
        "insert into outbox_messages (user_id, kind, payload, created_at, available_at)
         select format('user_%s_%s_%s', $1, $2, number), 'update_user_metadata',
                jsonb_build_object('public_metadata', jsonb_build_object('activeOrgId', gen_random_uuid(), 'onboardingComplete', true)),
                now(), now()
         from generate_series(1, $2) as number",
    )
    .bind(round as i64)
    .bind(count as i64)
    .execute(owner)
    .await
    .expect("an insert");
    let clock = Clock::system();
    let limits = CallLimits::allowing(CALLS_ALLOWED, clock.clone());
    let time_limits = TimeLimits { connect: Duration::from_secs(2), call: Duration::from_secs(8) };
    let clerk = BackendApi::with_limits(url.clone(), SecretString::from(KEY), time_limits, limits).expect("a client");
    let outbox = Outbox::new(worker.clone(), clerk, clock, TaskTracker::new());
    let stop = CancellationToken::new();
    let began = Instant::now();
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { outbox.run(stop).await }
    });
    let pending = "select exists (select from outbox_messages where delivered_at is null)";
    while sqlx::query_scalar(pending).fetch_one(owner).await.expect("an answer") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let speed = per_second(count, began);
    stop.cancel();
    running.await.expect("no panic");
    speed
}

fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
