//! The mark: a door that stands as the page does. Drawn on the server only; islands change it through the stylesheet.

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
pub fn Mark(door: DoorState) -> impl IntoView {
    let (name, leaf, handle) = match door {
        DoorState::Ajar => ("ajar", "M9 30V16a7 7 0 0 1 6-6.93V32z", "13"),
        DoorState::Waiting => ("waiting", "M9 30V16a7 7 0 0 1 10-6.32V32z", "17"),
        DoorState::Closed => ("closed", "M9 30V16a7 7 0 0 1 14 0v14z", "20"),
        DoorState::Missing => ("none", "", "20"),
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
