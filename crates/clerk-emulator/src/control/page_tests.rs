//! The control's page over its own port: what it shows, and which requests may change settings.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{Emulator, Options, start};

struct Fixture {
    emulator: Emulator,
    http: reqwest::Client,
}

impl Fixture {
    async fn start() -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { emulator: start(Options::default()).await.expect("starts"), http }
    }

    fn request(&self, method: Method) -> reqwest::RequestBuilder {
        self.http.request(method, &self.emulator.settings().control_url)
    }

    async fn settings(&self) -> Value {
        self.request(Method::GET).send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn page(&self) -> String {
        let request = self.request(Method::GET).header(header::ACCEPT, "text/html,*/*;q=0.8");
        request.send().await.expect("an answer").text().await.expect("text")
    }

    /// Sends the form with one more header.
    async fn submit(&self, name: &str, value: &str, form: &str) -> reqwest::Response {
        self.request(Method::POST).header(name, value).body(form.to_owned()).send().await.expect("an answer")
    }
}

#[tokio::test]
async fn browsers_get_a_page_and_programs_get_json() {
    let fixture = Fixture::start().await;
    let page = fixture.page().await;
    assert!(page.contains("No faults are set.") && page.contains("Clear all faults"));
    let settings = fixture.settings().await;
    let names = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let webhooks = names(&settings["webhooks"]).into_iter().map(|field| format!("webhooks.{field}"));
    let others = names(&settings).into_iter().filter(|field| !["faults", "webhooks"].contains(&field.as_str()));
    for field in others.chain(webhooks) {
        assert!(page.contains(&format!("<code>{field}</code>")), "{field} is not on the page");
    }
    // Each field has a label, and there is no script.
    for tag in page.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("select")) {
        let id = tag.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(tag);
        assert!(page.contains(&format!("<label for=\"{id}\">")), "{id} has no label");
    }
    assert!(!page.contains("<script") && page.contains("<label for=\"fault-0-where\">"));
    let answer = fixture.request(Method::GET).header(header::ACCEPT, "text/html").send().await.expect("an answer");
    let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    for rule in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(rule), "{rule}");
    }
    let (inbox, control) = (&fixture.emulator.settings().inbox_url, &fixture.emulator.settings().control_url);
    let inbox_page = fixture.http.get(inbox).send().await.expect("an answer").text().await.expect("text");
    for (page, other) in [(&page, inbox), (&inbox_page, control)] {
        let link = other.trim_start_matches(&fixture.emulator.settings().api_url);
        assert!(page.contains(&format!("<a href=\"{link}\">")), "no link from one page to the other");
    }
}

#[tokio::test]
async fn the_form_sets_and_clears_all_faults() {
    let fixture = Fixture::start().await;
    let form = "metadata_never=on&last_active_token=old&omit_azp=on&token_lifetime_s=5&fault-0-where=POST+/v1/client/sessions/+/tokens\
                &fault-0-count=2&fault-0-status=503&fault-0-delay_ms=0&fault-0-retry_after_s=&fault-1-where=";
    let answer = fixture.submit("sec-fetch-site", "same-origin", form).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    let location = answer.headers()[header::LOCATION].to_str().expect("text").to_owned();
    assert!(fixture.emulator.settings().control_url.ends_with(&location));
    let set = fixture.settings().await;
    assert_eq!((&set["metadata_delay_ms"], &set["token_lifetime_s"]), (&Value::Null, &json!(5)));
    assert_eq!(
        (&set["last_active_token"], &set["omit_azp"], &set["omit_oiat"]),
        (&json!("old"), &json!(true), &json!(false))
    );

    // One of the two faults is used up, and the page says so.
    let tokens = format!("{}/v1/client/sessions/x/tokens", fixture.emulator.settings().api_url);
    assert_eq!(fixture.http.post(tokens).send().await.expect("an answer").status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = fixture.page().await;
    for text in [
        "Active faults",
        "New tokens never see",
        "live 5 s",
        "Tokens: 1 left, fails with 503.",
        "Fault 1 <small>1 left",
    ] {
        assert!(page.contains(text), "{text}");
    }
    let answer = fixture.submit("sec-fetch-site", "same-origin", "reset=yes").await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert!(fixture.page().await.contains("No faults are set."));
}

#[tokio::test]
async fn a_rejected_form_changes_nothing_and_keeps_its_input() {
    let fixture = Fixture::start().await;
    let form = "token_lifetime_s=0&omit_azp=on&fault-0-where=GET+/v1/%22%3Cb%3E+*&fault-0-delay_ms=3";
    let answer = fixture.submit("sec-fetch-site", "same-origin", form).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let page = answer.text().await.expect("text");
    for text in [
        "role=\"alert\">Nothing was changed: token_lifetime_s must be 1 to 86400",
        "value=\"0\"",
        "name=\"omit_azp\" aria-describedby=\"omit_azp-hint\" checked",
    ] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("/v1/&quot;&lt;b&gt;") && !page.contains("<b>"));
    assert_eq!(fixture.settings().await["omit_azp"], false);
}

#[tokio::test]
async fn only_the_page_itself_may_send_the_form() {
    let fixture = Fixture::start().await;
    let origin = fixture.emulator.settings().api_url.clone();
    for (name, value, accepted) in [
        ("sec-fetch-site", "same-origin", true),
        ("sec-fetch-site", "same-site", false),
        ("sec-fetch-site", "cross-site", false),
        ("sec-fetch-site", "none", false),
        ("origin", origin.as_str(), true),
        ("origin", "http://localhost:3000", false),
        ("origin", "null", false),
        ("x-nothing", "said", false),
    ] {
        fixture.request(Method::DELETE).send().await.expect("an answer");
        let status = fixture.submit(name, value, "omit_azp=on").await.status();
        assert_eq!(status, if accepted { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN }, "{name}: {value}");
        assert_eq!(fixture.settings().await["omit_azp"], accepted, "{name}: {value}");
    }
    // The page's origin without the token is not enough.
    let bare = format!("{origin}/control?token=guess");
    let answer = fixture.http.post(bare).header("sec-fetch-site", "same-origin").send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}
