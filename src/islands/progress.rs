//! The wait in words: four steps, where we are, and one sentence that screen readers are told politely.

use std::cmp::Ordering;

use leptos::prelude::*;

use super::words;
use crate::model::freshness::Stage;

/// The steps as people read them.
const STEPS: [&str; 4] =
    ["Organization created", "Telling the sign-in service", "Refreshing your session", "Opening your dashboard"];

fn current(stage: Stage) -> usize {
    match stage {
        Stage::TellingClerk => 1,
        Stage::RefreshingSession => 2,
        Stage::Opening => 3,
    }
}

/// What is said about a stage; `slow` once it takes longer than usual.
fn sentence(stage: Stage, slow: bool) -> &'static str {
    match (stage, slow) {
        (Stage::TellingClerk, false) => "Step 2 of 4: telling the sign-in service about your organization.",
        (Stage::TellingClerk, true) => {
            "Step 2 of 4: the sign-in service is slow to answer. We keep trying, here for 10 seconds at most."
        }
        (Stage::RefreshingSession, false) => {
            "Step 3 of 4: refreshing your session. This usually takes a second or two."
        }
        (Stage::RefreshingSession, true) => {
            "Step 3 of 4: your session takes longer to refresh than usual. We keep trying."
        }
        (Stage::Opening, _) => "Step 4 of 4: opening your dashboard.",
    }
}

/// The list of steps.
#[component]
pub fn Progress(stage: RwSignal<Stage>, slow: RwSignal<bool>, waiting: RwSignal<bool>) -> impl IntoView {
    let step = move |index: usize| {
        let state = move || match index.cmp(&current(stage.get())) {
            Ordering::Less => ("done", "Done"),
            Ordering::Equal => ("current", "Now"),
            Ordering::Greater => ("waiting", "Next"),
        };
        view! {
            <li data-state=move || state().0 aria-current=move || (state().0 == "current").then_some("step")>
                <span>{STEPS[index]}</span>
                <span class="progress-state">{words(move || state().1)}</span>
            </li>
        }
    };
    view! {
        <ol class="progress">{step(0)} {step(1)} {step(2)} {step(3)}</ol>
        <p class="progress-note" role="status" aria-live="polite">
            {words(move || if waiting.get() { sentence(stage.get(), slow.get()) } else { "" })}
        </p>
    }
}
