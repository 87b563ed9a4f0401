//! Two processes on one database: each message takes effect once, and every user's order is kept.

use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::app::App;
use super::checks::{check, settled};
use super::users::User;
use super::{World, say, variable};

/// Each user creates four organizations.
const USERS: usize = 250;
/// How many users act concurrently.
const CONCURRENT: usize = 32;
/// The probability that a call to Clerk is broken.
const FAULT_RATE: f64 = 0.15;
/// Longest wait for everything to settle at the end.
const REST: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_organizations_at_two_processes() {
    let seed = variable("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    say(&format!("two processes: seed {seed}"));
    let mut rng = Rng::with_seed(seed);
    let world = World::start().await;
    world.control("off", 0).await;
    let apps = [App::start(&world, None).await, App::start(&world, None).await];
    world.proxy.route_webhooks_to(&[&apps[0], &apps[1]]);
    let labels: Vec<_> = (0..USERS).map(|number| format!("p{number}")).collect();
    let mut users = join_all(labels.iter().map(|label| world.sign_up(label))).await;

    // The emulator keeps at most a thousand events.
    settled(&world, &users, REST).await;

    // From here on Clerk's rate limits apply.
    world.control("backend", 100).await;
    world.proxy.break_calls(rng.fork(), FAULT_RATE);
    let (seats, began) = (Semaphore::new(CONCURRENT), Instant::now());
    join_all(users.iter_mut().map(|user| {
        let (seats, rng, urls) = (&seats, rng.fork(), [apps[0].url.as_str(), apps[1].url.as_str()]);
        let world = &world;
        async move {
            let _seat = seats.acquire().await.expect("never closed");
            create_four(world, user, urls, rng).await;
        }
    }))
    .await;
    let created = began.elapsed();
    settled(&world, &users, REST).await;
    let calls: usize = users.iter().map(|user| world.proxy.changes(&user.id)).sum();
    say(&format!(
        "two processes: {} organizations in {:.1} s, settled after {:.1} s; Clerk applied {calls} changes, {} calls were broken",
        4 * USERS,
        created.as_secs_f32(),
        began.elapsed().as_secs_f32(),
        world.proxy.broken()
    ));
    check(&world, &users).await;
}

/// One, two at once, and one more, each at the other process.
async fn create_four(world: &World, user: &mut User, mut apps: [&str; 2], mut rng: Rng) {
    rng.shuffle(&mut apps);
    assert!(user.create(world, apps[0]).await, "no answer");
    if rng.u8(..4) == 0 {
        user.rename(world).await;
    }
    user.create_two(world, [apps[1], apps[0]]).await;
    assert!(user.create(world, apps[1]).await, "no answer");
}
