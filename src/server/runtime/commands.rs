//! `vestibule reconcile`, `vestibule sync` and `vestibule invite`: what they do, and what they print.
//!
//! Findings go to standard output, as sentences or as one JSON object per line; progress goes to standard error.

use std::error::Error;
use std::io::IsTerminal as _;

use serde::Serialize;
use serde_json::json;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::model::ids::UserId;
use crate::model::onboarding::Delivery;
use crate::model::organization::Slug;
use crate::server::clerk::backend_api::{BackendApi, ClerkError, TimeLimits};
use crate::server::clock::Clock;
use crate::server::outbox::{Outbox, RelayOutcome};
use crate::server::reconcile::{
    CALLS_BY_HAND, CALLS_REGULARLY, End, Finding, FindingEnd, InFlight, Pass, ReconcileError, Reconciler, Summary,
    in_flight,
};
use crate::server::runtime::config::Config;
use crate::server::runtime::database::{self, DatabaseError};
use crate::server::users::{self, Comparison, Invitation, Invited, InvitedRole, SyncOutcome, SyncRights};

/// Longest e-mail address (RFC 5321, 4.5.3.1.3, without the brackets).
const MAX_EMAIL_BYTES: usize = 254;

/// How to compare.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Only say what differs.
    pub dry_run: bool,
    /// One JSON object per line instead of sentences.
    pub json: bool,
    /// How many users may be forgotten, or lose at Clerk an organization that they do not have here.
    pub removals: u64,
}

/// What both commands work with.
struct Context {
    worker: PgPool,
    clerk: BackendApi,
    clock: Clock,
    outbox: Outbox,
}

impl Context {
    async fn open(config: &Config) -> Result<Self, Box<dyn Error>> {
        let pools = database::open(&config.database)?;
        match database::check_logins(&pools).await {
            Err(DatabaseError::Sql(error)) if error.as_database_error().is_none() => {
                return Err(format!(
                    "the database does not answer ({error}). Nothing was changed. Are DATABASE_URL and DATABASE_WORKER_URL right?"
                )
                .into());
            }
            checked => checked?,
        }
        database::check_schema(&pools).await?;
        let worker = pools.worker;
        let clock = Clock::system();
        let (api_url, secret_key) = (config.clerk.api_url.clone(), config.clerk.secret_key.clone());
        let clerk = BackendApi::new(api_url, secret_key, clock.clone(), TimeLimits::of_call(config.clerk.timeout))?;
        let outbox = Outbox::new(worker.clone(), clerk.clone(), clock.clone(), TaskTracker::new());
        Ok(Self { worker, clerk, clock, outbox })
    }
}

/// Says what is in flight, compares everybody with Clerk, settles what differs, and tells Clerk.
pub async fn reconcile(config: &Config, options: Options, stop: &CancellationToken) -> Result<End, Box<dyn Error>> {
    let context = Context::open(config).await?;
    say_in_flight(&in_flight(&context.worker, context.clock.now()).await?, options.json)?;
    // Of a development key's ten calls a second, a running server takes nine.
    let pace = if config.clerk.is_development() { CALLS_REGULARLY } else { CALLS_BY_HAND };
    let reconciler = Reconciler::new(context.worker.clone(), context.clerk.clone(), context.clock.clone(), pace);
    let mut pass = Pass::new(options.dry_run, options.removals);
    let watched = std::io::stderr().is_terminal();
    let ran = async {
        while !pass.is_finished() {
            let Some(found) = reconciler.next_page(&mut pass, stop).await? else { return Ok(End::Interrupted) };
            for finding in &found {
                say_finding(finding, options)?;
            }
            if watched {
                eprint!("\rcompared {} users", pass.summary.compared);
            }
        }
        Ok::<_, ReconcileError>(End::Finished)
    }
    .await;
    if watched {
        eprintln!();
    }
    let delivered = match &ran {
        Ok(End::Finished) if !options.dry_run => notify(&context.outbox, &reconciler, stop).await?,
        _ => 0,
    };
    let finished = matches!(ran, Ok(End::Finished));
    say_summary(&pass.summary, finished, delivered, options)?;
    let still = in_flight(&context.worker, context.clock.now()).await?.outbox_waiting;
    if still > 0 && !options.json && !options.dry_run {
        println!("{still} messages wait for Clerk; the running server delivers them.");
    }
    ran.map_err(|error| {
        let ReconcileError::Clerk(error) = error else { return error.into() };
        format!("{}. What was settled before stays so; run it again to go on", advised(&error)).into()
    })
}

