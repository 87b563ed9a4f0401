//! What the emulator remembers, in memory, with the indexes that make every lookup quick, and the journal behind it.
//! Records are read by reference and changed only by `put` and `remove`, so that nothing changes without a journal line.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::call::Caller;
use crate::journal::{Journal, Line};
use crate::records::{Client, JwtTemplate, Session, SignIn, SignUp, Ticket, User};

/// A kind of record: its name in the journal and its place in the store.
pub(crate) trait Record: Clone + Serialize + DeserializeOwned {
    /// Name in the journal.
    const KIND: &'static str;
    /// The record's id.
    fn id(&self) -> &str;
    /// Its table.
    fn table(store: &mut Store) -> &mut HashMap<String, Self>;
    /// Updates the indexes when a record changes, comes or goes.
    fn index(_store: &mut Store, _old: Option<&Self>, _new: Option<&Self>) {}
}

/// All records.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) users: HashMap<String, User>,
    pub(crate) clients: HashMap<String, Client>,
    pub(crate) sessions: HashMap<String, Session>,
    pub(crate) sign_ins: HashMap<String, SignIn>,
    pub(crate) sign_ups: HashMap<String, SignUp>,
    pub(crate) tickets: HashMap<String, Ticket>,
    pub(crate) templates: HashMap<String, JwtTemplate>,
    /// Whose request has the records in hand.
    pub(crate) caller: Caller,
    users_by_email: HashMap<String, String>,
    users_by_age: BTreeSet<(i64, String)>,
    sessions_by_user: HashMap<String, BTreeSet<String>>,
    journal: Option<Journal>,
}

impl Store {
    /// Rebuilds the store from a journal, forgets what is abandoned at `now`, and rewrites the journal without it.
    pub(crate) fn replay(mut journal: Journal, lines: Vec<Line>, now: i64) -> std::io::Result<Self> {
        let mut store = Self::default();
        for line in lines {
            store.replay_line(line);
        }
        store.prune::<SignIn>(|sign_in| now < sign_in.abandon_at);
        store.prune::<SignUp>(|sign_up| now < sign_up.abandon_at);
        store.prune::<Ticket>(|ticket| now < ticket.expires_at);
        store.prune::<Session>(|session| now < session.abandon_at);
        journal.compact(store.lines())?;
        store.journal = Some(journal);
        Ok(store)
    }

    /// Writes a record: in memory, in the indexes and in the journal.
    pub(crate) fn put<R: Record>(&mut self, record: R) {
        self.journal(R::KIND, record.id(), &record);
        self.place(record);
    }

    /// Removes a record, if it is there.
    pub(crate) fn remove<R: Record>(&mut self, id: &str) {
        if let Some(old) = R::table(self).remove(id) {
            self.journal(R::KIND, id, &Value::Null);
            R::index(self, Some(&old), None);
        }
    }

    /// The user who has verified this address.
    pub(crate) fn user_by_email(&self, address: &str) -> Option<&User> {
        self.users.get(self.users_by_email.get(&normalized(address))?)
    }

    /// All users, oldest first.
    pub(crate) fn users_by_age(&self) -> impl DoubleEndedIterator<Item = &User> {
        self.users_by_age.iter().filter_map(|(_, id)| self.users.get(id))
    }

