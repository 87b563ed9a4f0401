//! Pages inside an organization: settings, an organization's own address, and who skips the wait. What the database
//! itself allows is at the end.

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use time::Duration;

use crate::support::keys::{token, token_for, token_with};
use crate::support::{NOW, Reply, TestApp, Who, request};

const ADA: &str = "user_ada";
const GRACE: &str = "user_grace";

/// The form that renames, as only owners and admins get it.
const FORM: &str = r#"method="post" action="/settings""#;
const BEHIND: &str = "Your session is still catching up.";

async fn add_member(app: &TestApp, organization: &str, user: &str, role: &str) {
    sqlx::query("insert into organization_users values ($1::uuid, $2, $3, now())")
        .bind(organization)
        .bind(user)
        .bind(role)
        .execute(&app.database.owner)
        .await
        .expect("a member");
}

async fn name_of(app: &TestApp, organization: &str) -> String {
    app.database.value("select name from organizations where id = $1::uuid", organization).await
}

/// A token that names the organization and is valid for an hour, so that it outlives others.
fn lasting(user: &str, organization: &str) -> String {
    let metadata = json!({"activeOrgId": organization, "onboardingComplete": true, "role": null});
    token_with(user, &json!({"publicMetadata": metadata, "exp": NOW + 3_600}))
}

/// A request for a page with another cookie beside those of `who`.
async fn get_with_cookie(app: &TestApp, path: &str, who: Who<'_>, cookie: &str) -> Reply {
    let request = request(Method::GET, path, who).header("cookie", cookie).body(Body::empty());
    app.send(request.expect("a request")).await
}