/// Compares one user with Clerk now, settles what differs, and notifies Clerk.
pub async fn sync(config: &Config, user: &str, options: Options) -> Result<(), Box<dyn Error>> {
    let user =
        UserId::parse(user).map_err(|_| format!("{user:?} is not the id of a user at Clerk, such as user_2x…"))?;
    let context = Context::open(config).await?;
    let known = match context.clerk.user(&user).await {
        Err(error) if error.status() == Some(404) => {
            return Err(format!(
                "Clerk does not know {user}. Nothing was changed. If the user was deleted there, `vestibule reconcile` forgets them here"
            )
            .into());
        }
        other => other.map_err(|error| format!("{}. Nothing was changed", advised(&error)))?,
    };
    let rights = SyncRights { may_link: true, may_clear: options.removals > 0, dry_run: options.dry_run };
    let comparison = Comparison { user: &known, with_metadata: true, rights, at: context.clock.now() };
    let synced = users::sync(&context.worker, comparison).await?;
    let remaining = if options.dry_run { FindingEnd::WouldBeSettled } else { FindingEnd::LeftAlone };
    for (kinds, end) in [(&synced.repaired, FindingEnd::Settled), (&synced.remaining, remaining)] {
        for kind in kinds {
            say_finding(&Finding { user: user.clone(), kind: *kind, end }, options)?;
        }
    }
    let delivery = if options.dry_run { None } else { Some(context.outbox.deliver_now(&user).await) };
    if options.json {
        return say_json(json!({"sync": {"user": user, "outcome": synced.outcome, "delivery": delivery}}));
    }
    let equal = synced.repaired.is_empty() && synced.remaining.is_empty();
    println!(
        "{}",
        match (synced.outcome, delivery) {
            (SyncOutcome::Deleted, _) => "This user was deleted at Clerk before, and is forgotten here.",
            (SyncOutcome::Superseded, _) =>
                "Something newer about this user came in meanwhile. Nothing was compared; run it again.",
            (_, None) if equal => "Nothing differs.",
            (_, None) => "A dry run: nothing was changed.",
            (_, Some(Delivery::Delivered)) if equal => "Nothing differed.",
            (_, Some(Delivery::Delivered)) => "Both sides are equal now.",
            (_, Some(Delivery::Pending)) => "Clerk has not taken it yet; the running server keeps trying.",
            (_, Some(Delivery::Failed)) => "Clerk rejected the last change; `vestibule reconcile` says why.",
        }
    );
    Ok(())
}

/// Invites the user who has this address at Clerk to an organization.
pub async fn invite(config: &Config, email: &str, organization: &str, role: InvitedRole) -> Result<(), Box<dyn Error>> {
    let (name, host) = email.split_once('@').unwrap_or_default();
    if name.is_empty()
        || !host.contains('.')
        || !email.bytes().all(|byte| byte.is_ascii_graphic())
        || email.len() > MAX_EMAIL_BYTES
    {
        return Err(format!("{email:?} is not an e-mail address of plain letters. No one was invited").into());
    }
    let slug = Slug::parse(organization)
        .map_err(|error| format!("--organization is the last part of its address: {error}"))?;
    let context = Context::open(config).await?;
    let invitation = Invitation { email, organization: &slug, role, at: context.clock.now() };
    match users::invite(&context.worker, invitation).await? {
        Invited::Invited => {
            println!(
                "Invited. The user who signs in with this address, verified and as their primary one, is a member of {slug}."
            );
            Ok(())
        }
        Invited::AlreadyMember => {
            println!("A user with this address is a member of {slug} already. Nothing was changed.");
            Ok(())
        }
        Invited::NoOrganization => Err(format!("there is no organization {slug}. No one was invited").into()),
    }
}

