//! Sends what is due, one request at a time.

use std::error::Error;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use url::Url;

use super::Webhooks;
use super::queue::{Next, Try};
use crate::clock::Clock;
use crate::faults::Faults;
use crate::keys::Keys;

/// Longest wait for an answer. Svix's.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Delivers for as long as it is polled. A receiver that does not answer holds up what comes after.
pub(crate) async fn deliver(webhooks: &Webhooks, faults: &Faults, keys: &Keys, clock: &Clock) {
    let Some(endpoint) = &webhooks.endpoint else {
        return std::future::pending().await;
    };
    let client = match client(ANSWER_LIMIT) {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(target: "clerk_emulator", %error, "webhooks cannot be sent");
            return std::future::pending().await;
        }
    };
    loop {
        let settings = faults.get(|settings| settings.webhooks.clone());
        let next = webhooks.queue().next(&settings, Instant::now());
        match next {
            Next::Wait(None) => webhooks.changed.notified().await,
            Next::Wait(Some(due)) => tokio::select! {
                () = webhooks.changed.notified() => {}
                () = sleep_until(due) => {}
            },
            Next::Send { id, body } => {
                let tried = attempt(&client, endpoint, keys, &id, body, clock.now_s()).await;
                tracing::debug!(target: "clerk_emulator", webhook = id, answer = ?tried.answer, "webhook");
                let settings = faults.get(|settings| settings.webhooks.clone());
                webhooks.queue().tried(&id, tried, &settings, Instant::now());
            }
        }
    }
}

fn client(limit: Duration) -> reqwest::Result<reqwest::Client> {
    // A redirect is a failure to Svix, and no proxy leads to this machine.
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().timeout(limit);
    builder.user_agent("Svix-Webhooks/1 (Clerk emulator)").build()
}

async fn attempt(client: &reqwest::Client, endpoint: &Url, keys: &Keys, id: &str, body: String, at: i64) -> Try {
    let request = client
        .post(endpoint.clone())
        .header("content-type", "application/json")
        .header("svix-id", id)
        .header("svix-timestamp", at)
        .header("svix-signature", keys.sign_webhook(&format!("{id}.{at}.{body}")));
    let answer = request.body(body).send().await;
    Try { at, answer: answer.map(|answer| answer.status().as_u16()).map_err(|error| cause(&error)) }
}

/// The innermost cause: "connection refused", not "error sending request".
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Instance;
    use crate::random::Random;

    #[tokio::test]
    async fn a_receiver_that_does_not_answer_in_time_has_failed() {
        // It takes the connection and says nothing.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let endpoint = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("an address");
        let keys = Keys::open(None, &Random, Instance::Production).expect("keys");
        let client = client(Duration::from_millis(50)).expect("a client");
        let tried = attempt(&client, &endpoint, &keys, "msg_1", "{}".to_owned(), 1).await;
        assert_eq!(tried.answer, Err("no answer in time".to_owned()));
        drop(listener);
        let tried = attempt(&client, &endpoint, &keys, "msg_1", "{}".to_owned(), 1).await;
        assert!(tried.answer.expect_err("the listener is closed").to_lowercase().contains("refused"));
    }
}
