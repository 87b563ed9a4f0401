//! Carries out the wait of `model::freshness` in the browser: clerk-js, our server, timers and the cookie.

use crate::browser::{self, Clerk};
use crate::model::claims::ActiveOrganizationClaim;
use crate::model::freshness::{BOUNDS, GaveUp, Seen, Stage, Step, Wait};
use crate::model::ids::OrganizationId;
use crate::model::onboarding::Delivery;
use crate::server_fns::session_status;

/// When a stage is called slow, in milliseconds since the start.
const SLOW_AFTER_MS: f64 = 2_500.0;

/// Waits until the session token carries the organization. `show` is told the stage before each step, and whether it
/// takes long.
pub async fn until_fresh(
    organization: OrganizationId,
    delivery: Delivery,
    show: impl Fn(Stage, bool),
) -> Result<(), GaveUp> {
    let started = browser::now_ms();
    let (mut wait, mut step) = Wait::begin(organization, delivery, BOUNDS, started);
    loop {
        let now = browser::now_ms();
        show(wait.stage(), now - started > SLOW_AFTER_MS);
        let seen = match step {
            Step::Arrived => return Ok(()),
            Step::GiveUp(reason) => {
                browser::debug(match reason {
                    GaveUp::NotDelivered => "giving up: Clerk has not been told yet",
                    GaveUp::TokenStale => "giving up: Clerk still hands out old tokens",
                    GaveUp::Unreachable => "giving up: no answer",
                });
                return Err(reason);
            }
            Step::Reload { limit_ms } => {
                browser::debug("reloading the Clerk session to get a token with the organization");
                ask_clerk(limit_ms, true).await
            }
            Step::SkipCache { limit_ms } => {
                browser::debug("asking Clerk for a token past its caches");
                ask_clerk(limit_ms, false).await
            }
            Step::AskServer { limit_ms } => {
                browser::debug("asking the server how it sees the session");
                match browser::within(limit_ms, session_status()).await {
                    Some(Ok(status)) => Seen::Server(status),
                    _ => Seen::Failed,
                }
            }
            Step::Pause { ms } => {
                browser::sleep(ms).await;
                Seen::Paused
            }
        };
        match seen {
            Seen::Cookie(Some(ActiveOrganizationClaim::Organization(id))) if id == organization => {
                browser::debug("session reloaded: the token names the organization");
            }
            Seen::Cookie(Some(ActiveOrganizationClaim::NoTemplate)) => {
                browser::debug("session reloaded: tokens here never name an organization");
            }
            Seen::Cookie(_) => browser::debug("session reloaded: the token is still the old one"),
            Seen::Server(status) if status.inside => browser::debug("the server agrees"),
            Seen::Server(_) => browser::debug("the server does not agree yet"),
            Seen::Failed => browser::debug("no answer"),
            Seen::Paused => {}
        }
        step = wait.next(seen, browser::now_ms());
    }
}

/// One call to Clerk, within the limit: clerk-js would repeat it by itself for minutes.
async fn ask_clerk(limit_ms: u32, reload: bool) -> Seen {
    let asked = async {
        let clerk = Clerk::start(false).await?;
        let done = if reload { clerk.reload_session().await } else { clerk.fetch_token().await };
        done.then_some(())
    };
    match browser::within(limit_ms, asked).await {
        Some(Some(())) => Seen::Cookie(browser::session_cookie_claim()),
        _ => Seen::Failed,
    }
}
