//! Which event is sent when: a queue without a clock and without a network.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::faults::{WebhookFate, WebhookSettings};

/// How many events may wait. Further ones are lost.
const WAITING: usize = 1_000;
/// How many of those that wait no more are remembered.
const REMEMBERED: usize = 500;
/// Svix's: how long to wait before the first try, and after each that failed. In milliseconds.
pub(super) const SCHEDULE: [i64; 8] = [0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000];

/// One event on its way.
#[derive(Debug)]
pub(super) struct Message {
    id: String,
    event: Value,
    state: State,
    /// How often it is still to be received: more than once if that is set.
    copies: u8,
    /// Sent only behind the event after it.
    is_held: bool,
    /// When it happened, then when it was tried last.
    since: Instant,
    tries: Vec<Try>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Delivered,
    /// Given up after the last try.
    Failed,
    /// Never sent: a fault setting.
    Dropped,
    /// Never sent: too many waited.
    Lost,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Lost => "lost",
        }
    }
}

/// One request, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Try {
    /// By the emulator's clock, in seconds: its `svix-timestamp`.
    pub(super) at: i64,
    /// The status of the answer, or why there is none.
    pub(super) answer: Result<u16, String>,
}

impl Try {
    fn is_success(&self) -> bool {
        self.answer.as_ref().is_ok_and(|status| (200..300).contains(status))
    }
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Send {
        id: String,
        body: String,
    },
    /// Look again then, or when something changes.
    Wait(Option<Instant>),
}

impl Message {
    /// An event that happened now.
    pub(super) fn new(id: String, event: Value, now: Instant) -> Self {
        Self { id, event, state: State::Waiting, copies: 1, is_held: false, since: now, tries: Vec::new() }
    }

    /// The event and what became of it, as tests read it.
    pub(super) fn shown(&self) -> Value {
        let tries = self.tries.iter().map(|tried| match &tried.answer {
            Ok(status) => json!({"at": tried.at, "status": status, "error": null}),
            Err(error) => json!({"at": tried.at, "status": null, "error": error}),
        });
        json!({"id": self.id, "state": self.state.name(), "tries": tries.collect::<Vec<_>>(), "event": self.event})
    }

    /// How long after `since` it is sent; `None` if it was tried often enough.
    fn wait(&self, settings: &WebhookSettings) -> Option<Duration> {
        if self.tries.last().is_some_and(Try::is_success) {
            return Some(Duration::ZERO);
        }
        let failures = self.tries.iter().filter(|tried| !tried.is_success()).count();
        let mut wait = *settings.retry_schedule_ms.as_deref().unwrap_or(&SCHEDULE).get(failures)?;
        if failures == 0 {
            wait += settings.delay_ms;
        }
        Some(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
    }
}

/// Events in the order of their first tries.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Message>);

impl Queue {
    /// Takes an event.
    pub(super) fn push(&mut self, mut message: Message, fate: WebhookFate) {
        let waiting = self.0.iter().filter(|known| known.state == State::Waiting).count();
        message.state = match () {
            () if fate.drop => State::Dropped,
            () if waiting >= WAITING => State::Lost,
            () => State::Waiting,
        };
        message.copies = if fate.duplicate { 2 } else { 1 };
        if message.state == State::Lost {
            tracing::debug!(target: "clerk_emulator", webhook = message.id, "too many webhooks wait: this one is lost");
        }
        let held = self.0.iter().position(|known| known.is_held && known.state == State::Waiting);
        match held {
            Some(place) if fate.reorder && message.state == State::Waiting => {
                self.0[place].is_held = false;
                self.0.insert(place, message);
            }
            _ => {
                message.is_held = fate.reorder && message.state == State::Waiting;
                self.0.push_back(message);
            }
        }
        if self.0.len() - waiting > REMEMBERED
            && let Some(oldest) = self.0.iter().position(|known| known.state != State::Waiting)
        {
            self.0.remove(oldest);
        }
    }

    /// What to do at `now`.
    pub(super) fn next(&mut self, settings: &WebhookSettings, now: Instant) -> Next {
        if settings.pause {
            return Next::Wait(None);
        }
        let mut soonest: Option<Instant> = None;
        for message in self.0.iter_mut().filter(|message| message.state == State::Waiting) {
            message.is_held &= settings.reorder;
            if message.is_held {
                continue;
            }
            let Some(wait) = message.wait(settings) else {
                message.state = State::Failed;
                continue;
            };
            let due = message.since + wait;
            if due <= now {
                return Next::Send { id: message.id.clone(), body: message.event.to_string() };
            }
            soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
        }
        Next::Wait(soonest)
    }

    /// Writes down a try that ended at `now`.
    pub(super) fn tried(&mut self, id: &str, tried: Try, settings: &WebhookSettings, now: Instant) {
        let Some(message) = self.0.iter_mut().find(|message| message.id == id) else {
            return;
        };
        let received = tried.is_success();
        message.tries.push(tried);
        message.since = now;
        if received {
            message.copies = message.copies.saturating_sub(1);
        }
        message.state = match message.wait(settings) {
            _ if message.copies == 0 => State::Delivered,
            Some(_) => State::Waiting,
            None => State::Failed,
        };
    }