/// Delivers what is due, at the reconciler's pace, beside whatever server is running: each message is held by one of them.
/// Where Clerk hesitates it stops: the server goes on.
async fn notify(outbox: &Outbox, reconciler: &Reconciler, stop: &CancellationToken) -> Result<u64, sqlx::Error> {
    let mut notified = 0;
    while !stop.is_cancelled() {
        reconciler.ready().await;
        match outbox.relay_one(None).await? {
            RelayOutcome::Delivered { .. } => notified += 1,
            RelayOutcome::Dead { .. } => {}
            RelayOutcome::Idle
            | RelayOutcome::Postponed { .. }
            | RelayOutcome::Held { .. }
            | RelayOutcome::Released { .. } => break,
        }
    }
    Ok(notified)
}

/// What went wrong at Clerk, with what to do if it is in our hands.
fn advised(error: &ClerkError) -> String {
    match error.status() {
        Some(401 | 403) => format!("{error}: CLERK_SECRET_KEY is not a key of this instance"),
        _ => error.to_string(),
    }
}

fn say_json(value: impl Serialize) -> Result<(), Box<dyn Error>> {
    println!("{}", serde_json::to_string(&value)?);
    Ok(())
}

fn say_in_flight(found: &InFlight, as_json: bool) -> Result<(), Box<dyn Error>> {
    if as_json {
        return say_json(json!({"in_flight": found}));
    }
    let many = |count: i64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    println!("In flight");
    match found.outbox_oldest_seconds {
        None => println!("  to Clerk     nothing waits"),
        Some(seconds) => println!(
            "  to Clerk     {}, {} after a failure; the oldest for {seconds} s",
            many(found.outbox_waiting, "message"),
            found.outbox_retrying
        ),
    }
    match found.webhooks_waiting {
        0 => println!("  from Clerk   nothing waits"),
        waiting => println!("  from Clerk   {}", many(waiting, "message")),
    }
    for (side, reasons) in [("to Clerk", &found.outbox_dead), ("from Clerk", &found.webhooks_dead)] {
        for dead in reasons {
            println!("  given up     {} {side}: {}", many(dead.messages, "message"), dead.reason);
        }
    }
    for organization in &found.ownerless_organizations {
        println!("  ownerless    organization {organization}");
    }
    println!();
    Ok(())
}

fn say_finding(finding: &Finding, options: Options) -> Result<(), ReconcileError> {
    if options.json {
        println!("{}", serde_json::to_string(&json!({"difference": finding}))?);
        return Ok(());
    }
    println!("{}  {} ({})", finding.user, finding.kind.meaning(), words_of(finding.end));
    Ok(())
}

fn words_of(end: FindingEnd) -> &'static str {
    match end {
        FindingEnd::Settled => "settled",
        FindingEnd::WouldBeSettled => "would be settled",
        FindingEnd::LeftAlone => "left alone",
    }
}

fn say_summary(summary: &Summary, finished: bool, delivered: u64, options: Options) -> Result<(), Box<dyn Error>> {
    if options.json {
        return say_json(
            json!({"summary": {"finished": finished, "dry_run": options.dry_run, "delivered": delivered, "counts": summary}}),
        );
    }
    println!("\nCompared {} users{}.", summary.compared, if finished { "" } else { ", not all of them" });
    let counts = [
        (FindingEnd::Settled, &summary.settled),
        (FindingEnd::WouldBeSettled, &summary.would_be_settled),
        (FindingEnd::LeftAlone, &summary.left_alone),
    ];
    if counts.iter().all(|(_, counts)| counts.is_empty()) && summary.compared > 0 {
        println!("{}", if finished { "Nothing differs." } else { "Nothing differed so far." });
    }
    for (end, counts) in counts {
        for (kind, count) in counts {
            println!("  {count:>6}  {}: {}", words_of(end), kind.meaning());
        }
    }
    if delivered > 0 {
        println!("{delivered} calls notified Clerk.");
    }
    if !summary.left_alone.is_empty() {
        println!(
            "What takes something away is done {} times at most, and not where Clerk knows none of our users: are CLERK_SECRET_KEY \
             and DATABASE_WORKER_URL of the same product? If they are, run it again with a larger --remove-at-most.",
            options.removals
        );
    }
    Ok(())
}
