//! The process dies at each point of creation, relay and webhook handling, and nothing is lost.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::Semaphore;
use vestibule::server::failpoint;

use super::app::App;
use super::checks::{check, settled};
use super::people::Person;
use super::{World, say, variable};
use crate::support::all;

const ROUNDS: u64 = 25;
const PEOPLE: usize = 4;
/// Organizations that each of them creates at most before the process dies: below the app's limit.
const CREATIONS: usize = 6;
/// The pass of the point at which the process dies is one of so many.
const PASSES: u32 = 5;
/// Longest wait for rest after a round.
const REST: Duration = Duration::from_secs(20);
/// More points at a time would only slow each other down.
static SEATS: Semaphore = Semaphore::const_new(2);

/// A test for each point.
macro_rules! crashes {
    ($($test:ident $point:literal)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            crash_at(stringify!($test), $point).await;
        })*

        #[test]
        fn every_point_has_a_test() {
            assert_eq!([$($point),*], failpoint::ALL);
        }
    };
}

crashes! {
    creation_opened "creation.opened"
    creation_written "creation.written"
    creation_committed "creation.committed"
    creation_told "creation.notified"
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

/// Says how to repeat a round that fails.
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
    world.proxy.misbehave(rng.fork(), 0.1);
    // The point of a failure needs failures.
    world.proxy.fail_next(if point == "relay.failed" { PASSES as usize } else { 0 });
    let labels: Vec<_> = (0..PEOPLE).map(|number| format!("p{seed}-{number}")).collect();
    let mut people = all(labels.iter().map(|label| world.person(label))).await;

    let mut dying = App::start(world, Some(&format!("{point}:{pass}"))).await;
    world.proxy.lead_webhooks_to(&[&dying]);
    all(people.iter_mut().map(|person| live(world, person, &dying.url, rng.fork()))).await;
    dying.died().await;

    world.proxy.misbehave(rng.fork(), 0.05);
    for person in people.iter_mut().filter(|_| rng.bool()) {
        // Nobody hears of it yet.
        person.rename(world).await;
    }
    let mut app = App::start(world, None).await;
    world.proxy.lead_webhooks_to(&[&app]);
    all(people.iter_mut().map(async |person: &mut Person| {
        person.repeat(world, &app.url).await;
        assert!(person.create(world, &app.url).await, "no answer from a process that lives");
    }))
    .await;
    settled(world, &people, REST).await;
    check(world, &people).await;
    app.kill().await;
}

/// Creates organizations and changes names until the process dies.
async fn live(world: &World, person: &mut Person, app: &str, mut rng: Rng) {
    for _ in 0..CREATIONS {
        if rng.bool() {
            person.rename(world).await;
        }
        if !person.create(world, app).await {
            return;
        }
    }
}
