//! The wait in a simulated world with a virtual clock.

use super::*;

const ORGANIZATION: OrganizationId = OrganizationId(uuid::Uuid::from_u128(1));
const FRESH: ActiveOrganizationClaim = ActiveOrganizationClaim::Organization(ORGANIZATION);
const OLD: ActiveOrganizationClaim = ActiveOrganizationClaim::Organization(OrganizationId(uuid::Uuid::from_u128(2)));
const NEVER: f64 = f64::INFINITY;

/// How one of Clerk's two calls behaves.
#[derive(Clone, Copy, PartialEq)]
enum Call {
    Fresh,
    /// Returns stale tokens.
    Old,
    /// Is rejected at once.
    Fails,
    /// Does not answer: clerk-js hides failures by retrying.
    Hangs,
}

/// A world in which things become true at given times (ms); every call takes `latency_ms`.
#[derive(Clone, Copy)]
struct World {
    /// `None`: any token will do.
    organization: Option<OrganizationId>,
    bounds: Bounds,
    latency_ms: f64,
    delivered_at: f64,
    visible_at: f64,
    reload: Call,
    skip_cache: Call,
    /// When the server is unreachable: from, until.
    cut_off: (f64, f64),
    template: bool,
    /// Until when the server can use no token at all, such as one without `azp`.
    unusable_until: f64,
    signed_out_at: f64,
    /// When clerk-js has loaded.
    loaded_at: f64,
    /// clerk-js's script is blocked.
    blocked: bool,
}

const QUICK: World = World {
    organization: Some(ORGANIZATION),
    bounds: BOUNDS,
    latency_ms: 20.0,
    delivered_at: 0.0,
    visible_at: 0.0,
    reload: Call::Fresh,
    skip_cache: Call::Fresh,
    cut_off: (NEVER, NEVER),
    template: true,
    unusable_until: 0.0,
    signed_out_at: NEVER,
    loaded_at: 0.0,
    blocked: false,
};

struct Outcome {
    end: Step,
    steps: Vec<Step>,
    stages: Vec<Stage>,
    at_ms: f64,
}

fn run(world: &World) -> Outcome {
    let start = 1_000.0;
    let mut elapsed = 0.0;
    let delivery = |elapsed: f64| if elapsed >= world.delivered_at { Delivery::Delivered } else { Delivery::Pending };
    let mut cookie = if world.template { OLD } else { ActiveOrganizationClaim::NoTemplate };
    // Whether a token is usable is decided when it is issued.
    let mut usable = elapsed >= world.unusable_until;
    // The token-pending screen does not know the delivery at first.
    let known = if world.organization.is_some() { delivery(elapsed) } else { Delivery::Delivered };
    let (mut wait, mut step) = Wait::begin(world.organization, known, Some(cookie), world.bounds, start);
    let mut steps = vec![step];
    let mut stages = Vec::new();
    loop {
        if stages.last() != Some(&wait.stage()) {
            stages.push(wait.stage());
        }
        assert!(steps.len() < 200, "the wait does not end: {steps:?}");
        let signed_out = elapsed >= world.signed_out_at;
        let (seen, took) = match step {
            Step::Arrived | Step::GiveUp(_) => return Outcome { end: step, steps, stages, at_ms: elapsed },
            Step::Load { .. } if world.blocked => (Seen::NotLoaded, 1.0),
            Step::Load { limit_ms } => match (world.loaded_at - elapsed).max(0.0) {
                left if left > f64::from(limit_ms) => (Seen::TimedOut, f64::from(limit_ms)),
                left => (Seen::Loaded, left),
            },
            Step::Pause { ms } => (Seen::Paused, f64::from(ms)),
            Step::Reload { limit_ms } | Step::SkipCache { limit_ms } => {
                let too_early = world.organization.is_some() && usable && wait.delivery != Delivery::Delivered;
                assert!(!too_early, "Clerk was called before it was notified: {steps:?}");
                assert!(elapsed >= world.loaded_at && !world.blocked, "clerk-js has not loaded: {steps:?}");
                let call = if matches!(step, Step::Reload { .. }) { world.reload } else { world.skip_cache };
                let limit = f64::from(limit_ms);
                match call {
                    _ if signed_out => (Seen::SignedOut, world.latency_ms.min(limit)),
                    Call::Hangs => (Seen::TimedOut, limit),
                    _ if world.latency_ms > limit => (Seen::TimedOut, limit),
                    Call::Fails => (Seen::Failed, world.latency_ms),
                    Call::Fresh | Call::Old => {
                        if call == Call::Fresh && world.template && elapsed >= world.delivered_at.max(world.visible_at)
                        {
                            cookie = FRESH;
                        }
                        usable = elapsed >= world.unusable_until;
                        (Seen::Cookie(Some(cookie)), world.latency_ms)
                    }
                }
            }
            Step::AskServer { limit_ms } => {
                let inside = cookie == FRESH || !world.template;
                let limit = f64::from(limit_ms);
                let (from, until) = world.cut_off;
                if (from..until).contains(&elapsed) {
                    (Seen::Failed, 1.0)
                } else if world.latency_ms > limit {
                    (Seen::TimedOut, limit)
                } else if signed_out {
                    (Seen::SignedOut, world.latency_ms)
                } else if !usable {
                    (Seen::Stale, world.latency_ms)
                } else {
                    let status = SessionStatus { inside, waiting: !inside, delivery: delivery(elapsed) };
                    (Seen::Server(status), world.latency_ms)
                }
            }
        };
        elapsed += took;
        step = wait.next(seen, start + elapsed);
        steps.push(step);
    }
}

