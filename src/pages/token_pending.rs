//! `/token-pending`: waits, for a bounded time, for a token the gate can use; then says what is the matter.

use leptos::prelude::*;

use super::layout::{Hall, Moment, Reference};
use super::{Admission, Document, Page, Visit, admit};
use crate::islands::token_pending::TokenPending;
use crate::model::gate::{Place, Verdict, WaitCause};
use crate::model::next_path::NextPath;
use crate::model::onboarding::Delivery;
use crate::server::failures;
use crate::server::organizations::{self, Dashboard};
use crate::server::state::AppState;

/// `GET /token-pending`.
pub async fn page(app: &AppState, visit: &Visit) -> Page {
    let (_, judged) = match admit(app, visit, Place::TokenPending).await {
        Admission::Instead(page) => return page,
        Admission::Show(shown) => *shown,
    };
    let Verdict::Wait(cause) = judged.verdict else { return Page::Redirect("/dashboard".to_owned()) };
    let mut organization = None;
    let mut delivery = Delivery::Delivered;
    if let (WaitCause::StaleClaim(id), Some(mut transaction)) = (cause, judged.transaction) {
        let asked = async {
            let delivery = transaction.delivery().await?;
            Ok::<_, sqlx::Error>((organizations::find_dashboard(&mut transaction, id).await?, delivery))
        };
        match asked.await {
            Ok(found) => (organization, delivery) = found,
            // The page is of use without it.
            Err(error) => _ = failures::unavailable(&error),
        }
    }
    let next = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    let sign_in = format!("/sign-in?next={}", next.encoded());
    let next = next.as_str().to_owned();
    let reference = visit.reference();
    Page::Document(
        Document::new("Refreshing your session", move || {
            let (next, sign_in) = (next.clone(), sign_in.clone());
            let (organization, reference) = (organization.clone(), reference.clone());
            view! {
                <Hall wide=true>
                    <TokenPending next sign_in cause=explain(cause, delivery)>
                        {organization.map(|known| view! { <Known known delivery /> })}
                        <Reference id=reference />
                    </TokenPending>
                    <noscript>
                        <div class="notice" data-kind="wait">
                            <p>
                                <strong>"This page needs JavaScript to refresh by itself."</strong>
                                " Nothing is lost. Allow JavaScript for this site, then reload the page."
                            </p>
                        </div>
                    </noscript>
                </Hall>
            }
        })
        .with_islands(),
    )
}

fn explain(cause: WaitCause, delivery: Delivery) -> String {
    match (cause, delivery) {
        (WaitCause::NotReady, _) => {
            "you are signed in, but your browser has not received your session yet. Your sign-in service may be slow."
        }
        (WaitCause::Expired, _) => "your session's token has run out, and the sign-in service has not issued a new one yet.",
        (WaitCause::NotYetValid, _) => {
            "your session's token is dated in the future. The clocks of this site and of the sign-in service disagree."
        }
        (WaitCause::AuthorizedPartyMissing, _) => "your session's token does not say which site it is for. A new one will.",
        (WaitCause::StaleClaim(_), Delivery::Pending) => {
            "our message about your organization has not reached the sign-in service yet. We keep sending it; you do not have to do anything."
        }
        (WaitCause::StaleClaim(_), Delivery::Delivered) => {
            "the sign-in service knows about your organization, but still issues sessions without it."
        }
    }
    .to_owned()
}

#[component]
fn Known(known: Dashboard, delivery: Delivery) -> impl IntoView {
    let told = match delivery {
        Delivery::Delivered => "Yes",
        Delivery::Pending => "Not yet",
    };
    let email = known.me.email.clone();
    view! {
        <section class="stack" aria-labelledby="known">
            <h2 id="known">"What we know"</h2>
            <dl class="facts">
                {email
                    .map(|email| {
                        view! {
                            <div>
                                <dt>"Signed in as"</dt>
                                <dd>{email}</dd>
                            </div>
                        }
                    })}
                <div>
                    <dt>"Organization"</dt>
                    <dd>{known.organization.name.to_string()}</dd>
                </div>
                <div>
                    <dt>"Created"</dt>
                    <dd>
                        <Moment at=known.created_at />
                    </dd>
                </div>
                <div>
                    <dt>"Sign-in service told"</dt>
                    <dd>{told}</dd>
                </div>
            </dl>
        </section>
    }
}
