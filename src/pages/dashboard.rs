//! `/dashboard`: inside.

use axum::extract::State;
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use leptos::prelude::*;

use super::account_menu::{self, AccountMenu};
use super::layout::{Brand, Moment, SiteFooter, initials};
use super::{Document, Entry, Page, Visit, problems};
use crate::model::gate::{Outage, Place, Verdict, WaitCause};
use crate::model::next_path::NextPath;
use crate::server::failures;
use crate::server::http::handshake::{own_cookie, set_cookie};
use crate::server::organizations::{self, Dashboard, Member, Person};
use crate::server::origin::PublicOrigin;

/// Says that the user asked not to wait for their token. Opens nothing by itself: the gate asks the database each time.
pub const ANYWAY: &str = "vestibule_anyway";
/// How long that lasts, in seconds. A token that is still behind then is worth another look.
const ANYWAY_SECONDS: i64 = 600;

/// `POST /dashboard`, from the token-pending screen: opens the dashboard, or the page the user wanted to see, without
/// waiting for the token.
pub async fn open_anyway(visit: Visit, State(origin): State<PublicOrigin>) -> impl IntoResponse {
    let to = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    let cookie = own_cookie(ANYWAY, "1".to_owned(), origin.is_https());
    let cookie = cookie.max_age(cookie::time::Duration::seconds(ANYWAY_SECONDS)).http_only(true).build();
    (AppendHeaders([set_cookie(cookie)]), Redirect::to(to.as_str()))
}

