//! `/dashboard`: inside.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use leptos::prelude::*;

use super::inside::Inside;
use super::layout::{Moment, initials};
use super::{Entry, Page, problems};
use crate::server::organizations::{self, Member, Membership, Person};

/// `GET /dashboard`, of the active organization.
pub async fn page(inside: Inside) -> Result<Page, Page> {
    show(inside).await
}

/// `GET /o/{slug}`, of the organization with this web address. 404 if the caller does not belong to it, whether it exists or
/// not.
pub async fn of_address(slug: Result<Path<String>, PathRejection>, entry: Entry) -> Result<Page, Page> {
    // What is no text is no slug either.
    let Ok(Path(slug)) = slug else { return Err(problems::not_found(&entry.visit)) };
    show(Inside::enter(entry, Some(&slug)).await?).await
}

async fn show(mut inside: Inside) -> Result<Page, Page> {
    let id = inside.membership.organization.id;
    let members = match organizations::list_members(&mut inside.transaction, id).await {
        Ok(members) => members,
        Err(error) => return Err(problems::database(&inside.visit, &error)),
    };
    let (membership, host) = (inside.membership.clone(), inside.host.clone());
    let body = move || view! { <Dashboard membership=membership.clone() members=members.clone() host=host.clone() /> };
    let title = inside.membership.organization.name.to_string();
    Ok(Page::Document(inside.show(title, body).await?))
}

#[component]
fn Dashboard(membership: Membership, members: Vec<Member>, host: String) -> impl IntoView {
    let name = membership.organization.name.to_string();
    let nameless = membership.me.display_name.is_none();
    view! {
        <header class="page-head">
            <span class="sign sign-large" aria-hidden="true">
                {initials(&name)}
            </span>
            <div>
                <h1>
                    <bdi>{name}</bdi>
                </h1>
                <p>"Your role: " {membership.role.label()}</p>
            </div>
        </header>
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
            <Facts membership=membership.clone() host />
            <Members members me=membership.me />
        </div>
    }
}

#[component]
fn Facts(membership: Membership, host: String) -> impl IntoView {
    let Membership { organization, created_at, created_by: creator, me, .. } = membership;
    let created_by = match (creator.user_id == me.user_id, creator.display_name.as_deref()) {
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
                        <bdi>{organization.name.to_string()}</bdi>
                    </dd>
                </div>
                <div>
                    <dt>"Web address"</dt>
                    <dd>
                        <a href=format!("/o/{}", organization.slug)>
                            {host} "/o/" <wbr /> {organization.slug.to_string()}
                        </a>
                    </dd>
                </div>
                <div>
                    <dt>"Created"</dt>
                    <dd>
                        <Moment at=created_at />
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
