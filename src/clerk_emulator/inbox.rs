//! The local inbox: the last e-mails the emulator "sent", for people (a page) and for tests (JSON).
//! Who may read it is decided in `local_pages`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::app::App;
use super::local_pages::{self, Key, escaped, may_read, refused};

/// How many e-mails are kept.
const KEPT: usize = 500;

/// The newest e-mails, in memory only.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<VecDeque<Mail>>);

#[derive(Debug, Clone)]
struct Mail {
    to: String,
    code: String,
    subject: String,
    at: i64,
}

impl Inbox {
    /// Puts an e-mail on top.
    pub(super) fn deliver(&self, to: &str, code: &str, subject: &str, at: i64) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.push_front(Mail { to: to.to_owned(), code: code.to_owned(), subject: subject.to_owned(), at });
        mails.truncate(KEPT);
    }

    fn newest_first(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// `GET /inbox?token=…`
pub(super) async fn page(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(key): Query<Key>,
) -> Response {
    if !may_read(&app, peer, &key) {
        return refused();
    }
    let rows = app.inbox.newest_first().iter().map(row).collect::<String>();
    let list = if rows.is_empty() {
        "<p>No e-mail yet. Codes appear here.</p>".to_owned()
    } else {
        format!("<ul class=\"mails\">{rows}</ul>")
    };
    let body = format!(
        "<p>E-mails that the Clerk emulator would have sent, newest first. This page renews itself.</p>\n{list}"
    );
    local_pages::page(&app, "Inbox", r#"<meta http-equiv="refresh" content="3">"#, &body)
}

/// `GET /inbox.json?token=…`: `[{to, code, subject, at}]`, newest first, `at` in RFC 3339.
pub(super) async fn json(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(key): Query<Key>,
) -> Response {
    if !may_read(&app, peer, &key) {
        return refused();
    }
    let mails = app.inbox.newest_first();
    let list = mails
        .iter()
        .map(|mail| json!({"to": mail.to, "code": mail.code, "subject": mail.subject, "at": instant(mail.at)}));
    super::response::Answer::ok(list.collect::<Value>()).into_response()
}

fn row(mail: &Mail) -> String {
    format!(
        "<li><code>{}</code><div>{}<br><small>to {}</small> <time>{}</time></div></li>",
        escaped(&mail.code),
        escaped(&mail.subject),
        escaped(&mail.to),
        instant(mail.at)
    )
}

/// RFC 3339 to the millisecond: two e-mails with the same code within a second are told apart by it.
fn instant(at: i64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_first_and_old_ones_fall_out() {
        let inbox = Inbox::default();
        for n in 0..=KEPT {
            inbox.deliver("a@x.test", &n.to_string(), "s", 0);
        }
        let mails = inbox.newest_first();
        assert_eq!(mails.len(), KEPT);
        assert_eq!(mails[0].code, KEPT.to_string());
    }

    #[test]
    fn what_people_typed_is_escaped() {
        let mail = Mail { to: "<b>@x.test".to_owned(), code: "1".to_owned(), subject: "&".to_owned(), at: 0 };
        assert!(row(&mail).contains("to &lt;b&gt;@x.test"));
        assert!(row(&mail).contains("1970-01-01T00:00:00Z"));
        assert_eq!(instant(1_500), "1970-01-01T00:00:01.5Z");
    }
}
