//! The wait against a simulated world on a virtual clock.

use super::*;

const FRESH: ActiveOrganizationClaim = ActiveOrganizationClaim::Organization(OrganizationId(uuid::Uuid::from_u128(1)));
const OLD: ActiveOrganizationClaim = ActiveOrganizationClaim::Organization(OrganizationId(uuid::Uuid::from_u128(2)));

/// A world in which things become true at given times (ms); every call takes `latency_ms`.
struct World {
    latency_ms: f64,
    delivered_at: f64,
    visible_at: f64,
    reload_works: bool,
    skip_cache_works: bool,
    server_answers: bool,
    template: bool,
}

const QUICK: World = World {
    latency_ms: 20.0,
    delivered_at: 0.0,
    visible_at: 0.0,
    reload_works: true,
    skip_cache_works: true,
    server_answers: true,
    template: true,
};

struct Outcome {
    end: Step,
    steps: Vec<Step>,
    at_ms: f64,
}

fn run(world: &World) -> Outcome {
    let mut now = 1_000.0;
    let start = now;
    let elapsed = |now: f64| now - start;
    let delivery = |now: f64| if elapsed(now) >= world.delivered_at { Delivery::Delivered } else { Delivery::Pending };
    let mut cookie = if world.template { OLD } else { ActiveOrganizationClaim::NoTemplate };
    let (mut wait, mut step) = Wait::begin(OrganizationId(uuid::Uuid::from_u128(1)), delivery(now), BOUNDS, now);
    let mut steps = vec![step];
    loop {
        assert!(steps.len() < 200, "the wait does not end: {steps:?}");
        let fresh_for_clerk = elapsed(now) >= world.delivered_at.max(world.visible_at);
        let seen = match step {
            Step::Arrived | Step::GiveUp(_) => return Outcome { end: step, steps, at_ms: elapsed(now) },
            Step::Pause { ms } => {
                now += f64::from(ms);
                Seen::Paused
            }
            Step::Reload { limit_ms } | Step::SkipCache { limit_ms } => {
                assert_eq!(wait.delivery, Delivery::Delivered, "Clerk was asked before it had been told");
                let works =
                    if matches!(step, Step::Reload { .. }) { world.reload_works } else { world.skip_cache_works };
                if world.latency_ms > f64::from(limit_ms) {
                    now += f64::from(limit_ms);
                    Seen::Failed
                } else {
                    now += world.latency_ms;
                    if works && fresh_for_clerk && world.template {
                        cookie = FRESH;
                    }
                    Seen::Cookie(Some(cookie))
                }
            }
            Step::AskServer { limit_ms } => {
                if !world.server_answers || world.latency_ms > f64::from(limit_ms) {
                    now += world.latency_ms.min(f64::from(limit_ms));
                    Seen::Failed
                } else {
                    now += world.latency_ms;
                    let inside = cookie == FRESH || !world.template;
                    Seen::Server(SessionStatus { inside, waiting: !inside, delivery: delivery(now) })
                }
            }
        };
        step = wait.next(seen, now);
        steps.push(step);
    }
}

fn calls_to_clerk(outcome: &Outcome) -> usize {
    outcome.steps.iter().filter(|step| matches!(step, Step::Reload { .. } | Step::SkipCache { .. })).count()
}

#[test]
fn the_usual_case_is_one_reload_and_one_confirmation() {
    let outcome = run(&QUICK);
    assert!(
        matches!(outcome.steps[..], [Step::Reload { .. }, Step::AskServer { .. }, Step::Arrived]),
        "{:?}",
        outcome.steps
    );
    assert_eq!(outcome.at_ms, 40.0);
}

#[test]
fn a_slow_clerk_is_asked_again_past_its_caches() {
    let outcome = run(&World { visible_at: 700.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert!(matches!(outcome.steps[2], Step::SkipCache { .. }), "{:?}", outcome.steps);
    assert_eq!(calls_to_clerk(&outcome), 4);
}

#[test]
fn a_reload_that_brings_old_tokens_does_not_matter() {
    let outcome = run(&World { reload_works: false, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(calls_to_clerk(&outcome), 2);
}

#[test]
fn neither_does_an_edge_that_repeats_old_claims() {
    let outcome = run(&World { skip_cache_works: false, visible_at: 400.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert!(calls_to_clerk(&outcome) <= 5);
}

#[test]
fn clerk_is_not_asked_before_it_has_been_told() {
    // The assertion sits in the simulation.
    let outcome = run(&World { delivered_at: 3_000.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(calls_to_clerk(&outcome), 1);
    assert!(outcome.at_ms < 3_500.0, "{}", outcome.at_ms);
}

#[test]
fn ten_attempts_are_the_most() {
    let outcome = run(&World { visible_at: f64::INFINITY, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::TokenStale));
    assert_eq!(calls_to_clerk(&outcome), 10);
    assert_eq!(outcome.at_ms, 10.0 * 20.0 + 9.0 * 300.0);
}

#[test]
fn an_undelivered_change_is_named_at_the_cap() {
    let outcome = run(&World { delivered_at: f64::INFINITY, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NotDelivered));
    assert_eq!(calls_to_clerk(&outcome), 0);
    assert!(outcome.at_ms >= 10_000.0 && outcome.at_ms < 10_020.0, "{}", outcome.at_ms);
}

#[test]
fn what_clerk_refused_for_good_is_not_waited_for() {
    let organization = OrganizationId(uuid::Uuid::from_u128(1));
    let (mut wait, step) = Wait::begin(organization, Delivery::Failed, BOUNDS, 0.0);
    assert!(matches!(step, Step::AskServer { .. }));
    let refused = SessionStatus { inside: false, waiting: true, delivery: Delivery::Failed };
    assert_eq!(wait.next(Seen::Server(refused), 20.0), Step::GiveUp(GaveUp::NotDelivered));

    let (mut wait, _) = Wait::begin(organization, Delivery::Failed, BOUNDS, 0.0);
    let let_in = SessionStatus { inside: true, waiting: false, delivery: Delivery::Failed };
    assert_eq!(wait.next(Seen::Server(let_in), 20.0), Step::Arrived);
}

#[test]
fn calls_that_never_answer_cannot_break_the_cap() {
    let outcome = run(&World { latency_ms: f64::INFINITY, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::Unreachable));
    assert_eq!(outcome.at_ms, 10_000.0);
}

#[test]
fn a_server_that_does_not_answer_keeps_the_door_closed() {
    let outcome = run(&World { server_answers: false, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::Unreachable));
}

#[test]
fn without_a_claims_template_nobody_waits() {
    let outcome = run(&World { template: false, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(outcome.steps.len(), 3);
}

#[test]
fn every_world_ends_within_the_cap() {
    for latency_ms in [0.0, 1.0, 299.0, 2_500.0, 3_999.0, 4_001.0, 20_000.0] {
        for delivered_at in [0.0, 150.0, 5_000.0, 9_990.0, f64::INFINITY] {
            for visible_at in [0.0, 400.0, 9_000.0, f64::INFINITY] {
                for (reload_works, skip_cache_works) in [(true, true), (true, false), (false, true), (false, false)] {
                    let outcome =
                        run(&World { latency_ms, delivered_at, visible_at, reload_works, skip_cache_works, ..QUICK });
                    assert!(outcome.at_ms <= 10_001.0 + latency_ms.min(1.0), "{} {:?}", outcome.at_ms, outcome.steps);
                    assert!(calls_to_clerk(&outcome) <= 10);
                }
            }
        }
    }
}
