//! How metadata changes: deep merge in which `null` removes a key at any level.

use serde_json::{Map, Value};

/// Merges `patch` into `target`. Objects merge key by key; `null` removes; anything else replaces.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        return;
    };
    let target = as_object(target);
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(_) => merge(target.entry(key.as_str()).or_insert_with(|| Value::Object(Map::new())), value),
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

/// The value as an object, made empty first if it is something else.
fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object above")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn merged(mut target: Value, patch: Value) -> Value {
        merge(&mut target, &patch);
        target
    }

    #[test]
    fn objects_merge_deeply_and_null_removes_at_any_level() {
        assert_eq!(merged(json!({"a": {"b": 1}}), json!({"a": {"c": 2}})), json!({"a": {"b": 1, "c": 2}}));
        assert_eq!(merged(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}})), json!({"a": {"c": 2}}));
        assert_eq!(merged(json!({"a": 1, "b": 2}), json!({"a": null})), json!({"b": 2}));
        assert_eq!(merged(json!({}), json!({"a": {"b": null}})), json!({"a": {}}));
    }

    #[test]
    fn lists_and_scalars_are_replaced_whole() {
        assert_eq!(merged(json!({"a": [1, 2]}), json!({"a": [3]})), json!({"a": [3]}));
        assert_eq!(merged(json!({"a": 1}), json!({"a": {"b": 2}})), json!({"a": {"b": 2}}));
        assert_eq!(merged(json!({"camelKey": 1}), json!({"camelKey": "x"})), json!({"camelKey": "x"}));
    }
}
