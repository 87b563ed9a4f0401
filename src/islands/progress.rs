//! The wait in words: four steps, where we are, and one sentence that screen readers are told politely.

use leptos::prelude::*;

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
        (Stage::RefreshingSession, false) => "Step 3 of 4: refreshing your session. This usually takes a second or two.",
        (Stage::RefreshingSession, true) => "Step 3 of 4: your session takes longer to refresh than usual. We keep trying.",
        (Stage::Opening, _) => "Step 4 of 4: opening your dashboard.",
    }
}

/// The list of steps.
#[component]
pub fn Progress(#[prop(into)] stage: Signal<Stage>, #[prop(into)] slow: Signal<bool>) -> impl IntoView {
    let steps = move || {
        let now = current(stage.get());
        STEPS
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let (state, word) = match index {
                    i if i < now => ("done", "Done"),
                    i if i == now => ("current", "Now"),
                    i if i == now + 1 => ("waiting", "Next"),
                    _ => ("waiting", "Later"),
                };
                view! {
                    <li data-state=state aria-current=(index == now).then_some("step")>
                        <span>{*text}</span>
                        <span class="progress-state">{word}</span>
                    </li>
                }
            })
            .collect_view()
    };
    view! {
        <ol class="progress">{steps}</ol>
        <p class="progress-note" role="status" aria-live="polite">
            {move || sentence(stage.get(), slow.get())}
        </p>
    }
}