/// A target as the value of `next`.
fn encoded(target: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    target.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Text as it stands in an attribute.
fn in_attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// What is in the field for the name.
fn field(page: &Reply) -> &str {
    let (_, rest) = page.body.split_once(r#"id="name""#).unwrap_or_else(|| panic!("no field: {}", page.body));
    let (tag, _) = rest.split_once("/>").or_else(|| rest.split_once('>')).expect("the end of the tag");
    let (_, value) = tag.split_once(r#" value=""#).unwrap_or_else(|| panic!("no value: {tag}"));
    value.split_once('"').expect("its end").0
}

#[tokio::test]
async fn owners_and_admins_get_the_form_and_members_read() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    add_member(&app, &id, "user_admin", "admin").await;
    add_member(&app, &id, GRACE, "member").await;
    for (user, role, form) in [(ADA, "Owner", true), ("user_admin", "Admin", true), (GRACE, "Member", false)] {
        let page = app.get("/settings", Who::Cookie(&token_for(user, &id))).await;
        assert_eq!(page.status, StatusCode::OK, "{role}");
        for text in ["Settings", "Acme Studio", "app.example.com/o/acme", r#"href="/o/acme""#, "2 January 2026", role] {
            assert!(page.body.contains(text), "{role} {text}: {}", page.body);
        }
        assert_eq!(page.body.contains(FORM), form, "{role}: {}", page.body);
        assert_eq!(page.body.contains(r#"name="name""#), form, "{role}");
        assert_eq!(page.body.contains("Owners and admins can change the name."), !form, "{role}");
        // The page itself is marked in the navigation.
        assert!(page.body.contains(r#"<a href="/settings" aria-current="page">"#), "{}", page.body);
        assert!(page.body.contains(r#"<a href="/dashboard">"#), "{}", page.body);
    }
}

#[tokio::test]
async fn owners_and_admins_rename() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    add_member(&app, &id, "user_admin", "admin").await;
    for (user, name) in [(ADA, "Blue Harbor"), ("user_admin", r#"Größe & "Söhne" <b>株式会社</b>"#)] {
        let token = token_for(user, &id);
        let who = Who::Cookie(&token);
        // Spaces around it are not part of a name.
        let typed = format!("  {name} ");
        let reply = app.post_form("/settings", who, &[("name", &typed)]).await;
        assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/settings?saved=1"));
        assert_eq!(name_of(&app, &id).await, name);

        let shown = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let page = app.get(reply.location(), who).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Saved."), "{}", page.body);
        assert!(page.body.contains(&format!("<bdi>{shown}</bdi>")) && !page.body.contains("<b>"), "{}", page.body);
        assert_eq!(field(&page), in_attribute(name));
        assert!(!app.get("/settings", who).await.body.contains("Saved."));
        let dashboard = app.get("/dashboard", who).await;
        assert!(dashboard.body.contains(&shown) && !dashboard.body.contains("Acme Studio"), "{}", dashboard.body);
        let me = app.get("/api/me", Who::Bearer(&token)).await;
        assert_eq!(
            (me.text("/organization/name"), me.text("/organization/slug")),
            (name.to_owned(), "acme".to_owned())
        );
    }
}

#[tokio::test]
async fn a_member_renames_nothing_whatever_they_send() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    add_member(&app, &id, GRACE, "member").await;
    let token = token_for(GRACE, &id);
    let before = app.database.counts().await;
    for name in ["Mine", "", &"x".repeat(81)] {
        let page = app.post_form("/settings", Who::Cookie(&token), &[("name", name)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name:?}");
        assert!(
            page.body.contains("Only owners and admins can") && page.body.contains("Nothing was changed"),
            "{}",
            page.body
        );
        assert!(page.body.contains(r#"role="alert""#) && !page.body.contains(FORM), "{}", page.body);
        assert!(page.body.contains("Acme Studio") && !page.body.contains("Mine"), "{}", page.body);
    }
    assert_eq!(name_of(&app, &id).await, "Acme Studio");
    assert_eq!(app.database.counts().await, before);
}

#[tokio::test]
async fn a_role_that_ended_after_the_page_was_shown_counts_no_more() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let token = token_for(ADA, &id);
    let who = Who::Cookie(&token);
    assert!(app.get("/settings", who).await.body.contains(FORM));
    app.database.as_owner("update organization_users set role = 'member' where user_id = $1", ADA).await;
    assert_eq!(app.post_form("/settings", who, &[("name", "Mine")]).await.status, StatusCode::FORBIDDEN);
    app.database.as_owner("delete from organization_users where user_id = $1", ADA).await;
    assert_eq!(app.post_form("/settings", who, &[("name", "Mine")]).await.location(), "/onboarding");
    assert_eq!(name_of(&app, &id).await, "Acme Studio");
}

#[tokio::test]
async fn an_invalid_name_comes_back_with_what_is_wrong() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let token = token_for(ADA, &id);
    let long = "x".repeat(81);
    let cases = [
        ("", "Enter a name for your organization."),
        ("   ", "Enter a name for your organization."),
        (&long, "Use at most 80 characters."),
        (r#"""><>"#, "Use at least one letter or number."),
        ("Acme\u{202e}", "invisible character (U+202E)"),
    ];
    for (typed, error) in cases {
        let page = app.post_form("/settings", Who::Cookie(&token), &[("name", typed)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed:?}");
        assert_eq!(field(&page), in_attribute(typed));
        let (_, message) = page.body.split_once(r#"id="name-error""#).unwrap_or_else(|| panic!("{}", page.body));
        let (message, _) = message.split_once("</p>").expect("its end");
        assert!(message.contains(error) && message.contains(r#"role="alert""#), "{message}");
        for attribute in [r#"aria-invalid="true""#, r#"aria-describedby="name-hint name-error""#, "autofocus"] {
            assert!(page.body.contains(attribute), "{attribute}: {}", page.body);
        }
        // What is stored stands in the header, and nothing says that it was saved.
        assert!(page.body.contains("<bdi>Acme Studio</bdi>") && !page.body.contains("Saved."), "{}", page.body);
    }
    // A form without the field is as empty.
    assert_eq!(app.post_form("/settings", Who::Cookie(&token), &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(name_of(&app, &id).await, "Acme Studio");
    let page = app.get("/settings", Who::Cookie(&token)).await;
    assert!(!page.body.contains("aria-invalid") && !page.body.contains("name-error"), "{}", page.body);
}

/// Names whose characters mean something in addresses, or are unusual there.
const TYPED: [&str; 9] = [
    "Blue Harbor",
    "a+b=c&d?e#f",
    "100% %41",
    r"Back\slash",
    "../up",
    "//evil.example",
    "株式会社　山田",
    "No\u{a0}break",
    "<b>\"bold\"</b>",
];

#[tokio::test]
async fn what_was_typed_survives_an_expired_session() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let (expired, renewed) = (token_for(ADA, &id), lasting(ADA, &id));
    app.clock.advance(Duration::seconds(66));
    for typed in TYPED {
        let reply = app.post_form("/settings", Who::Cookie(&expired), &[("name", typed)]).await;
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", typed)
            .append_pair("renewed", "1")
            .finish();
        let next = format!("/settings?{query}");
        assert_eq!(reply.location(), format!("/token-pending?next={}", encoded(&next)), "{typed}");

        // The browser gets a new token and goes on.
        let on = app.get(reply.location(), Who::Cookie(&renewed)).await;
        assert_eq!(on.location(), next, "{typed}");
        let page = app.get(on.location(), Who::Cookie(&renewed)).await;
        assert!(page.status == StatusCode::OK && page.body.contains("Not saved yet."), "{}", page.body);
        assert_eq!(field(&page), in_attribute(typed));
        assert!(!page.body.contains("Saved.") && !page.body.contains("aria-invalid"), "{}", page.body);
    }
    assert_eq!(name_of(&app, &id).await, "Acme Studio");
    // Pressing the button again saves it.
    let reply = app.post_form("/settings", Who::Cookie(&renewed), &[("name", TYPED[6])]).await;
    assert_eq!(reply.location(), "/settings?saved=1");
}

#[tokio::test]
async fn what_was_typed_survives_signing_in_again() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let token = token_for(ADA, &id);
    for typed in TYPED {
        let reply = app.post_form("/settings", Who::SignedOut, &[("name", typed)]).await;
        let (path, _) = reply.location().split_once('?').unwrap_or_else(|| panic!("{typed}: {reply:?}"));
        assert_eq!(path, "/sign-in", "{typed}");
        // Signed in by now, the sign-in page hands on to `next`.
        let on = app.get(reply.location(), Who::Cookie(&token)).await;
        let page = app.get(on.location(), Who::Cookie(&token)).await;
        assert_eq!((page.status, field(&page)), (StatusCode::OK, in_attribute(typed).as_str()));
        assert!(page.body.contains("Not saved yet."), "{}", page.body);
    }
    assert_eq!(name_of(&app, &id).await, "Acme Studio");
}

#[tokio::test]
async fn what_is_too_long_for_an_address_leads_back_to_the_page_itself() {
    let app = TestApp::start().await;
    let long = "株".repeat(1_000);
    let reply = app.post_form("/settings", Who::SignedOut, &[("name", &long)]).await;
    assert_eq!(reply.location(), "/sign-in?next=/settings");
}

#[tokio::test]
async fn a_form_that_was_shown_before_works_while_the_token_is_behind() {
    let app = TestApp::start().await;
    let stale = token(ADA);
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let who = Who::Cookie(&stale);
    assert_eq!(app.get("/settings", who).await.location(), "/token-pending?next=/settings");
    let page = app.post_form("/settings", who, &[("name", "")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains(BEHIND), "{}", page.body);
    let reply = app.post_form("/settings", who, &[("name", "Blue Harbor")]).await;
    assert_eq!(reply.location(), "/settings?saved=1");
    assert_eq!(name_of(&app, &id).await, "Blue Harbor");
}

#[tokio::test]
async fn another_organization_of_the_callers_opens_at_its_address() {
    let app = TestApp::start().await;
    let first = app.create(ADA, "Acme Studio", "acme").await;
    app.create_with_key(ADA, "Harbour Works", "harbour").await;
    let token = token_for(ADA, &first);
    let who = Who::Cookie(&token);
    for (path, shown, other) in [
        ("/dashboard", "Acme Studio", "Harbour Works"),
        ("/o/acme", "Acme Studio", "Harbour Works"),
        ("/o/harbour", "Harbour Works", "Acme Studio"),
        // RFC 3986: an encoded letter is that letter.
        ("/o/h%61rbour", "Harbour Works", "Acme Studio"),
    ] {
        let page = app.get(path, who).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains(shown) && !page.body.contains(other), "{path}: {}", page.body);
        assert!(page.body.contains("1 member") && page.body.contains("Ada Lovelace"), "{path}: {}", page.body);
    }
    // The gate comes first, as on every page.
    let expired = token_with(ADA, &json!({"exp": NOW - 60}));
    assert_eq!(app.get("/o/harbour", Who::Cookie(&expired)).await.location(), "/token-pending?next=/o/harbour");
    assert_eq!(app.get("/o/harbour", Who::Cookie(&token_for("user_eve", &first))).await.location(), "/onboarding");
}

/// Headers without the request's id, sorted.
fn comparable(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut pairs: Vec<_> = headers
        .iter()
        .filter(|(name, _)| *name != "x-request-id")
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .collect();
    pairs.sort();
    pairs
}

#[tokio::test]
async fn an_organization_of_others_is_as_little_there_as_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    app.create(GRACE, "Harbour Works", "harbour").await;
    let inside = token_for(ADA, &id);
    let foreign = app.get("/o/harbour", Who::Cookie(&inside)).await;
    let missing = app.get("/o/missing", Who::Cookie(&inside)).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert!(foreign.body.contains("Page not found") && !foreign.body.contains("Harbour Works"), "{}", foreign.body);
    assert_eq!(foreign.body.replace("harbour", "missing"), missing.body);
    assert_eq!((foreign.status, comparable(&foreign.headers)), (missing.status, comparable(&missing.headers)));
    // Nothing on the page tells the two apart by where they are mentioned, either.
    assert_eq!(foreign.body.matches("harbour").count(), missing.body.matches("missing").count());

    // Callers who are not let in anywhere learn as little.
    let outsider = token("user_eve");
    for who in [Who::SignedOut, Who::Cookie(&outsider)] {
        let [foreign, missing] = [app.get("/o/harbour", who).await, app.get("/o/missing", who).await];
        assert_eq!(foreign.status, StatusCode::SEE_OTHER);
        assert_eq!(foreign.location().replace("harbour", "missing"), missing.location());
    }
    assert_eq!(app.get("/o/harbour", Who::SignedOut).await.location(), "/sign-in?next=/o/harbour");
}

#[tokio::test]
async fn what_cannot_be_a_slug_is_not_found() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let token = token_for(ADA, &id);
    let long = format!("/o/{}", "a".repeat(8_000));
    let paths = [
        "/o/ACME",
        "/o/Acme",
        "/o/acme%00",
        "/o/%00",
        "/o/%ff",
        "/o/%zz",
        "/o/caf%C3%A9",
        "/o/%20acme",
        "/o/acme%0A",
        "/o/acme%2Fsettings",
        "/o/%2e%2e",
        "/o/'%20or%20true--",
        "/o/%25",
        "/o/",
        "/o",
        "/o/acme/",
        "/o/acme/settings",
        &long,
    ];
    for path in paths {
        let page = app.get(path, Who::Cookie(&token)).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}: {}", page.body);
        assert!(page.body.contains("Page not found") && !page.body.contains("Acme Studio"), "{path}: {}", page.body);
    }
}

#[tokio::test]
async fn opening_the_dashboard_anyway_keeps_where_the_user_wanted_to_go() {
    let app = TestApp::start().await;
    let stale = token(ADA);
    let id = app.create(ADA, "Acme Studio", "acme").await;
    let who = Who::Cookie(&stale);
    let waiting = app.get("/settings", who).await;
    assert_eq!(waiting.location(), "/token-pending?next=/settings");
    let screen = app.get("/token-pending?next=/settings&tried=1", who).await;
    assert!(screen.body.contains(r#"action="/dashboard?next=/settings""#), "{}", screen.body);

    let reply = app.post_form("/dashboard?next=/settings", who, &[]).await;
    assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/settings"));
    let (cookie, _) = reply.header("set-cookie").split_once(';').expect("attributes");
    for path in ["/settings", "/dashboard", "/o/acme"] {
        let page = get_with_cookie(&app, path, who, cookie).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.contains("Acme Studio") && page.body.contains(BEHIND), "{path}: {}", page.body);
    }
    // Once the token names the organization, nothing is behind.
    let page = get_with_cookie(&app, "/settings", Who::Cookie(&token_for(ADA, &id)), cookie).await;
    assert!(page.status == StatusCode::OK && !page.body.contains(BEHIND), "{}", page.body);
    // The cookie replaces no token and no membership.
    assert_eq!(get_with_cookie(&app, "/settings", Who::SignedOut, cookie).await.location(), "/sign-in?next=/settings");
    assert_eq!(
        get_with_cookie(&app, "/settings", Who::Cookie(&token("user_eve")), cookie).await.location(),
        "/onboarding"
    );
    let expired = token_with(ADA, &json!({"exp": NOW - 60}));
    assert_eq!(
        get_with_cookie(&app, "/settings", Who::Cookie(&expired), cookie).await.location(),
        "/token-pending?next=/settings"
    );
    // Signing out ends it.
    let reply = app.post_form("/sign-out", who, &[]).await;
    let removed = reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    assert!(
        removed.into_iter().any(|value| value.starts_with("vestibule_anyway=;") && value.contains("Max-Age=0")),
        "{reply:?}"
    );
}

#[tokio::test]
async fn opening_the_dashboard_anyway_leads_to_no_other_site() {
    let app = TestApp::start().await;
    let stale = token(ADA);
    app.create(ADA, "Acme Studio", "acme").await;
    for target in [
        "//evil.example",
        "https://evil.example",
        "https:evil.example",
        "/\\evil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
    ] {
        let query = encoded(target);
        let reply = app.post_form(&format!("/dashboard?next={query}"), Who::Cookie(&stale), &[]).await;
        assert_eq!((reply.status, reply.location()), (StatusCode::SEE_OTHER, "/dashboard"), "{target:?}");
        let screen = app.get(&format!("/token-pending?tried=1&next={query}"), Who::Cookie(&stale)).await;
        assert!(screen.body.contains(r#"action="/dashboard?next=/dashboard""#), "{target:?}: {}", screen.body);
    }
}

/// How `rename_organization` ends for a user, as the request login may call it.
async fn rename_as(app: &TestApp, user: &Value, organization: &str, name: &str) -> String {
    let mut transaction = app.pools.request.begin().await.expect("a transaction");
    sqlx::query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)")
        .bind(json!({"sub": user}).to_string())
        .execute(&mut *transaction)
        .await
        .expect("the role");
    let outcome = sqlx::query_scalar("select vestibule.rename_organization(wanted_id => $1::uuid, new_name => $2)")
        .bind(organization)
        .bind(name)
        .fetch_one(&mut *transaction)
        .await
        .expect("an outcome");
    transaction.commit().await.expect("committed");
    outcome
}

#[tokio::test]
async fn the_database_lets_only_owners_and_admins_rename() {
    let app = TestApp::start().await;
    let id = app.create(ADA, "Acme Studio", "acme").await;
    app.create(GRACE, "Harbour Works", "harbour").await;
    add_member(&app, &id, "user_admin", "admin").await;
    add_member(&app, &id, "user_member", "member").await;
    const MISSING: &str = "01900000-0000-7000-8000-000000000000";
    for (user, organization, outcome) in [
        (json!(GRACE), id.as_str(), "not_found"),
        (json!("user_eve"), &id, "not_found"),
        (Value::Null, &id, "not_found"),
        (json!(ADA), MISSING, "not_found"),
        (json!("user_member"), &id, "not_allowed"),
    ] {
        assert_eq!(rename_as(&app, &user, organization, "Taken over").await, outcome, "{user}");
    }
    let names = "select string_agg(name, ', ' order by name) from organizations where $1 = ''";
    assert_eq!(app.database.value::<String>(names, "").await, "Acme Studio, Harbour Works");
    for (user, name) in [("user_admin", "Acme Two"), (ADA, "Acme Three")] {
        assert_eq!(rename_as(&app, &json!(user), &id, name).await, "renamed");
        assert_eq!(name_of(&app, &id).await, name);
    }
    assert_eq!(app.database.value::<String>(names, "").await, "Acme Three, Harbour Works");
}
