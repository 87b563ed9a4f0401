//! Finding users: by id, address, external id or words, in pages.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::Context;
use crate::call::Call;
use crate::errors::ApiError;
use crate::objects;
use crate::records::User;
use crate::store::{Store, normalized};

const DEFAULT_LIMIT: usize = 10;
const LARGEST_LIMIT: usize = 500;

/// `GET /users`: an array, newest first unless `order_by` says otherwise.
pub(super) fn list(context: &mut Context<'_>) -> Result<Value, ApiError> {
    let limit = page_number(context.call, "limit", DEFAULT_LIMIT)?;
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(ApiError::invalid("limit", "limit must be between 1 and 500."));
    }
    let offset = page_number(context.call, "offset", 0)?;
    let mut found = matching(context.store, context.call);
    sort(&mut found, context.call.query("order_by").unwrap_or("-created_at"))?;
    Ok(found.into_iter().skip(offset).take(limit).map(objects::user_with_private_metadata).collect())
}

/// `GET /users/count`
pub(super) fn count(context: &mut Context<'_>) -> Result<Value, ApiError> {
    Ok(json!({"object": "total_count", "total_count": matching(context.store, context.call).len()}))
}

/// `limit` or `offset`.
pub(super) fn page_number(call: &Call, name: &str, default: usize) -> Result<usize, ApiError> {
    let Some(text) = call.query(name) else {
        return Ok(default);
    };
    text.parse().map_err(|_| ApiError::invalid(name, &format!("{name} must be a whole number.")))
}

/// All users who match all filters, newest first.
fn matching<'a>(store: &'a Store, call: &Call) -> Vec<&'a User> {
    let ids = filter(call, "user_id", |text| text.trim_start_matches('+').to_owned());
    let addresses = filter(call, "email_address", normalized);
    let external_ids = filter(call, "external_id", str::to_owned);
    let words = call.query("query").map(normalized).filter(|text| !text.is_empty());
    let fits = |user: &User| {
        ids.as_ref().is_none_or(|ids| ids.contains(&user.id))
            && addresses.as_ref().is_none_or(|list| user.emails.iter().any(|email| list.contains(&email.address)))
            && external_ids.as_ref().is_none_or(|list| user.external_id.as_ref().is_some_and(|id| list.contains(id)))
            && words.as_deref().is_none_or(|words| mentions(user, words))
    };
    if let Some(ids) = &ids {
        let mut found = ids.iter().filter_map(|id| store.users.get(id)).filter(|user| fits(user)).collect::<Vec<_>>();
        found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        return found;
    }
    store.users_by_age().rev().filter(|user| fits(user)).collect()
}

fn filter(call: &Call, name: &str, read: impl Fn(&str) -> String) -> Option<HashSet<String>> {
    let values = call.query_all(name).flat_map(|list| list.split(',')).map(read).filter(|value| !value.is_empty());
    Some(values.collect::<HashSet<_>>()).filter(|values| !values.is_empty())
}

fn mentions(user: &User, words: &str) -> bool {
    let name =
        [user.first_name.as_deref(), user.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    user.id.to_lowercase().contains(words)
        || name.to_lowercase().contains(words)
        || user.emails.iter().any(|email| email.address.contains(words))
}

fn sort(users: &mut [&User], order: &str) -> Result<(), ApiError> {
    let (descending, name) = match order.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, order.strip_prefix('+').unwrap_or(order).trim()),
    };
    match name {
        "created_at" => users.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id))),
        "updated_at" => users.sort_by_key(|user| user.updated_at),
        "last_sign_in_at" | "last_active_at" => users.sort_by_key(|user| user.last_sign_in_at),
        "first_name" => users.sort_by(|a, b| a.first_name.cmp(&b.first_name)),
        "last_name" => users.sort_by(|a, b| a.last_name.cmp(&b.last_name)),
        "email_address" => {
            users.sort_by_cached_key(|user| user.primary_email().map(|email| email.address.clone()));
        }
        other => return Err(ApiError::invalid("order_by", &format!("Users cannot be ordered by {other}."))),
    }
    if descending {
        users.reverse();
    }
    Ok(())
}
