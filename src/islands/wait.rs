//! Carries out the wait of `model::freshness` in the browser: clerk-js, our server, timers and the cookie.

use std::pin::Pin;

use crate::browser::{self, Clerk, NotStarted};
use crate::model::claims::ActiveOrganizationClaim;
use crate::model::freshness::{Bounds, GaveUp, Seen, Stage, Step, Wait};
use crate::model::ids::OrganizationId;
use crate::model::onboarding::Delivery;
use crate::server_fns::SessionStatus;

/// Waits until the session token carries the organization or, without one, until the gate no longer keeps the token
/// waiting. Calls `enter` when a stage begins.
///
/// Boxed, so that the code exists once in the browser and not once per island.
pub fn until_fresh<'a>(
    organization: Option<OrganizationId>,
    delivery: Delivery,
    bounds: Bounds,
    enter: &'a dyn Fn(Stage),
) -> Pin<Box<dyn Future<Output = Result<(), GaveUp>> + 'a>> {
    Box::pin(async move {
        let cookie = browser::session_cookie_claim();
        let (mut wait, mut step) = Wait::begin(organization, delivery, cookie, bounds, browser::now_ms());
        let mut entered = None;
        loop {
            let stage = wait.stage();
            if entered.replace(stage) != Some(stage) {
                enter(stage);
            }
            let seen = match step {
                Step::Arrived => return Ok(()),
                Step::GiveUp(reason) => {
                    browser::debug(why(reason));
                    return Err(reason);
                }
                Step::Load { limit_ms } => match browser::within(limit_ms, Clerk::start()).await {
                    None => {
                        browser::debug("clerk-js is still loading");
                        Seen::TimedOut
                    }
                    Some(Ok(_)) => Seen::Loaded,
                    Some(Err(NotStarted::NotLoaded)) => Seen::NotLoaded,
                    Some(Err(NotStarted::Failed)) => Seen::Failed,
                },
                Step::Reload { limit_ms } => {
                    browser::debug("reloading the Clerk session to get a token with the organization");
                    ask_clerk(limit_ms, true).await
                }
                Step::SkipCache { limit_ms } => {
                    browser::debug("asking Clerk for a token without its caches");
                    ask_clerk(limit_ms, false).await
                }
                Step::AskServer { limit_ms } => {
                    browser::debug("asking the server how it sees the session");
                    ask_server(limit_ms).await
                }
                Step::Pause { ms } => {
                    browser::sleep(ms).await;
                    Seen::Paused
                }
            };
            if let Some(line) = what(seen, organization) {
                browser::debug(line);
            }
            step = wait.next(seen, browser::now_ms());
        }
    })
}

fn why(reason: GaveUp) -> &'static str {
    match reason {
        GaveUp::NotDelivered => "giving up: Clerk has not been notified yet",
        GaveUp::TokenStale => "giving up: Clerk's tokens are still without the organization",
        GaveUp::ClerkUnreachable => "giving up: Clerk does not answer",
        GaveUp::ClerkSlow => "giving up: Clerk has not answered yet",
        GaveUp::NotLoaded => "giving up: clerk-js could not be loaded",
        GaveUp::NoCookie => "giving up: the browser does not keep the token",
        GaveUp::NoConnection => "giving up: the server does not answer",
        GaveUp::Unavailable => "giving up: the server cannot check the session now",
        GaveUp::SignedOut => "giving up: signed out",
        GaveUp::Elsewhere => "giving up: the server sends this session elsewhere",
    }
}

fn what(seen: Seen, organization: Option<OrganizationId>) -> Option<&'static str> {
    Some(match seen {
        Seen::Cookie(Some(ActiveOrganizationClaim::Organization(id))) if organization.is_none_or(|o| o == id) => {
            "session reloaded: the token names the organization"
        }
        Seen::Cookie(Some(ActiveOrganizationClaim::NoTemplate)) => {
            "session reloaded: tokens here never name an organization"
        }
        Seen::Cookie(_) => "session reloaded: the token is still the old one",
        Seen::Server(status) if status.inside => "the server agrees",
        Seen::Server(_) => "the server does not agree yet",
        Seen::Stale => "the server needs another token",
        Seen::Refused => "the server rejects the session",
        Seen::SignedOut => "signed out",
        Seen::Unavailable => "the server cannot check the session now",
        Seen::Failed => "no answer",
        Seen::TimedOut => "no answer in time",
        Seen::NotLoaded => "clerk-js could not be loaded",
        Seen::Loaded | Seen::Paused => return None,
    })
}

/// One call to Clerk, within the limit: clerk-js would retry it by itself for minutes.
async fn ask_clerk(limit_ms: u32, reload: bool) -> Seen {
    let call = async {
        let Ok(clerk) = Clerk::start().await else { return Seen::Failed };
        let done =
            clerk.is_signed_in() && if reload { clerk.reload_session().await } else { clerk.fetch_token().await };
        match done {
            true => Seen::Cookie(browser::session_cookie_claim()),
            // Another tab or Clerk has ended the session, before or during the call. The cookie must be gone, too: if
            // Clerk is blocked, clerk-js is just as sure that there is no session.
            false if clerk.is_sure() && !clerk.is_signed_in() && browser::session_cookie_claim().is_none() => {
                Seen::SignedOut
            }
            false => Seen::Failed,
        }
    };
    browser::within(limit_ms, call).await.unwrap_or(Seen::TimedOut)
}

async fn ask_server(limit_ms: u32) -> Seen {
    match browser::within(limit_ms, browser::call::<SessionStatus>(&[])).await {
        None => Seen::TimedOut,
        Some(answer) => Seen::from_server(answer.map_err(|failure| failure.code)),
    }
}