    /// All sessions of a user, in no useful order.
    pub(crate) fn sessions_of(&self, user_id: &str) -> impl Iterator<Item = &Session> {
        self.sessions_by_user.get(user_id).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// The client's sessions that can still get tokens at `now` and whose user still exists.
    pub(crate) fn live_sessions<'a>(&'a self, client: &'a Client, now: i64) -> impl Iterator<Item = &'a Session> {
        client
            .session_ids
            .iter()
            .filter_map(|id| self.sessions.get(id))
            .filter(move |session| session.is_live(now) && self.users.contains_key(&session.user_id))
    }

    /// The session the browser used last, if it is still live at `now`; else the newest live one.
    pub(crate) fn last_active_session_id<'a>(&'a self, client: &'a Client, now: i64) -> Option<&'a str> {
        let named = client.last_active_session_id.as_deref();
        let mut newest = None;
        for session in self.live_sessions(client, now) {
            if Some(session.id.as_str()) == named {
                return named;
            }
            newest = Some(session.id.as_str());
        }
        newest
    }

    /// Keeps only what is wanted; called before the journal is attached.
    fn prune<R: Record>(&mut self, wanted: impl Fn(&R) -> bool) {
        let unwanted = R::table(self).values().filter(|record| !wanted(record)).map(|record| record.id().to_owned());
        for id in unwanted.collect::<Vec<_>>() {
            self.remove::<R>(&id);
        }
    }

    fn place<R: Record>(&mut self, record: R) {
        let old = R::table(self).insert(record.id().to_owned(), record.clone());
        R::index(self, old.as_ref(), Some(&record));
    }

    fn replay_line(&mut self, line: Line) {
        match line.kind.as_str() {
            User::KIND => self.replay_record::<User>(line),
            Client::KIND => self.replay_record::<Client>(line),
            Session::KIND => self.replay_record::<Session>(line),
            SignIn::KIND => self.replay_record::<SignIn>(line),
            SignUp::KIND => self.replay_record::<SignUp>(line),
            Ticket::KIND => self.replay_record::<Ticket>(line),
            JwtTemplate::KIND => self.replay_record::<JwtTemplate>(line),
            other => tracing::warn!(target: "clerk_emulator", kind = other, "unknown kind of record in the journal"),
        }
    }

    fn replay_record<R: Record>(&mut self, line: Line) {
        if line.value.is_null() {
            if let Some(old) = R::table(self).remove(&line.id) {
                R::index(self, Some(&old), None);
            }
            return;
        }
        match serde_json::from_value::<R>(line.value) {
            Ok(record) => self.place(record),
            Err(error) => {
                tracing::warn!(target: "clerk_emulator", kind = R::KIND, %error, "a record of another version is left out");
            }
        }
    }

    fn journal(&mut self, kind: &str, id: &str, value: &impl Serialize) {
        let Some(journal) = &mut self.journal else {
            return;
        };
        let written = serde_json::to_value(value)
            .map_err(std::io::Error::from)
            .and_then(|value| journal.append(&Line { kind: kind.to_owned(), id: id.to_owned(), value }));
        if let Err(error) = written {
            tracing::error!(target: "clerk_emulator", %error, "the journal cannot be written: this change will not survive a restart");
        }
    }

    fn lines(&self) -> impl Iterator<Item = Line> {
        table_lines(&self.users)
            .chain(table_lines(&self.clients))
            .chain(table_lines(&self.sessions))
            .chain(table_lines(&self.sign_ins))
            .chain(table_lines(&self.sign_ups))
            .chain(table_lines(&self.tickets))
            .chain(table_lines(&self.templates))
    }
}

fn table_lines<R: Record>(table: &HashMap<String, R>) -> impl Iterator<Item = Line> {
    table.iter().filter_map(|(id, record)| {
        let value = serde_json::to_value(record).ok()?;
        Some(Line { kind: R::KIND.to_owned(), id: id.clone(), value })
    })
}

/// An e-mail address as it is compared: without space around it, in lower case.
pub(crate) fn normalized(address: &str) -> String {
    address.trim().to_lowercase()
}

impl Record for User {
    const KIND: &'static str = "user";
    fn id(&self) -> &str {
        &self.id
    }
    fn table(store: &mut Store) -> &mut HashMap<String, Self> {
        &mut store.users
    }
    fn index(store: &mut Store, old: Option<&Self>, new: Option<&Self>) {
        for email in old.iter().flat_map(|user| &user.emails) {
            if store.users_by_email.get(&email.address) == old.map(|user| &user.id) {
                store.users_by_email.remove(&email.address);
            }
        }
        if let Some(user) = old {
            store.users_by_age.remove(&(user.created_at, user.id.clone()));
        }
        if let Some(user) = new {
            store.users_by_age.insert((user.created_at, user.id.clone()));
            for email in user.emails.iter().filter(|email| email.verified) {
                store.users_by_email.insert(email.address.clone(), user.id.clone());
            }
        }
    }
}

impl Record for Session {
    const KIND: &'static str = "session";
    fn id(&self) -> &str {
        &self.id
    }
    fn table(store: &mut Store) -> &mut HashMap<String, Self> {
        &mut store.sessions
    }
    fn index(store: &mut Store, old: Option<&Self>, new: Option<&Self>) {
        if let (Some(old), None) = (old, new)
            && let Some(ids) = store.sessions_by_user.get_mut(&old.user_id)
        {
            ids.remove(&old.id);
        }
        if let Some(new) = new {
            store.sessions_by_user.entry(new.user_id.clone()).or_default().insert(new.id.clone());
        }
    }
}

/// Records that are found by their id only.
macro_rules! plain_record {
    ($record:ty, $kind:literal, $table:ident) => {
        impl Record for $record {
            const KIND: &'static str = $kind;
            fn id(&self) -> &str {
                &self.id
            }
            fn table(store: &mut Store) -> &mut HashMap<String, Self> {
                &mut store.$table
            }
        }
    };
}

plain_record!(Client, "client", clients);
plain_record!(SignIn, "sign_in", sign_ins);
plain_record!(SignUp, "sign_up", sign_ups);
plain_record!(Ticket, "ticket", tickets);
plain_record!(JwtTemplate, "jwt_template", templates);

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