fn calls_to_clerk(outcome: &Outcome) -> usize {
    outcome.steps.iter().filter(|step| matches!(step, Step::Reload { .. } | Step::SkipCache { .. })).count()
}

fn calls_to_server(outcome: &Outcome) -> usize {
    outcome.steps.iter().filter(|step| matches!(step, Step::AskServer { .. })).count()
}

#[test]
fn the_usual_case_is_one_reload_and_one_confirmation() {
    let outcome = run(&QUICK);
    assert!(
        matches!(outcome.steps[..], [Step::Load { .. }, Step::Reload { .. }, Step::AskServer { .. }, Step::Arrived]),
        "{:?}",
        outcome.steps
    );
    assert_eq!(outcome.at_ms, 40.0);
}

#[test]
fn a_slow_clerk_is_asked_again_without_its_caches() {
    let outcome = run(&World { visible_at: 700.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert!(matches!(outcome.steps[3], Step::SkipCache { .. }), "{:?}", outcome.steps);
    assert_eq!(calls_to_clerk(&outcome), 4);
}

#[test]
fn the_wait_survives_reloads_that_return_stale_tokens() {
    let outcome = run(&World { reload: Call::Old, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(calls_to_clerk(&outcome), 2);
}

#[test]
fn the_wait_survives_an_edge_that_repeats_old_claims() {
    let outcome = run(&World { skip_cache: Call::Old, visible_at: 400.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert!(calls_to_clerk(&outcome) <= 5);
}

#[test]
fn when_one_call_for_a_token_fails_the_other_is_tried() {
    for skip_cache in [Call::Fails, Call::Hangs] {
        let outcome = run(&World { skip_cache, visible_at: 200.0, ..QUICK });
        assert_eq!(outcome.end, Step::Arrived);
        assert_eq!(calls_to_clerk(&outcome), 3);
        assert!(matches!(outcome.steps[outcome.steps.len() - 3], Step::Reload { .. }), "{:?}", outcome.steps);
    }
    let outcome = run(&World { reload: Call::Hangs, visible_at: 200.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(calls_to_clerk(&outcome), 2);
}

#[test]
fn clerk_is_not_called_before_it_is_notified() {
    // The simulation asserts it.
    let outcome = run(&World { delivered_at: 3_000.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(calls_to_clerk(&outcome), 1);
    assert!(outcome.at_ms < 3_900.0, "{}", outcome.at_ms);
}

/// The most calls to Clerk that fit into the 10 s.
const MAX_ATTEMPTS: usize = 17;
/// The most calls to our server.
const MAX_SERVER_CALLS: usize = 28;

#[test]
fn attempts_become_slower_and_fill_the_bound() {
    let outcome = run(&World { visible_at: NEVER, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::TokenStale));
    assert_eq!(outcome.at_ms, 10_000.0);
    assert!((14..=MAX_ATTEMPTS).contains(&calls_to_clerk(&outcome)), "{:?}", outcome.steps);
    // After each four attempts, and at the end.
    assert!((3..=5).contains(&calls_to_server(&outcome)), "{:?}", outcome.steps);
    let pauses: Vec<u32> = outcome
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Pause { ms } => Some(*ms),
            _ => None,
        })
        .collect();
    assert_eq!(pauses[..3], [300, 350, 400]);
    assert!(pauses.iter().all(|ms| *ms <= 700), "{pauses:?}");
}

#[test]
fn a_new_token_is_noticed_within_a_second() {
    for visible_at in (0..=90).map(|tenth| f64::from(tenth) * 100.0) {
        let outcome = run(&World { visible_at, ..QUICK });
        assert_eq!(outcome.end, Step::Arrived, "{visible_at}");
        assert!(outcome.at_ms - visible_at < 1_000.0, "{visible_at}: {}", outcome.at_ms);
    }
}

#[test]
fn loading_costs_no_attempt_and_has_its_own_message() {
    for loaded_at in [2_000.0, 12_000.0, 29_000.0] {
        let outcome = run(&World { loaded_at, visible_at: loaded_at + 8_000.0, ..QUICK });
        assert_eq!(outcome.end, Step::Arrived);
        assert_eq!(
            outcome.stages,
            [Stage::RefreshingSession, Stage::Loading, Stage::RefreshingSession, Stage::Opening]
        );
        assert!(outcome.at_ms > loaded_at + 8_000.0 && outcome.at_ms < loaded_at + 9_000.0, "{}", outcome.at_ms);
    }
    // A fast load is not mentioned.
    let outcome = run(&World { loaded_at: 800.0, ..QUICK });
    assert_eq!(outcome.stages, [Stage::RefreshingSession, Stage::Opening]);
    // A script that never loads is named as such, not as a slow Clerk.
    let outcome = run(&World { loaded_at: NEVER, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NotLoaded));
    assert_eq!(outcome.at_ms, 30_000.0);
    assert!(calls_to_server(&outcome) <= 9, "{:?}", outcome.steps);
    assert_eq!(GaveUp::NotLoaded.tried(), TRIED_NOT_LOADED);
    // Without any connection, the wait does not last longer for it.
    let outcome = run(&World { loaded_at: NEVER, cut_off: (0.0, NEVER), ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NoConnection));
    assert!(outcome.at_ms <= 10_001.0, "{}", outcome.at_ms);
}

#[test]
fn a_blocked_script_ends_the_wait_and_is_named() {
    let outcome = run(&World { blocked: true, visible_at: NEVER, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NotLoaded));
    assert!(outcome.at_ms < 4_000.0, "{}", outcome.at_ms);
    let loads = outcome.steps.iter().filter(|step| matches!(step, Step::Load { .. })).count();
    assert_eq!(loads, 3, "{:?}", outcome.steps);
    // The token may be sufficient anyway.
    let outcome = run(&World { blocked: true, template: false, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    let outcome = run(&World { blocked: true, cut_off: (0.0, NEVER), ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NoConnection));
    assert!(outcome.at_ms <= 10_001.0, "{}", outcome.at_ms);
}

#[test]
fn the_screen_after_the_bound_checks_for_a_minute() {
    assert_eq!(recheck_pauses().sum::<u32>(), 60_000);
    assert!(recheck_pauses().is_sorted() && recheck_pauses().next() == Some(2_000));
    assert_eq!(RECHECK_WITHOUT_SCRIPT_MS * RECHECKS_WITHOUT_SCRIPT, 60_000);
}

#[test]
fn an_undelivered_change_is_named_at_the_cap() {
    let outcome = run(&World { delivered_at: NEVER, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NotDelivered));
    assert_eq!(calls_to_clerk(&outcome), 0);
    assert!(outcome.at_ms >= 10_000.0 && outcome.at_ms < 10_020.0, "{}", outcome.at_ms);
}

#[test]
fn a_change_that_clerk_rejected_ends_the_wait() {
    let begin = || Wait::begin(Some(ORGANIZATION), Delivery::Failed, Some(OLD), BOUNDS, 0.0);
    let (mut wait, step) = begin();
    assert!(matches!(step, Step::AskServer { .. }));
    let waiting = SessionStatus { inside: false, waiting: true, delivery: Delivery::Failed };
    assert_eq!(wait.next(Seen::Server(waiting), 20.0), Step::GiveUp(GaveUp::NotDelivered));

    let (mut wait, _) = begin();
    let inside = SessionStatus { inside: true, waiting: false, delivery: Delivery::Failed };
    assert_eq!(wait.next(Seen::Server(inside), 20.0), Step::Arrived);
}

#[test]
fn hanging_calls_cannot_exceed_the_cap() {
    let outcome = run(&World { latency_ms: NEVER, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NoConnection));
    assert_eq!(outcome.at_ms, 10_000.0);
}

#[test]
fn the_reason_names_the_side_that_does_not_answer() {
    for (call, why) in [(Call::Fails, GaveUp::ClerkUnreachable), (Call::Hangs, GaveUp::ClerkSlow)] {
        let outcome = run(&World { reload: call, skip_cache: call, ..QUICK });
        assert_eq!(outcome.end, Step::GiveUp(why));
        assert!(calls_to_server(&outcome) <= 18, "{:?}", outcome.steps);
    }
    let outcome = run(&World { cut_off: (0.0, NEVER), ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NoConnection));
    // Each failed call is an error on the console.
    assert!(calls_to_server(&outcome) <= 12, "{:?}", outcome.steps);
    // A last call cut short by the end of the wait is not a slow Clerk.
    let slow = run(&World { latency_ms: 1_400.0, visible_at: NEVER, ..QUICK });
    assert_eq!(slow.end, Step::GiveUp(GaveUp::TokenStale));
}

#[test]
fn the_wait_continues_when_the_connection_comes_back() {
    let outcome = run(&World { cut_off: (0.0, 5_000.0), ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert!(outcome.at_ms < 6_100.0, "{}", outcome.at_ms);
    assert_eq!(calls_to_clerk(&outcome), 1);
}

#[test]
fn without_a_claims_template_there_is_no_wait() {
    for delivered_at in [0.0, NEVER] {
        let outcome = run(&World { template: false, delivered_at, ..QUICK });
        assert!(matches!(outcome.steps[..], [Step::AskServer { .. }, Step::Arrived]), "{:?}", outcome.steps);
    }
}

#[test]
fn an_unusable_token_is_replaced() {
    let outcome = run(&World { unusable_until: 10.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    let [
        Step::Load { .. },
        Step::Reload { .. },
        Step::AskServer { .. },
        Step::Pause { .. },
        Step::SkipCache { .. },
        ..,
    ] = outcome.steps[..]
    else {
        panic!("{:?}", outcome.steps);
    };
    // Even before Clerk is notified: without a usable token, the server cannot say when that happens.
    let outcome = run(&World { unusable_until: 10.0, delivered_at: 2_000.0, ..QUICK });
    assert_eq!(outcome.end, Step::Arrived);
    assert_eq!(calls_to_clerk(&outcome), 2);

    let outcome = run(&World { unusable_until: NEVER, ..QUICK });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::TokenStale));
    assert!(calls_to_clerk(&outcome) <= MAX_ATTEMPTS && calls_to_server(&outcome) <= MAX_SERVER_CALLS);
}

#[test]
fn signing_out_ends_the_wait_at_once() {
    for (delivered_at, visible_at) in [(0.0, NEVER), (NEVER, NEVER)] {
        let outcome = run(&World { delivered_at, visible_at, signed_out_at: 1_000.0, ..QUICK });
        assert_eq!(outcome.end, Step::GiveUp(GaveUp::SignedOut));
        assert!(outcome.at_ms <= 1_640.0, "{}", outcome.at_ms);
    }
}

/// A wait with clerk-js loaded and Clerk not yet notified.
fn pending() -> Wait {
    let (mut wait, step) = Wait::begin(Some(ORGANIZATION), Delivery::Pending, Some(OLD), BOUNDS, 0.0);
    assert!(matches!(step, Step::Load { .. }));
    assert!(matches!(wait.next(Seen::Loaded, 0.0), Step::Pause { .. }));
    wait
}

#[test]
fn what_waiting_cannot_fix_ends_the_wait_at_once() {
    let mut wait = pending();
    assert!(matches!(wait.next(Seen::Paused, 300.0), Step::AskServer { .. }));
    assert_eq!(wait.next(Seen::Refused, 320.0), Step::GiveUp(GaveUp::Elsewhere));

    // Another user has signed in, or the organization is gone.
    let mut wait = pending();
    wait.next(Seen::Paused, 300.0);
    let elsewhere = SessionStatus { inside: false, waiting: false, delivery: Delivery::Delivered };
    assert_eq!(wait.next(Seen::Server(elsewhere), 320.0), Step::GiveUp(GaveUp::Elsewhere));
}

#[test]
fn an_unavailable_server_names_the_cause_itself() {
    let mut wait = pending();
    wait.next(Seen::Paused, 300.0);
    assert_eq!(wait.next(Seen::Unavailable, 320.0), Step::Pause { ms: FAILED_PAUSE_MS });
    wait.next(Seen::Paused, 9_999.0);
    assert_eq!(wait.next(Seen::Unavailable, 10_000.0), Step::GiveUp(GaveUp::Unavailable));
}

#[test]
fn a_browser_that_does_not_keep_the_token_is_named() {
    let (mut wait, mut step) = Wait::begin(None, Delivery::Delivered, None, REFRESH_BOUNDS, 0.0);
    for now in 1.. {
        let seen = match step {
            Step::Load { .. } => Seen::Loaded,
            Step::Pause { .. } => Seen::Paused,
            Step::AskServer { .. } => Seen::Stale,
            _ => Seen::Cookie(None),
        };
        step = wait.next(seen, f64::from(now) * 100.0);
        if let Step::GiveUp(reason) = step {
            assert_eq!(reason, GaveUp::NoCookie);
            assert_eq!(reason.tried(), TRIED_NO_COOKIE);
            return;
        }
    }
}

/// The token-pending screen accepts any token that the gate does, within its own bound.
#[test]
fn the_token_pending_screen_accepts_any_token_that_the_gate_accepts() {
    let any = World { organization: None, bounds: REFRESH_BOUNDS, ..QUICK };
    let outcome = run(&any);
    assert!(
        matches!(outcome.steps[..], [Step::Load { .. }, Step::Reload { .. }, Step::AskServer { .. }, Step::Arrived]),
        "{:?}",
        outcome.steps
    );
    let outcome = run(&World { unusable_until: 500.0, ..any });
    assert_eq!(outcome.end, Step::Arrived);

    let outcome = run(&World { visible_at: NEVER, ..any });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::TokenStale));
    assert!(calls_to_clerk(&outcome) <= 8 && calls_to_server(&outcome) <= 8, "{:?}", outcome.steps);

    // Clerk is asked once, in case the token is stale; then the server says that Clerk has not been notified.
    let outcome = run(&World { delivered_at: NEVER, ..any });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NotDelivered));
    assert_eq!(calls_to_clerk(&outcome), 1);

    let outcome = run(&World { reload: Call::Fails, skip_cache: Call::Fails, ..any });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::ClerkUnreachable));
    let outcome = run(&World { reload: Call::Hangs, skip_cache: Call::Hangs, ..any });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::ClerkSlow));
    assert_eq!(outcome.at_ms, 2_500.0);
    let outcome = run(&World { reload: Call::Hangs, skip_cache: Call::Hangs, cut_off: (100.0, NEVER), ..any });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::NoConnection));
    // A slow phone, with two seconds for each call, is reported as slow.
    let outcome = run(&World { latency_ms: 2_100.0, visible_at: NEVER, ..any });
    assert_eq!(outcome.end, Step::GiveUp(GaveUp::ClerkSlow));
    assert_eq!(GaveUp::ClerkSlow.tried(), TRIED_SLOW);
    assert_eq!(GaveUp::ClerkUnreachable.tried(), TRIED_UNREACHABLE);
}

#[test]
fn every_world_ends_within_the_cap() {
    let calls = [Call::Fresh, Call::Old, Call::Fails, Call::Hangs];
    let cuts = [(NEVER, NEVER), (0.0, NEVER), (700.0, 2_000.0)];
    for latency_ms in [0.0, 1.0, 299.0, 2_500.0, 3_999.0, 4_001.0, 20_000.0] {
        for delivered_at in [0.0, 150.0, 5_000.0, 9_990.0, NEVER] {
            for visible_at in [0.0, 400.0, 9_000.0, NEVER] {
                for (reload, skip_cache) in calls.iter().flat_map(|one| calls.map(|other| (*one, other))) {
                    for (cut_off, unusable_until) in cuts.iter().flat_map(|cut| [0.0, 1_000.0].map(|at| (*cut, at))) {
                        let world = World {
                            latency_ms,
                            delivered_at,
                            visible_at,
                            reload,
                            skip_cache,
                            cut_off,
                            unusable_until,
                            ..QUICK
                        };
                        let outcome = run(&world);
                        let at_ms = outcome.at_ms;
                        assert!(at_ms <= 10_001.0 + latency_ms.min(1.0), "{at_ms} {:?}", outcome.steps);
                        assert!(calls_to_clerk(&outcome) <= MAX_ATTEMPTS, "{:?}", outcome.steps);
                        assert!(calls_to_server(&outcome) <= MAX_SERVER_CALLS, "{:?}", outcome.steps);
                    }
                }
            }
        }
    }
}
