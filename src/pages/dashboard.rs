//! `/dashboard`: inside.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use leptos::prelude::*;

use super::layout::{Brand, Moment, SiteFooter, initials};
use super::{Admission, Document, Page, Visit, admit, problems};
use crate::islands::account_menu::AccountMenu;
use crate::model::gate::{Outage, Place, Verdict, WaitCause};
use crate::server::failures;
use crate::server::organizations::{self, Dashboard, Member, Person};
use crate::server::state::AppState;

/// Says that this person asked not to wait for their token. Opens nothing by itself: the gate asks the database each time.
pub const ANYWAY: &str = "vestibule_anyway";
/// How long that lasts, in seconds. A token that is still behind then is worth another look.
const ANYWAY_SECONDS: u32 = 600;

/// `POST /dashboard`, from the token-pending screen: opens the dashboard without waiting for the token.
pub fn open_anyway(app: &AppState) -> Response {
    let mut response = Redirect::to("/dashboard").into_response();
    let secure = if app.config().is_https() { "; Secure" } else { "" };
    let cookie = format!("{ANYWAY}=1; Path=/; Max-Age={ANYWAY_SECONDS}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// `GET /dashboard`. The gate's transaction goes on: one connection, and the membership just checked still holds.
pub async fn page(app: &AppState, visit: &Visit) -> Page {
    let place = if visit.has_cookie(ANYWAY) { Place::InsideAnyway } else { Place::Inside };
    let (_, judged) = match admit(app, visit, place).await {
        Admission::Instead(page) => return page,
        Admission::Show(shown) => *shown,
    };
    let (id, behind) = match judged.verdict {
        Verdict::Inside(id) => (id, false),
        Verdict::Wait(WaitCause::StaleClaim(id)) => (id, true),
        _ => return problems::fault(visit),
    };
    let Some(mut transaction) = judged.transaction else { return problems::fault(visit) };
    let found = async {
        let dashboard = organizations::find_dashboard(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok::<_, sqlx::Error>(dashboard)
    };
    match found.await {
        Ok(Some(dashboard)) => {
            let host = app.config().public_host().unwrap_or_default().to_owned();
            let title = dashboard.organization.name.to_string();
            let body = move || view! { <Inside dashboard=dashboard.clone() host=host.clone() behind /> };
            Page::Document(Document::new(title, body).with_islands())
        }
        // Deleted between two statements: the gate decides anew.
        Ok(None) => Page::Redirect("/dashboard".to_owned()),
        Err(error) => {
            failures::unavailable(&error);
            problems::outage(visit, Outage::Database)
        }
    }
}

#[component]
fn Inside(dashboard: Dashboard, host: String, behind: bool) -> impl IntoView {
    let name = dashboard.organization.name.to_string();
    let me = called(&dashboard.me).unwrap_or_else(|| "You".to_owned());
    let my_role =
        dashboard.members.iter().find(|m| m.person.user_id == dashboard.me.user_id).map(|m| role_name(&m.role));
    view! {
        <header class="site-header site-header-inside">
            <Brand />
            <div class="header-organization">
                <span class="visually-hidden">"Organization: "</span>
                <span>{name.clone()}</span>
            </div>
            <AccountMenu initials=initials(&me) name=me email=dashboard.me.email.clone().unwrap_or_default() />
        </header>
        <main class="page" id="main" tabindex="-1">
            <header class="page-head">
                <span class="sign sign-large" aria-hidden="true">
                    {initials(&name)}
                </span>
                <div>
                    <h1 dir="auto">{name.clone()}</h1>
                    {my_role.map(|role| view! { <p>"Your role here: " {role}</p> })}
                </div>
            </header>
            {behind
                .then(|| {
                    view! {
                        <div class="notice" data-kind="wait" role="status">
                            <p>
                                <strong>"Your session is still catching up."</strong>
                                " You are in on our own records. Everything here works; in other places your organization may appear a little later."
                            </p>
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
    let created_by = if creator.user_id == dashboard.me.user_id {
        called(creator).map_or_else(|| "You".to_owned(), |name| format!("{name} (you)"))
    } else {
        called(creator).unwrap_or_else(|| "A former member".to_owned())
    };
    view! {
        <section class="panel" aria-labelledby="about">
            <h2 id="about">"Organization"</h2>
            <dl class="facts">
                <div>
                    <dt>"Name"</dt>
                    <dd dir="auto">{dashboard.organization.name.to_string()}</dd>
                </div>
                <div>
                    <dt>"Address"</dt>
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
                    <dd>{created_by} " " {creator.email.clone().map(|email| view! { <small>{email}</small> })}</dd>
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
            let name =
                called(&member.person).unwrap_or_else(|| if mine { "You" } else { "Name not known yet" }.to_owned());
            let shown = if mine && name != "You" { format!("{name} (you)") } else { name.clone() };
            // The address is the name of those who have no other.
            let email = member.person.email.clone().filter(|email| *email != name);
            view! {
                <tr role="row">
                    <th scope="row" role="rowheader">
                        <span class="member">
                            <span class="sign" aria-hidden="true">
                                {initials(&name)}
                            </span>
                            <span dir="auto">{shown} {email.map(|email| view! { <small>{email}</small> })}</span>
                        </span>
                    </th>
                    <td role="cell" data-label="Role">
                        <span class="badge" data-kind=member.role.clone()>
                            {role_name(&member.role)}
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
                <p>{if count == 1 { "1 person".to_owned() } else { format!("{count} people") }}</p>
            </div>
            <table class="members" role="table" aria-labelledby="people">
                <thead role="rowgroup">
                    <tr role="row">
                        <th scope="col" role="columnheader">
                            "Person"
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
                            <strong>"You are the only one here so far."</strong>
                            " Inviting people will come later. Nothing you do now has to be done again then."
                        </p>
                    }
                })}
        </section>
    }
}

/// What a person is called: their name, else their address.
fn called(person: &Person) -> Option<String> {
    person.display_name.clone().or_else(|| person.email.clone())
}

fn role_name(role: &str) -> &'static str {
    match role {
        "owner" => "Owner",
        "admin" => "Admin",
        _ => "Member",
    }
}
