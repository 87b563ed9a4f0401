//! The frame of every page of the entrance: an arch with a heading. Not an island; islands and pages draw with it.

use leptos::prelude::*;

/// How the door in the mark stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorState {
    Ajar,
    Waiting,
    Closed,
    /// There is none.
    Missing,
}

/// The mark: a door in its state. Decoration only.
#[component]
pub fn Mark(#[prop(into)] door: Signal<DoorState>) -> impl IntoView {
    let name = move || match door.get() {
        DoorState::Ajar => "ajar",
        DoorState::Waiting => "waiting",
        DoorState::Closed => "closed",
        DoorState::Missing => "none",
    };
    let leaf = move || match door.get() {
        DoorState::Ajar => "M9 30V16a7 7 0 0 1 6-6.93V32z",
        DoorState::Waiting => "M9 30V16a7 7 0 0 1 10-6.32V32z",
        DoorState::Closed => "M9 30V16a7 7 0 0 1 14 0v14z",
        DoorState::Missing => "",
    };
    let handle = move || match door.get() {
        DoorState::Ajar => "13",
        DoorState::Waiting => "17",
        DoorState::Closed | DoorState::Missing => "20",
    };
    view! {
        <svg class="mark" data-door=name viewBox="0 0 32 32" aria-hidden="true">
            <path class="mark-arch" d="M3 30V15a13 13 0 0 1 26 0v15z" />
            <path class="mark-light" d="M9 30V16a7 7 0 0 1 14 0v14z" />
            <path class="mark-leaf" d=leaf />
            <circle class="mark-light" cx=handle cy="21" r="1" />
        </svg>
    }
}

/// The heading of a door.
#[component]
pub fn DoorHead(
    #[prop(into)] door: Signal<DoorState>,
    #[prop(into)] title: Signal<String>,
    #[prop(into)] lead: Signal<String>,
) -> impl IntoView {
    view! {
        <header class="door-head">
            <Mark door />
            <h1 id="title" tabindex="-1">{move || title.get()}</h1>
            <p>{move || lead.get()}</p>
        </header>
    }
}
