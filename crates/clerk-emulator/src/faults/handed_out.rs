//! The session tokens that browsers hold: the last one handed out for each session. Always remembered, so that setting
//! old tokens later still finds one; in memory only, and read only while old or copied tokens are set.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many sessions are remembered.
const KEPT: usize = 1_000;

/// A session token and the milliseconds between which it is valid.
#[derive(Clone)]
pub(crate) struct Minted {
    pub(crate) jwt: Arc<str>,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

struct Held {
    /// The last one, whatever it was for.
    last: Minted,
    /// The one to repeat as `last_active_token`.
    repeated: Minted,
}

/// Tokens by session.
#[derive(Default)]
pub(super) struct HandedOut(Mutex<HashMap<String, Held>>);

impl HandedOut {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a token. With `keep`, the one to repeat stays what it was, if there is one.
    pub(super) fn remember(&self, session: &str, token: &Minted, keep: bool) {
        let mut held = self.held();
        if let Some(held) = held.get_mut(session) {
            held.last = token.clone();
            if !keep {
                held.repeated = token.clone();
            }
            return;
        }
        if held.len() >= KEPT {
            held.retain(|_, old| token.from < old.last.until);
            let oldest = held.iter().min_by_key(|(_, old)| old.last.from).map(|(id, _)| id.clone());
            if let Some(oldest) = oldest.filter(|_| held.len() >= KEPT) {
                held.remove(&oldest);
            }
        }
        held.insert(session.to_owned(), Held { last: token.clone(), repeated: token.clone() });
    }

    /// Forgets a session.
    pub(super) fn forget(&self, session: &str) {
        self.held().remove(session);
    }

    /// The token to repeat, if it is valid now: it may have expired, or the clock may have gone back before it.
    pub(super) fn repeated(&self, session: &str, now: i64) -> Option<Arc<str>> {
        let held = self.held();
        let token = &held.get(session)?.repeated;
        (token.from <= now && now < token.until).then(|| token.jwt.clone())
    }

    /// The last token, valid or not.
    pub(super) fn last(&self, session: &str) -> Option<Arc<str>> {
        self.held().get(session).map(|held| held.last.jwt.clone())
    }
}

impl fmt::Debug for HandedOut {
    /// Without the tokens.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HandedOut").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(jwt: &str, from: i64) -> Minted {
        Minted { jwt: jwt.into(), from, until: from + 60 }
    }

    #[test]
    fn a_token_is_repeated_while_it_is_valid() {
        let tokens = HandedOut::default();
        let repeated = |now| tokens.repeated("s", now).map(|jwt| jwt.to_string());
        assert_eq!(repeated(100), None);
        tokens.remember("s", &token("a", 100), false);
        assert_eq!([99, 100, 159, 160].map(repeated), [None, Some("a".into()), Some("a".into()), None]);
        tokens.remember("s", &token("b", 101), true);
        assert_eq!((repeated(101), tokens.last("s").as_deref()), (Some("a".into()), Some("b")));
        tokens.remember("s", &token("c", 102), false);
        assert_eq!(repeated(102).as_deref(), Some("c"));
        tokens.forget("s");
        assert_eq!((repeated(102), tokens.last("s")), (None, None));
    }

    #[test]
    fn no_more_than_so_many_sessions_are_remembered() {
        let tokens = HandedOut::default();
        let number = |n: usize| i64::try_from(n).expect("small");
        for n in 0..=KEPT {
            tokens.remember(&n.to_string(), &Minted { until: i64::MAX, ..token("a", number(n)) }, false);
        }
        assert_eq!(tokens.held().len(), KEPT);
        assert!(tokens.last("0").is_none());
        // Expired ones go first, all at once.
        let tokens = HandedOut::default();
        for n in 0..KEPT {
            tokens.remember(&n.to_string(), &token("a", 0), false);
        }
        tokens.remember("new", &token("a", 60), false);
        assert_eq!(tokens.held().len(), 1);
    }
}
