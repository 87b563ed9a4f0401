//! What every page inside an organization shares: the gate, the transaction, the frame, and the grace of a user who chose
//! not to wait for their token.
//!
//! A page takes [`Inside`] as its extractor, asks its own questions in [`Inside::transaction`], and ends with
//! [`Inside::show`].

use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{AppendHeaders, IntoResponse, Redirect};
use leptos::prelude::*;

use super::account_menu::{self, AccountMenu};
use super::layout::{Brand, SiteFooter};
use super::{Document, Entry, Page, Visit, problems};
use crate::model::gate::{Place, Verdict, WaitCause};
use crate::model::next_path::NextPath;
use crate::server::access::Sessions;
use crate::server::http::handshake::{own_cookie, set_cookie};
use crate::server::organizations::{self, Membership, Wanted};
use crate::server::origin::PublicOrigin;
use crate::server::tenancy::TenantTransaction;

/// Says that the user chose not to wait for their token. Opens nothing by itself: the gate asks the database each time.
pub const ANYWAY: &str = "vestibule_anyway";
/// How long that lasts, in seconds. A token that is still behind then is worth another look.
const ANYWAY_SECONDS: i64 = 600;

/// A request that the gate let into an organization.
pub struct Inside {
    pub visit: Visit,
    /// The organization, and the caller's place in it.
    pub membership: Membership,
    /// Open since the gate asked: what it saw still holds, and no second connection is needed.
    pub transaction: TenantTransaction,
    /// This site's host, for web addresses.
    pub host: String,
    /// Whether the token does not name the organization yet.
    behind: bool,
}

impl<S> FromRequestParts<S> for Inside
where
    Sessions: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Page;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Page> {
        let Ok(entry) = Entry::from_request_parts(parts, state).await;
        Self::enter(entry, None).await
    }
}

impl Inside {
    /// Enters the organization that `slug` names, or without one the active one.
    ///
    /// # Errors
    /// The page to answer with instead. An organization of others is as little there as one that does not exist.
    pub async fn enter(entry: Entry, slug: Option<&str>) -> Result<Self, Page> {
        let place = if entry.visit.has_cookie(ANYWAY) { Place::InsideAnyway } else { Place::Inside };
        Self::enter_at(place, entry, slug).await
    }

    /// Enters with a form that was sent from a page inside. `typed`: what it carries, which comes back to the page's own GET
    /// if the session must be renewed first, or the user has to sign in.
    ///
    /// # Errors
    /// The page to answer with instead.
    pub async fn submit(mut entry: Entry, typed: &[(&str, &str)]) -> Result<Self, Page> {
        entry.visit = entry.visit.with_typed(typed);
        // The page was shown to them before, so a token that is behind is no reason to interrupt.
        Self::enter_at(Place::InsideAnyway, entry, None).await
    }

    async fn enter_at(place: Place, entry: Entry, slug: Option<&str>) -> Result<Self, Page> {
        let authorization = entry.admit(place).await?;
        let visit = entry.visit;
        let (active, behind) = match authorization.verdict {
            Verdict::Inside(id) => (id, false),
            Verdict::Wait(WaitCause::StaleClaim(id)) => (id, true),
            _ => return Err(problems::fault(&visit)),
        };
        let Some(mut transaction) = authorization.transaction else { return Err(problems::fault(&visit)) };
        // Postgres takes no NUL in a text.
        if slug.is_some_and(|slug| slug.contains('\0')) {
            return Err(problems::not_found(&visit));
        }
        let wanted = slug.map_or(Wanted::Id(active), Wanted::Slug);
        match organizations::find_membership(&mut transaction, wanted).await {
            Ok(Some(membership)) => {
                let host = entry.sessions.instance().origin.host().to_owned();
                Ok(Self { visit, membership, transaction, host, behind })
            }
            Ok(None) if slug.is_some() => Err(problems::not_found(&visit)),
            // The membership ended between two statements: the gate decides anew.
            Ok(None) => Err(Page::Redirect(visit.here().as_str().to_owned())),
            Err(error) => Err(problems::database(&visit, &error)),
        }
    }

    /// Commits what was done, and shows the page in the frame.
    ///
    /// # Errors
    /// The page to answer with instead: nothing was committed.
    pub async fn show<V: IntoView + 'static>(
        self,
        title: impl Into<String>,
        body: impl Fn() -> V + Send + Sync + 'static,
    ) -> Result<Document, Page> {
        self.transaction.commit().await.map_err(|error| problems::database(&self.visit, &error))?;
        let frame = Frame { membership: self.membership, behind: self.behind, path: self.visit.uri.path().to_owned() };
        let document = Document::new(title, move || {
            let (frame, body) = (frame.clone(), body().into_any());
            view! { <InFrame frame>{body}</InFrame> }
        });
        Ok(document.with_scripts(account_menu::SCRIPTS))
    }

    /// Commits what was done, and goes on to a path of this site.
    ///
    /// # Errors
    /// The page to answer with instead: nothing was committed.
    pub async fn go_to(self, path: &str) -> Result<Page, Page> {
        self.transaction.commit().await.map_err(|error| problems::database(&self.visit, &error))?;
        Ok(Page::Redirect(path.to_owned()))
    }
}

/// `POST /dashboard`, from the token-pending screen: opens the dashboard, or the page the user wanted to see, without
/// waiting for the token.
pub async fn open_anyway(visit: Visit, State(origin): State<PublicOrigin>) -> impl IntoResponse {
    let to = visit.next().unwrap_or_else(|| NextPath::or_dashboard(None));
    let cookie = own_cookie(ANYWAY, "1".to_owned(), origin.is_https());
    let cookie = cookie.max_age(cookie::time::Duration::seconds(ANYWAY_SECONDS)).http_only(true).build();
    (AppendHeaders([set_cookie(cookie)]), Redirect::to(to.as_str()))
}

/// What the frame shows.
#[derive(Clone)]
struct Frame {
    membership: Membership,
    behind: bool,
    /// Of the page in it.
    path: String,
}

/// The pages that every page inside leads to.
const PAGES: [(&str, &str); 2] = [("/dashboard", "Dashboard"), ("/settings", "Settings")];

#[component]
fn InFrame(frame: Frame, children: Children) -> impl IntoView {
    let Frame { membership: Membership { organization, me, .. }, behind, path } = frame;
    let links = PAGES.map(|(address, name)| {
        let current = (address == path).then_some("page");
        view! {
            <a href=address aria-current=current>
                {name}
            </a>
        }
    });
    view! {
        <header class="site-header site-header-inside">
            <Brand />
            <div class="header-organization">
                <span class="visually-hidden">"Organization: "</span>
                <bdi>{organization.name.to_string()}</bdi>
            </div>
            <AccountMenu me />
        </header>
        <nav class="inside-nav" aria-label="Organization">
            {links.into_iter().collect_view()}
        </nav>
        <main class="page" id="main" tabindex="-1">
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
            {children()}
        </main>
        <SiteFooter />
    }
}