/// `GET /dashboard`. The gate's transaction goes on: one connection, and the membership just checked still holds.
pub async fn page(entry: Entry) -> Result<Page, Page> {
    let visit = &entry.visit;
    let place = if visit.has_cookie(ANYWAY) { Place::InsideAnyway } else { Place::Inside };
    let authorization = entry.admit(place).await?;
    let (id, behind) = match authorization.verdict {
        Verdict::Inside(id) => (id, false),
        Verdict::Wait(WaitCause::StaleClaim(id)) => (id, true),
        _ => return Err(problems::fault(visit)),
    };
    let Some(mut transaction) = authorization.transaction else { return Err(problems::fault(visit)) };
    let found = async {
        let dashboard = organizations::find_dashboard(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(dashboard)
    };
    match found.await {
        Ok(Some(dashboard)) => {
            let host = entry.sessions.instance().origin.host().to_owned();
            let title = dashboard.organization.name.to_string();
            let body = move || view! { <Inside dashboard=dashboard.clone() host=host.clone() behind /> };
            Ok(Page::Document(Document::new(title, body).with_scripts(account_menu::SCRIPTS)))
        }
        // Deleted between two statements: the gate decides anew.
        Ok(None) => Err(Page::Redirect("/dashboard".to_owned())),
        Err(error) => {
            failures::unavailable(&error);
            Err(problems::outage(visit, Outage::Database))
        }
    }
}

#[component]
fn Inside(dashboard: Dashboard, host: String, behind: bool) -> impl IntoView {
    let name = dashboard.organization.name.to_string();
    let my_role = dashboard.members.iter().find(|m| m.person.user_id == dashboard.me.user_id).map(|m| m.role.label());
    let nameless = dashboard.me.display_name.is_none();
    view! {
        <header class="site-header site-header-inside">
            <Brand />
            <div class="header-organization">
                <span class="visually-hidden">"Organization: "</span>
                <bdi>{name.clone()}</bdi>
            </div>
            <AccountMenu me=dashboard.me.clone() />
        </header>
        <main class="page" id="main" tabindex="-1">
            <header class="page-head">
                <span class="sign sign-large" aria-hidden="true">
                    {initials(&name)}
                </span>
                <div>
                    <h1>
                        <bdi>{name.clone()}</bdi>
                    </h1>
                    {my_role.map(|role| view! { <p>"Your role: " {role}</p> })}
                </div>
            </header>
            {behind
                .then(|| {
                    view! {
                        <div class="notice" data-kind="wait" role="status">
                            <p>
                                <strong>"Your session is still catching up."</strong>
                                " You have full access. Elsewhere your organization may appear a little later."
                            </p>
                        </div>
                    }
                })}
            {nameless
                .then(|| {
                    view! {
                        <div class="notice">
                            <p>
                                <strong>"Add your name, so that your team recognizes you."</strong>
                                " It’s in your account, which the menu at the top opens."
                            </p>
                            <div class="actions">
                                <button class="button button-quiet" type="button" data-manage hidden>
                                    "Add your name"
                                </button>
                            </div>
                        </div>
                    }
                })}
            <div class="page-columns">
                <Facts dashboard=dashboard.clone() host />
                <Members members=dashboard.members.clone() me=dashboard.me.clone() />
            </div>
        </main>
        <SiteFooter />
    }
}

#[component]
fn Facts(dashboard: Dashboard, host: String) -> impl IntoView {
    let creator = &dashboard.created_by;
    let created_by = match (creator.user_id == dashboard.me.user_id, creator.display_name.as_deref()) {
        (true, Some(name)) => format!("{name} (you)"),
        (true, None) => "You".to_owned(),
        (false, _) => creator.called().unwrap_or("A former member").to_owned(),
    };
    view! {
        <section class="panel" aria-labelledby="about">
            <h2 id="about">"Organization"</h2>
            <dl class="facts">
                <div>
                    <dt>"Name"</dt>
                    <dd>
                        <bdi>{dashboard.organization.name.to_string()}</bdi>
                    </dd>
                </div>
                <div>
                    <dt>"Web address"</dt>
                    <dd>{host} "/" <wbr /> {dashboard.organization.slug.to_string()}</dd>
                </div>
                <div>
                    <dt>"Created"</dt>
                    <dd>
                        <Moment at=dashboard.created_at />
                    </dd>
                </div>
                <div>
                    <dt>"Created by"</dt>
                    <dd>
                        <bdi>{created_by}</bdi>
                    </dd>
                </div>
            </dl>
        </section>
    }
}

#[component]
fn Members(members: Vec<Member>, me: Person) -> impl IntoView {
    let count = members.len();
    let rows = members
        .into_iter()
        .map(|member| {
            let mine = member.person.user_id == me.user_id;
            let name = member.person.called().unwrap_or(if mine { "You" } else { "Name not known yet" }).to_owned();
            let you = (mine && name != "You").then_some(" (you)");
            // The address is the name of members who have no other.
            let email = member.person.email.clone().filter(|email| *email != name);
            view! {
                <tr role="row">
                    <th scope="row" role="rowheader">
                        <span class="member">
                            <span class="sign" aria-hidden="true">
                                {initials(&name)}
                            </span>
                            <span>
                                <bdi>{name}</bdi>
                                {you}
                                {email
                                    .map(|email| {
                                        view! {
                                            <small>
                                                <bdi>{email}</bdi>
                                            </small>
                                        }
                                    })}
                            </span>
                        </span>
                    </th>
                    <td role="cell" data-label="Role">
                        <span class="badge" data-kind=member.role.as_str()>
                            {member.role.label()}
                        </span>
                    </td>
                    <td role="cell" data-label="Since">
                        <Moment at=member.joined_at date_only=true />
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="panel" aria-labelledby="people">
            <div class="panel-head">
                <h2 id="people">"Members"</h2>
                <p>{if count == 1 { "1 member".to_owned() } else { format!("{count} members") }}</p>
            </div>
            <table class="members" role="table" aria-labelledby="people">
                <thead role="rowgroup">
                    <tr role="row">
                        <th scope="col" role="columnheader">
                            "Member"
                        </th>
                        <th scope="col" role="columnheader">
                            "Role"
                        </th>
                        <th scope="col" role="columnheader">
                            "Since"
                        </th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
            {(count == 1)
                .then(|| {
                    view! {
                        <p class="empty">
                            <strong>"You’re the only member so far."</strong>
                        </p>
                    }
                })}
        </section>
    }
}
