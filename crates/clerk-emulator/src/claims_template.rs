//! Claims from a template, in the rules of Clerk's session token customization:
//! a string that is one whole shortcode keeps the type of its value, a shortcode inside a longer string
//! becomes text, `||` takes the first value that is neither null nor false, and a default claim is never overridden.

use serde_json::{Map, Value, json};

/// Claims that belong to Clerk. A template that names one of them is ignored there.
const RESERVED: [&str; 19] = [
    "act",
    "azp",
    "exp",
    "fea",
    "fva",
    "iat",
    "iss",
    "jti",
    "nbf",
    "o",
    "org_id",
    "org_permissions",
    "org_role",
    "org_slug",
    "pla",
    "sid",
    "sts",
    "sub",
    "v",
];

/// Fills the template with values from `context` and drops what would override a default claim.
pub(crate) fn fill(template: &Value, context: &Value) -> Map<String, Value> {
    let Value::Object(template) = template else {
        return Map::new();
    };
    template
        .iter()
        .filter(|(key, _)| !RESERVED.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), fill_value(value, context)))
        .collect()
}

fn fill_value(value: &Value, context: &Value) -> Value {
    match value {
        Value::String(text) => fill_text(text, context),
        Value::Array(items) => items.iter().map(|item| fill_value(item, context)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), fill_value(value, context))).collect())
        }
        other => other.clone(),
    }
}

fn fill_text(text: &str, context: &Value) -> Value {
    let mut output = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let inside = &rest[start + 2..];
        let Some(end) = end_of_shortcode(inside) else {
            break;
        };
        let value = evaluate(&inside[..end], context);
        if start == 0 && rest.len() == text.len() && end + 4 == text.len() {
            return value;
        }
        output.push_str(&rest[..start]);
        output.push_str(&as_text(&value));
        rest = &inside[end + 2..];
    }
    output.push_str(rest);
    Value::String(output)
}

/// Where the `}}` begins that closes the shortcode; braces inside a quoted literal do not count.
fn end_of_shortcode(inside: &str) -> Option<usize> {
    let bytes = inside.as_bytes();
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'}' if !quoted && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
    }
    None
}

/// The first operand that is neither null nor false, otherwise the last one.
fn evaluate(expression: &str, context: &Value) -> Value {
    let mut last = Value::Null;
    for operand in operands(expression) {
        last = operand_value(operand.trim(), context);
        if !matches!(last, Value::Null | Value::Bool(false)) {
            break;
        }
    }
    last
}

/// Splits at `||` outside quotes.
fn operands(expression: &str) -> Vec<&str> {
    let bytes = expression.as_bytes();
    let (mut parts, mut from, mut quoted, mut at) = (Vec::new(), 0, false, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => quoted = !quoted,
            b'|' if !quoted && bytes.get(at + 1) == Some(&b'|') => {
                parts.push(&expression[from..at]);
                at += 1;
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&expression[from..]);
    parts
}

fn operand_value(operand: &str, context: &Value) -> Value {
    if let Some(literal) = operand.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return json!(literal);
    }
    match operand {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    if let Ok(number @ Value::Number(_)) = serde_json::from_str::<Value>(operand) {
        return number;
    }
    operand.split('.').try_fold(context, |value, key| value.get(key)).cloned().unwrap_or(Value::Null)
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Value {
        json!({"user": {
            "id": "user_1", "first_name": "Ada", "last_name": null, "two_factor_enabled": false,
            "public_metadata": {"role": "owner", "n": 3, "deep": {"er": ["x"]}},
        }})
    }

    fn one(template: &str) -> Value {
        fill(&json!({"x": template}), &context()).remove("x").unwrap_or(Value::Null)
    }

    #[test]
    fn a_whole_shortcode_keeps_its_type() {
        assert_eq!(one("{{user.id}}"), json!("user_1"));
        assert_eq!(one("{{ user.public_metadata.n }}"), json!(3));
        assert_eq!(one("{{user.two_factor_enabled}}"), json!(false));
        assert_eq!(one("{{user.public_metadata.deep}}"), json!({"er": ["x"]}));
        assert_eq!(one("{{user.public_metadata}}"), context()["user"]["public_metadata"]);
    }

    #[test]
    fn unknown_and_missing_become_null() {
        assert_eq!(one("{{user.public_metadata.nothing.here}}"), Value::Null);
        assert_eq!(one("{{nonsense}}"), Value::Null);
        assert_eq!(one("{{user.last_name}}"), Value::Null);
        assert_eq!(one("{{}}"), Value::Null);
    }

    #[test]
    fn inside_a_longer_string_everything_is_text() {
        assert_eq!(one("Hi {{user.first_name}}!"), json!("Hi Ada!"));
        assert_eq!(one("{{user.first_name}} {{user.last_name}}"), json!("Ada null"));
        assert_eq!(one(" {{user.public_metadata.n}}"), json!(" 3"));
        assert_eq!(one("{{user.id}}{{user.first_name}}"), json!("user_1Ada"));
        assert_eq!(one("a {{user.public_metadata.deep}}"), json!("a {\"er\":[\"x\"]}"));
    }

    #[test]
    fn alternatives_take_the_first_value_that_is_not_null_or_false() {
        assert_eq!(one("{{user.last_name || user.first_name}}"), json!("Ada"));
        assert_eq!(one("{{user.last_name || user.two_factor_enabled}}"), json!(false));
        assert_eq!(one("{{user.two_factor_enabled || user.last_name}}"), Value::Null);
        assert_eq!(one("{{user.last_name || 'no || name'}}"), json!("no || name"));
        assert_eq!(one("{{user.last_name || 7}}"), json!(7));
        assert_eq!(one("{{user.last_name || 1.5}}"), json!(1.5));
        assert_eq!(one("{{user.last_name || true}}"), json!(true));
        assert_eq!(one("{{user.last_name||'}}'}}"), json!("}}"));
    }

    #[test]
    fn plain_values_and_nesting_stay() {
        let filled = fill(&json!({"a": {"b": ["{{user.id}}", 1]}, "c": true, "d": "open {{user.id"}), &context());
        assert_eq!(Value::Object(filled), json!({"a": {"b": ["user_1", 1]}, "c": true, "d": "open {{user.id"}));
    }

    #[test]
    fn default_claims_are_not_overridden() {
        let filled = fill(&json!({"sub": "someone", "sid": "x", "exp": 1, "role": "r"}), &context());
        assert_eq!(Value::Object(filled), json!({"role": "r"}));
    }
}
