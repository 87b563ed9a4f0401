//! Two processes on one database: each message takes effect once, and everybody's order is kept.

use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::Semaphore;

use super::app::App;
use super::checks::{check, settled};
use super::people::Person;
use super::{World, say, variable};
use crate::support::all;

/// Each creates four organizations.
const PEOPLE: usize = 250;
/// So many of them at a time.
const AT_ONCE: usize = 32;
/// How likely a call to Clerk is broken.
const OFTEN: f64 = 0.15;
/// Longest wait for rest in the end.
const REST: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_organizations_at_two_processes() {
    let seed = variable("CRASH_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000_000));
    say(&format!("two processes: seed {seed}"));
    let mut rng = Rng::with_seed(seed);
    let world = World::start().await;
    world.control("off", 0).await;
    let apps = [App::start(&world, None).await, App::start(&world, None).await];
    world.proxy.lead_webhooks_to(&[&apps[0], &apps[1]]);
    let labels: Vec<_> = (0..PEOPLE).map(|number| format!("p{number}")).collect();
    let mut people = all(labels.iter().map(|label| world.person(label))).await;

    // The emulator keeps a thousand events at most.
    settled(&world, &people, REST).await;

    // From here on Clerk counts our calls.
    world.control("backend", 100).await;
    world.proxy.misbehave(rng.fork(), OFTEN);
    let (seats, began) = (Semaphore::new(AT_ONCE), Instant::now());
    all(people.iter_mut().map(|person| {
        let (seats, rng, urls) = (&seats, rng.fork(), [apps[0].url.as_str(), apps[1].url.as_str()]);
        let world = &world;
        async move {
            let _seat = seats.acquire().await.expect("never closed");
            create_four(world, person, urls, rng).await;
        }
    }))
    .await;
    let created = began.elapsed();
    settled(&world, &people, REST).await;
    let calls: usize = people.iter().map(|person| world.proxy.changes(&person.id)).sum();
    say(&format!(
        "two processes: {} organizations in {:.1} s, at rest after {:.1} s; Clerk made {calls} changes, {} calls were broken",
        4 * PEOPLE,
        created.as_secs_f32(),
        began.elapsed().as_secs_f32(),
        world.proxy.broken()
    ));
    check(&world, &people).await;
}

/// One, two at once, and one more, each at the other process.
async fn create_four(world: &World, person: &mut Person, mut apps: [&str; 2], mut rng: Rng) {
    rng.shuffle(&mut apps);
    assert!(person.create(world, apps[0]).await, "no answer");
    if rng.u8(..4) == 0 {
        person.rename(world).await;
    }
    person.create_two(world, [apps[1], apps[0]]).await;
    assert!(person.create(world, apps[1]).await, "no answer");
}
