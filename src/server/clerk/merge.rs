//! How metadata changes at Clerk: deep merge, in which null removes a key at any level.
//!
//! What must stay true: [`composed`] says that two changes are one only if Clerk ends up the same either way.

use serde_json::{Map, Value};

/// What becomes of `target` when Clerk applies `change`: objects merge key by key, null removes, anything else replaces.
pub fn merged(target: Value, change: &Value) -> Value {
    let Value::Object(change) = change else {
        return target;
    };
    let mut target = match target {
        Value::Object(target) => target,
        _ => Map::new(),
    };
    for (key, value) in change {
        match value {
            Value::Null => _ = target.remove(key),
            Value::Object(_) => {
                let under = target.remove(key).unwrap_or_default();
                target.insert(key.clone(), merged(under, value));
            }
            other => _ = target.insert(key.clone(), other.clone()),
        }
    }
    Value::Object(target)
}

/// The one change that does what `earlier` and then `later` do. Later values win; nulls are kept, because they remove.
///
/// `None`: there is no such change. It is so where the later one puts an object in the place of what the earlier one
/// removed or replaced: merged, it would bring back the old object's other keys.
pub fn composed(earlier: &Value, later: &Value) -> Option<Value> {
    let (Value::Object(earlier), Value::Object(later)) = (earlier, later) else {
        return None;
    };
    let mut all = earlier.clone();
    for (key, value) in later {
        let value = match (earlier.get(key), value) {
            (Some(known), Value::Object(_)) => composed(known, value)?,
            (_, value) => value.clone(),
        };
        all.insert(key.clone(), value);
    }
    Some(Value::Object(all))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_deeply_and_null_removes_at_any_level() {
        let table = [
            (json!({"a": {"b": 1}}), json!({"a": {"c": 2}}), json!({"a": {"b": 1, "c": 2}})),
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}}), json!({"a": {"c": 2}})),
            (json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (json!({}), json!({"a": {"b": null}}), json!({"a": {}})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!({"a": 1}), json!({"a": {"b": 2}}), json!({"a": {"b": 2}})),
        ];
        for (target, change, expected) in table {
            assert_eq!(merged(target.clone(), &change), expected, "{target} and {change}");
        }
    }

    #[test]
    fn one_change_for_two_keeps_nulls_and_lets_later_values_win() {
        let table = [
            (json!({"a": 1, "b": 2}), json!({"b": 3}), Some(json!({"a": 1, "b": 3}))),
            (json!({"p": {"a": 1}}), json!({"p": {"a": null, "b": 2}}), Some(json!({"p": {"a": null, "b": 2}}))),
            (json!({"p": {"a": null}}), json!({"p": {"a": 1}}), Some(json!({"p": {"a": 1}}))),
            (json!({"p": {"a": 1}}), json!({"p": null}), Some(json!({"p": null}))),
            (json!({"p": null}), json!({"p": {"a": 1}}), None),
            (json!({"p": 1}), json!({"p": {"a": 1}}), None),
        ];
        for (earlier, later, expected) in table {
            assert_eq!(composed(&earlier, &later), expected, "{earlier} then {later}");
        }
    }

    /// All changes to two keys, two levels deep.
    fn changes() -> Vec<Value> {
        let leaves = [None, Some(Value::Null), Some(json!(1)), Some(json!([2]))];
        let pairs = |values: &[Option<Value>]| -> Vec<Value> {
            let pair = |(a, b): (&Option<Value>, &Option<Value>)| {
                let entries = [("a", a), ("b", b)].into_iter();
                entries.filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect::<Map<_, _>>().into()
            };
            values.iter().flat_map(|a| values.iter().map(move |b| (a, b))).map(pair).collect()
        };
        let inner = pairs(&leaves).into_iter().map(Some);
        pairs(&leaves.iter().cloned().chain(inner).collect::<Vec<_>>())
    }

    #[test]
    fn one_change_for_two_leaves_clerk_with_the_same() {
        let changes = changes();
        let targets =
            [json!({}), json!({"a": 0, "b": {"a": 0, "b": 0}}), json!({"a": {"a": {"x": 0}, "c": 0}, "c": 0})];
        let mut composable = 0;
        for earlier in &changes {
            for later in &changes {
                let Some(both) = composed(earlier, later) else { continue };
                composable += 1;
                for target in &targets {
                    let apart = merged(merged(target.clone(), earlier), later);
                    assert_eq!(merged(target.clone(), &both), apart, "{earlier} then {later} on {target}");
                }
            }
        }
        assert!(composable > changes.len() * changes.len() / 4, "{composable}");
    }
}
