//! The fields of the page's form, each with its name in JSON and a sentence about it.

use maud::{Markup, html};

use super::form::{Form, NEVER};
use super::words::SWITCHES;

/// Radio buttons. The first is chosen if none is.
pub(super) fn choice(form: &Form, name: &str, legend: &str, hint: &str, options: &[(&str, &str)]) -> Markup {
    let chosen = form.get(name).unwrap_or(options[0].0);
    html! {
        fieldset aria-describedby={ (name) "-hint" } {
            legend { (legend) " " code { (name) } }
            p class="hint" id={ (name) "-hint" } { (hint) }
            @for (option, label) in options {
                @let id = format!("{name}-{option}");
                div class="option" {
                    input type="radio" id=(id) name=(name) value=(option) checked[chosen == *option];
                    label for=(id) { (label) }
                }
            }
        }
    }
}

/// A box to tick, one of `SWITCHES`.
pub(super) fn switch(form: &Form, name: &str) -> Markup {
    let (label, hint) =
        SWITCHES.iter().find(|(field, ..)| *field == name).map_or((name, ""), |known| (known.1, known.2));
    html! {
        div class="option" {
            input type="checkbox" id=(name) name=(name) aria-describedby={ (name) "-hint" } checked[form.is_ticked(name)];
            label for=(name) {
                (label)
                // The one box that has no name of its own in JSON.
                @if name != NEVER { " " code { (name) } }
            }
            p class="hint" id={ (name) "-hint" } { (hint) }
        }
    }
}

/// A field for text, with a sentence about it.
pub(super) fn text(form: &Form, name: &str, label: &str, hint: &str) -> Markup {
    let input = html! {
        input type="text" id=(name) name=(name) value=(form.get(name).unwrap_or_default()) aria-describedby={ (name) "-hint" };
    };
    field(name, label, &input, hint)
}

/// A field for a number from the first of `limits` to the second, with a sentence about it.
pub(super) fn number(form: &Form, name: &str, label: &str, limits: (Option<i64>, Option<i64>), hint: &str) -> Markup {
    let input = html! {
        input type="number" id=(name) name=(name) min=[limits.0] max=[limits.1] value=(form.get(name).unwrap_or_default())
            aria-describedby={ (name) "-hint" };
    };
    field(name, label, &input, hint)
}

fn field(name: &str, label: &str, input: &Markup, hint: &str) -> Markup {
    html! {
        div class="field" {
            label for=(name) { (label) " " code { (name) } }
            (input)
            p class="hint" id={ (name) "-hint" } { (hint) }
        }
    }
}
