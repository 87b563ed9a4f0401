//! What must be true once everything has settled.

use std::collections::HashMap;
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;
use sqlx::PgPool;

use super::users::User;
use super::{World, eventually};

/// Makes the database record the transactions in which users change and webhooks are marked: a webhook applied twice or
/// halfway often has the same end result, so nothing else would show it.
pub async fn note_transactions(owner: &PgPool) {
    let statements = "
        create table noted (what text not null, id text not null, transaction text not null);
        create function note() returns trigger language plpgsql security definer set search_path = '' as $$
        begin
            insert into public.noted
            values (tg_table_name, to_jsonb(new) ->> tg_argv[0], pg_catalog.pg_current_xact_id()::text);
            return null;
        end $$;
        create trigger note after update of clerk_updated_at on user_profiles for each row execute function note('user_id');
        create trigger note after update of applied_at on webhook_messages for each row
            when (new.applied_at is not null) execute function note('id');";
    sqlx::raw_sql(statements).execute(owner).await.expect("the owner");
}

/// Waits until nothing is in flight: Clerk has been notified of everything, and has sent everything.
pub async fn settled(world: &World, users: &[User], limit: Duration) {
    let owner = &world.database.owner;
    eventually(limit, "everything to settle", async || {
        // One statement: changes between two would be missed.
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "select user_id, count(*),
                    (select count(*) from outbox_messages where delivered_at is null and dead_at is null)
             from webhook_messages
             where user_id = any ($1) and (applied_at is not null or dead_at is not null)
             group by user_id",
        )
        .bind(ids(users))
        .fetch_all(owner)
        .await
        .expect("counts");
        let waiting = rows.first().map_or(0, |(_, _, waiting)| *waiting);
        let received: HashMap<_, _> = rows.into_iter().map(|(user, count, _)| (user, count)).collect();
        let missing = users
            .iter()
            .filter(|user| received.get(&user.id).is_none_or(|count| *count < expected_webhooks(world, user)));
        match (waiting, missing.count()) {
            (0, 0) => Ok(()),
            (waiting, missing) => {
                Err(format!("{waiting} outbox messages pending, webhooks missing for {missing} users"))
            }
        }
    })
    .await;
}

/// How many webhooks Clerk sends about a user.
fn expected_webhooks(world: &World, user: &User) -> i64 {
    (user.events + world.proxy.changes(&user.id)) as i64
}

fn ids(users: &[User]) -> Vec<String> {
    users.iter().map(|user| user.id.clone()).collect()
}

/// Id and something else, by user.
type ByUser<T> = HashMap<String, Vec<T>>;

async fn rows<T>(world: &World, users: &[User], query: &'static str) -> ByUser<T>
where
    T: Send + Unpin,
    (String, T): for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    let rows: Vec<(String, T)> =
        sqlx::query_as(query).bind(ids(users)).fetch_all(&world.database.owner).await.expect(query);
    let mut by_user = ByUser::<T>::new();
    for (user, row) in rows {
        by_user.entry(user).or_default().push(row);
    }
    by_user
}

