//! The local inbox: the last e-mails the emulator "sent", as a page and, for tests, as JSON.
//! `local_pages` checks access. The page's script (`inbox.js`) puts in the rows that are new.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::local_pages::{self, LocalAccess};
use crate::response::Answer;

/// How many e-mails are kept.
const KEPT: usize = 500;

const SCRIPT: &str = include_str!("inbox.js");

/// The newest e-mails, in memory only. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<VecDeque<Mail>>>);

#[derive(Debug, Clone)]
struct Mail {
    to: String,
    code: String,
    subject: String,
    at: i64,
}

impl Inbox {
    /// Puts an e-mail on top.
    pub(crate) fn deliver(&self, to: &str, code: &str, subject: &str, at: i64) {
        let mut mails = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mails.push_front(Mail { to: to.to_owned(), code: code.to_owned(), subject: subject.to_owned(), at });
        mails.truncate(KEPT);
    }

    fn newest_first(&self) -> Vec<Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// `GET /inbox?token=…`
pub(crate) async fn page(LocalAccess(token): LocalAccess, State(inbox): State<Inbox>) -> Response {
    local_pages::page(&token, "Inbox", &body(&inbox.newest_first()), Some(SCRIPT))
}

/// `GET /inbox.json?token=…`: `[{to, code, subject, at}]`, newest first, `at` in RFC 3339.
pub(crate) async fn json(_: LocalAccess, State(inbox): State<Inbox>) -> Response {
    let mails = inbox.newest_first();
    let list = mails
        .iter()
        .map(|mail| json!({"to": mail.to, "code": mail.code, "subject": mail.subject, "at": instant(mail.at)}));
    Answer::ok(list.collect()).into_response()
}

/// The body of the page. The table is there without a row too, for the script to put rows into.
fn body(mails: &[Mail]) -> Markup {
    html! {
        p { "E-mails that the Clerk emulator would have sent, newest first. This page updates by itself." }
        p class="empty" hidden[!mails.is_empty()] {
            "No e-mail yet. A code appears here as soon as a user signs up, signs in by e-mail, adds an address or forgets "
            "a password."
        }
        p class="wrong" hidden {}
        p class="unseen" role="status" {}
        table class="mails" role="table" aria-label="E-mails" hidden[mails.is_empty()] {
            thead role="rowgroup" {
                tr role="row" {
                    @for name in ["Code", "Subject", "To", "Time"] {
                        th scope="col" role="columnheader" { (name) }
                    }
                    th scope="col" role="columnheader" { span class="unseen" { "Copy" } }
                }
            }
            tbody role="rowgroup" { @for mail in mails { (row(mail)) } }
        }
    }
}

/// A row. The roles are those it has anyway, until a narrow screen's layout takes them from it.
fn row(mail: &Mail) -> Markup {
    let at = instant(mail.at);
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { code { (mail.code) } }
            td role="cell" { bdi { (mail.subject) } }
            td role="cell" { bdi class="to" { (mail.to) } }
            td role="cell" { time datetime=(at) { (at) } }
            td role="cell" {
                button type="button" {
                    span aria-hidden="true" { "Copy" }
                    span class="unseen" { "Copy " (mail.code) }
                }
            }
        }
    }
}

/// RFC 3339 to the millisecond: two e-mails with the same code within a second differ by it.
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

    fn mail() -> Mail {
        Mail { to: "<b>\"@x.test".to_owned(), code: "123456".to_owned(), subject: "&<i>".to_owned(), at: 0 }
    }

    #[test]
    fn what_users_typed_is_escaped() {
        let row = row(&mail()).into_string();
        assert!(row.contains(r#"<bdi class="to">&lt;b&gt;&quot;@x.test</bdi>"#), "{row}");
        assert!(row.contains("<bdi>&amp;&lt;i&gt;</bdi>"), "{row}");
        assert!(row.contains(r#"<time datetime="1970-01-01T00:00:00Z">"#), "{row}");
        assert_eq!(instant(1_500), "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn the_hint_is_shown_without_mail_and_the_table_with_it() {
        let (empty, full) = (body(&[]).into_string(), body(&[mail(), mail()]).into_string());
        let shown = |page: &str, start: &str| {
            let tag = page.split(start).nth(1).and_then(|rest| rest.split_once('>')).expect("the tag");
            !tag.0.ends_with(" hidden")
        };
        for (page, mails) in [(&empty, 0), (&full, 2)] {
            assert_eq!(shown(page, "<p class=\"empty\""), mails == 0, "{page}");
            assert_eq!(shown(page, "<table class=\"mails\""), mails > 0, "{page}");
            assert_eq!(page.matches("<button").count(), mails, "{page}");
        }
    }

    #[test]
    fn the_script_stays_inside_its_element() {
        let script = SCRIPT.to_lowercase();
        assert!(!["</script", "<script", "<!--", "\r"].iter().any(|ending| script.contains(ending)));
    }
}
