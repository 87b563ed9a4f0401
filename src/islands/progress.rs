//! The progress of the wait: four steps, the current one, and a sentence that screen readers announce politely.

use std::cmp::Ordering;

use leptos::prelude::*;

use super::{when, words};
use crate::model::freshness::Stage;

/// The steps as users read them.
const STEPS: [&str; 4] =
    ["Organization created", "Notifying the sign-in service", "Refreshing your session", "Opening your dashboard"];

fn current(stage: Stage) -> usize {
    match stage {
        Stage::NotifyingClerk => 1,
        Stage::Loading | Stage::RefreshingSession => 2,
        Stage::Opening => 3,
    }
}

/// How the wait goes, as far as the message depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Usual,
    /// The stage takes longer than usual.
    Slow,
    /// The browser has lost its connection.
    Offline,
    /// The wait has ended here, because the server does not answer.
    Stopped,
}

/// The message of a stage.
fn sentence(stage: Stage, pace: Pace) -> &'static str {
    match (stage, pace) {
        (_, Pace::Offline) => "You’re offline. Nothing is lost: we continue when your connection is back.",
        (_, Pace::Stopped) => "",
        (Stage::NotifyingClerk, Pace::Usual) => "Step 2 of 4: notifying the sign-in service about your organization.",
        (Stage::NotifyingClerk, Pace::Slow) => {
            "Step 2 of 4: the sign-in service is slow to answer. We keep trying, here for 10 seconds at most."
        }
        (Stage::Loading, _) => "Step 3 of 4: still loading the sign-in service. This takes longer than usual.",
        (Stage::RefreshingSession, Pace::Usual) => {
            "Step 3 of 4: refreshing your session. This usually takes a second or two."
        }
        (Stage::RefreshingSession, Pace::Slow) => {
            "Step 3 of 4: your session takes longer to refresh than usual. We keep trying."
        }
        (Stage::Opening, Pace::Usual) => "Step 4 of 4: opening your dashboard.",
        (Stage::Opening, Pace::Slow) => "Step 4 of 4: your dashboard takes longer to open than usual.",
    }
}

/// The list of steps.
#[component]
pub fn Progress(stage: RwSignal<Stage>, pace: RwSignal<Pace>, waiting: RwSignal<bool>) -> impl IntoView {
    let step = move |index: usize| {
        let state = move || match index.cmp(&current(stage.get())) {
            Ordering::Less => ("done", "Done"),
            Ordering::Equal => ("current", "Now"),
            Ordering::Greater => ("waiting", "Next"),
        };
        view! {
            <li data-state=move || state().0 aria-current=move || (state().0 == "current").then_some("step")>
                <span>{STEPS[index]}</span>
                <span class="progress-state" prop:textContent=words(move || state().1)></span>
            </li>
        }
    };
    view! {
        <ol class="progress">{step(0)} {step(1)} {step(2)} {step(3)}</ol>
        <p
            class="progress-note"
            role="status"
            aria-live="polite"
            prop:textContent=words(move || if waiting.get() { sentence(stage.get(), pace.get()) } else { "" })
        ></p>
    }
}

/// Shown when the wait ends because not even our own server answers, so no page could load. `again`: the link to try
/// again.
#[component]
pub fn Unreachable(shown: Box<dyn Fn() -> bool + Send>, again: String) -> impl IntoView {
    view! {
        <div class="notice" data-kind="error" role="alert" hidden=when(move || !shown())>
            <p>
                <strong>"Your browser can’t reach this site."</strong>
                " Nothing is lost. Check your connection, then try again."
            </p>
            <div class="actions">
                <a class="button" href=again>
                    "Try again"
                </a>
            </div>
        </div>
    }
}