/// Panics with everything that is wrong about these users.
pub async fn check(world: &World, users: &[User]) {
    let organizations: ByUser<String> =
        rows(world, users, "select created_by, id::text from organizations where created_by = any ($1)").await;
    let owned: ByUser<String> = rows(
        world,
        users,
        "select user_id, organization_id::text from organization_users where user_id = any ($1) and role = 'owner'",
    )
    .await;
    let profiles: ByUser<String> = rows(
        world,
        users,
        "select user_id, concat(active_organization_id, ' ', display_name) from user_profiles where user_id = any ($1)",
    )
    .await;
    let messages: ByUser<String> = rows(
        world,
        users,
        "select user_id, payload #>> '{public_metadata,activeOrgId}' from outbox_messages
         where user_id = any ($1) and payload #> '{public_metadata,activeOrgId}' is not null
         order by id",
    )
    .await;
    let undelivered: ByUser<String> = rows(
        world,
        users,
        "select user_id, to_json(m)::text from outbox_messages as m where user_id = any ($1)
         and (delivered_at is null or dead_at is not null or leased_until is not null or last_error is not null)",
    )
    .await;
    // One mark each, and an applied webhook changed the user in the same transaction as its mark.
    let received: ByUser<i64> =
        rows(world, users, "select user_id, count(*) from webhook_messages where user_id = any ($1) group by user_id")
            .await;
    let halfway: ByUser<String> = rows(
        world,
        users,
        "select w.user_id, concat_ws(' ', w.id, w.type, w.outcome, w.attempts, w.last_error)
         from webhook_messages as w
         where w.user_id = any ($1) and not (
            w.dead_at is null and w.attempts = 1
            and (select count(*) from noted where what = 'webhook_messages' and id = w.id) = 1
            and (w.outcome = 'applied') = exists (
                select from noted as mark join noted as effect using (transaction)
                where mark.what = 'webhook_messages' and mark.id = w.id
                  and effect.what = 'user_profiles' and effect.id = w.user_id))",
    )
    .await;
    let clerk = at_clerk(world, users).await;

    let mut wrong = Vec::new();
    for user in users {
        let id = &user.id;
        let mut expect = |what: &str, found: String, expected: String| {
            if found != expected {
                wrong.push(format!("{} ({id}): {what}: found {found}, expected {expected}", user.name));
            }
        };
        let (none, of) = (Vec::new(), |rows: &ByUser<String>| sorted(rows.get(id).cloned().unwrap_or_default()));
        let created: Vec<_> = user.creations.iter().map(|creation| creation.organization.clone()).collect();
        let created = format!("{:?}", sorted(created.into_iter().flatten().collect()));
        expect("organizations", format!("{:?}", of(&organizations)), created.clone());
        expect("memberships as owner", format!("{:?}", of(&owned)), created.clone());
        expect("messages", format!("{:?}", of(&messages)), created);
        expect("messages not delivered", format!("{:?}", of(&undelivered)), "[]".to_owned());

        // From here on the order of the messages counts.
        let order = messages.get(id).unwrap_or(&none);
        let place = |organization: &String| order.iter().position(|known| known == organization);
        let step = |organization: &String| {
            user.creations
                .iter()
                .find(|known| known.organization.as_ref() == Some(organization))
                .map(|known| known.step)
        };
        let steps: Vec<_> = order.iter().map(step).collect();
        expect("the order of the responses", format!("{steps:?}"), format!("{:?}", sorted(steps.clone())));
        let mut heard = world.proxy.organizations(id);
        heard.dedup();
        let places: Vec<_> = heard.iter().map(place).collect();
        let mut once = sorted(places.clone());
        once.dedup();
        expect("the order at Clerk", format!("{places:?}"), format!("{once:?}"));

        let last = order.last().map(String::as_str).unwrap_or_default();
        expect("Clerk's last organization", format!("{:?}", heard.last()), format!("{:?}", order.last()));
        expect("the profile", format!("{:?}", of(&profiles)), format!("{:?}", [format!("{last} {}", user.name)]));
        let at_clerk = clerk.get(id).cloned().unwrap_or_default();
        let metadata = &at_clerk["public_metadata"];
        expect("Clerk", format!("{metadata}"), format!(r#"{{"activeOrgId":"{last}","onboardingComplete":true}}"#));

        let webhooks = received.get(id).map_or(0, |counts| counts.iter().sum());
        expect("webhooks", i64::to_string(&webhooks), expected_webhooks(world, user).to_string());
        expect("webhooks not applied exactly once", format!("{:?}", of(&halfway)), "[]".to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

/// The users as Clerk has them.
async fn at_clerk(world: &World, users: &[User]) -> HashMap<String, Value> {
    let mut found = HashMap::new();
    for some in users.chunks(100) {
        let path = format!("/v1/users?limit=100&user_id={}", ids(some).join(","));
        let Value::Array(users) = world.call_clerk(Method::GET, &path, None).await else { panic!("a list") };
        found.extend(users.into_iter().map(|user| (user["id"].as_str().unwrap_or_default().to_owned(), user)));
    }
    found
}