    /// All that is remembered.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Message> {
        self.0.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(fates: &[WebhookFate]) -> (Queue, Instant) {
        let (mut queue, now) = (Queue::default(), Instant::now());
        for (n, fate) in fates.iter().enumerate() {
            queue.push(Message::new(n.to_string(), json!({"n": n}), now), *fate);
        }
        (queue, now)
    }

    fn settings(json: Value) -> WebhookSettings {
        serde_json::from_value(json).expect("settings")
    }

    fn sent(queue: &mut Queue, settings: &WebhookSettings, now: Instant) -> Option<String> {
        match queue.next(settings, now) {
            Next::Send { id, .. } => Some(id),
            Next::Wait(_) => None,
        }
    }

    /// Ids in the order in which a receiver gets them that takes everything.
    fn received(queue: &mut Queue, settings: &WebhookSettings, now: Instant) -> Vec<String> {
        let mut ids = Vec::new();
        while let Some(id) = sent(queue, settings, now) {
            queue.tried(&id, Try { at: 0, answer: Ok(204) }, settings, now);
            ids.push(id);
        }
        ids
    }

    fn states(queue: &Queue) -> Vec<&'static str> {
        queue.0.iter().map(|message| message.state.name()).collect()
    }

    const PLAIN: WebhookFate = WebhookFate { drop: false, duplicate: false, reorder: false };

    #[test]
    fn a_failed_delivery_is_retried_on_svixs_schedule() {
        let (mut queue, mut now) = queue(&[PLAIN]);
        let settings = WebhookSettings::default();
        for answer in [Ok(500), Ok(302), Err("no answer".to_owned()), Ok(404), Ok(199), Ok(300), Ok(400)] {
            assert_eq!(sent(&mut queue, &settings, now).as_deref(), Some("0"));
            queue.tried("0", Try { at: 0, answer }, &settings, now);
            let Next::Wait(Some(due)) = queue.next(&settings, now) else { panic!("it is not sent at once") };
            assert_eq!(due - now, Duration::from_millis(SCHEDULE[queue.0[0].tries.len()].unsigned_abs()));
            now = due;
        }
        assert_eq!(sent(&mut queue, &settings, now).as_deref(), Some("0"));
        queue.tried("0", Try { at: 0, answer: Ok(500) }, &settings, now);
        assert_eq!((queue.next(&settings, now), states(&queue)), (Next::Wait(None), vec!["failed"]));
    }

    #[test]
    fn a_failed_delivery_does_not_block_others_and_arrives_later() {
        let (mut queue, now) = queue(&[PLAIN, PLAIN]);
        let settings = WebhookSettings::default();
        queue.tried("0", Try { at: 0, answer: Ok(500) }, &settings, now);
        assert_eq!(received(&mut queue, &settings, now), ["1"]);
        assert_eq!(received(&mut queue, &settings, now + Duration::from_secs(5)), ["0"]);
        assert_eq!(states(&queue), ["delivered", "delivered"]);
    }

    #[test]
    fn events_are_dropped_duplicated_delayed_and_paused() {
        let (mut queue, now) =
            queue(&[WebhookFate { drop: true, ..PLAIN }, WebhookFate { duplicate: true, ..PLAIN }, PLAIN]);
        assert_eq!(queue.next(&settings(json!({"pause": true})), now), Next::Wait(None));
        let late = settings(json!({"delay_ms": 700}));
        assert_eq!(queue.next(&late, now), Next::Wait(Some(now + Duration::from_millis(700))));
        assert_eq!(received(&mut queue, &WebhookSettings::default(), now), ["1", "1", "2"]);
        assert_eq!(states(&queue), ["dropped", "delivered", "delivered"]);
    }

    #[test]
    fn events_are_swapped_in_pairs_and_the_last_one_goes_when_the_setting_ends() {
        let reorder = WebhookFate { reorder: true, ..PLAIN };
        let (mut queue, now) = queue(&[reorder, reorder, reorder, reorder, reorder]);
        assert_eq!(received(&mut queue, &settings(json!({"reorder": true})), now), ["1", "0", "3", "2"]);
        assert_eq!(received(&mut queue, &WebhookSettings::default(), now), ["4"]);
    }

    #[test]
    fn another_schedule_counts_for_what_waits_already() {
        let (mut queue, now) = queue(&[PLAIN]);
        queue.tried("0", Try { at: 0, answer: Ok(500) }, &WebhookSettings::default(), now);
        assert_eq!(sent(&mut queue, &settings(json!({"retry_schedule_ms": [0, 0]})), now).as_deref(), Some("0"));
        assert_eq!(queue.next(&settings(json!({"retry_schedule_ms": [0]})), now), Next::Wait(None));
        assert_eq!(states(&queue), ["failed"]);
    }

    #[test]
    fn the_queue_and_its_history_are_bounded() {
        let (mut queue, now) = queue(&[PLAIN; WAITING + 1]);
        assert_eq!(states(&queue).last(), Some(&"lost"));
        let all = received(&mut queue, &WebhookSettings::default(), now);
        assert_eq!(all.len(), WAITING);
        for n in 0..2 * WAITING {
            queue.push(Message::new(format!("more {n}"), Value::Null, now), PLAIN);
            received(&mut queue, &WebhookSettings::default(), now);
        }
        assert!(queue.0.len() <= WAITING + 1 + REMEMBERED, "{}", queue.0.len());
    }
}
