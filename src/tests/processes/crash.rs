//! The process dies at each failpoint of creation, relay and webhook handling, and nothing is lost.

use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use vestibule::server::failpoint;

use super::app::App;
use super::checks::{check, settled};
use super::users::User;
use super::{World, say, variable};

const ROUNDS: u64 = 25;
const USERS: usize = 4;
/// The most organizations that each user creates before the process dies: below the app's limit.
const CREATIONS: usize = 6;
/// The process dies at one of the first passes of the failpoint.
const PASSES: u32 = 5;
/// Longest wait for everything to settle after a round.
const REST: Duration = Duration::from_secs(20);
/// More concurrent tests would only slow each other down.
static SEATS: Semaphore = Semaphore::const_new(2);

/// A test for each failpoint.
macro_rules! crashes {
    ($($test:ident $point:literal)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            crash_at(stringify!($test), $point).await;
        })*

        #[test]
        fn every_failpoint_has_a_test() {
            assert_eq!([$($point),*], failpoint::ALL);
        }
    };
}

crashes! {
    creation_opened "creation.opened"
    creation_written "creation.written"
    creation_committed "creation.committed"
    creation_notified "creation.notified"
    relay_claimed "relay.claimed"
    relay_answered "relay.answered"
    relay_failed "relay.failed"
    relay_marked "relay.marked"
    webhook_verified "webhook.verified"
    webhook_stored "webhook.stored"
    webhook_applied "webhook.applied"
    webhook_committed "webhook.committed"
}

async fn crash_at(test: &str, point: &str) {
    let _seat = SEATS.acquire().await.expect("never closed");
    let rounds = variable("CRASH_ROUNDS").unwrap_or(ROUNDS);
    let first = variable("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    say(&format!("{point}: {rounds} rounds, seeds from {first}"));
    let (world, began) = (World::start().await, Instant::now());
    world.control("off", if point.starts_with("webhook.") { 1_000_000 } else { 0 }).await;
    for seed in first..first + rounds {
        let _hint = Hint { test, seed };
        round(&world, point, seed).await;
    }
    say(&format!(
        "{point}: {rounds} rounds in {:.1} s, {} calls broken",
        began.elapsed().as_secs_f32(),
        world.proxy.broken()
    ));
}

/// Prints how to repeat a failing round.
struct Hint<'a> {
    test: &'a str,
    seed: u64,
}

impl Drop for Hint<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { test, seed } = self;
            say(&format!("To repeat: CRASH_SEED={seed} CRASH_ROUNDS=1 cargo test … --test integration crash::{test}"));
        }
    }
}

async fn round(world: &World, point: &str, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let pass = 1 + rng.u32(..PASSES);
    world.proxy.break_calls(rng.fork(), 0.1);
    // The failpoint of a failure needs failures.
    world.proxy.fail_next(if point == "relay.failed" { PASSES as usize } else { 0 });
    let labels: Vec<_> = (0..USERS).map(|number| format!("p{seed}-{number}")).collect();
    let mut users = join_all(labels.iter().map(|label| world.sign_up(label))).await;

    let mut dying = App::start(world, Some(&format!("{point}:{pass}"))).await;
    world.proxy.route_webhooks_to(&[&dying]);
    join_all(users.iter_mut().map(|user| live(world, user, &dying.url, rng.fork()))).await;
    dying.died().await;

    world.proxy.break_calls(rng.fork(), 0.05);
    for user in users.iter_mut().filter(|_| rng.bool()) {
        // No process receives the webhook yet.
        user.rename(world).await;
    }
    let mut app = App::start(world, None).await;
    world.proxy.route_webhooks_to(&[&app]);
    join_all(users.iter_mut().map(async |user: &mut User| {
        user.repeat(world, &app.url).await;
        assert!(user.create(world, &app.url).await, "no response from a running process");
    }))
    .await;
    settled(world, &users, REST).await;
    check(world, &users).await;
    app.kill().await;
}

/// Creates organizations and changes names until the process dies.
async fn live(world: &World, user: &mut User, app: &str, mut rng: Rng) {
    for _ in 0..CREATIONS {
        if rng.bool() {
            user.rename(world).await;
        }
        if !user.create(world, app).await {
            return;
        }
    }
}
