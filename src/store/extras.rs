//! What a newer podrt has written into a state file and this one does not know: kept, and written again where it was, so that an
//! upgrade that is taken back and made again has lost nothing.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Unknown members of an object, and of what it holds.
#[derive(Debug, Default, PartialEq)]
pub struct Extras {
    unknown: Map<String, Value>,
    /// By member.
    inner: BTreeMap<String, Extras>,
    /// Of a list's objects, by their `name`.
    named: BTreeMap<String, Extras>,
}

impl Extras {
    /// What stands in `read` and not in `known`, which is `read` as this podrt would write it.
    pub fn between(read: &Value, known: &Value) -> Extras {
        let mut extras = Extras::default();
        match (read, known) {
            (Value::Object(read), Value::Object(known)) => {
                for (key, value) in read {
                    match known.get(key) {
                        None => drop(extras.unknown.insert(key.clone(), value.clone())),
                        Some(other) => extras.inner.extend(Extras::between(value, other).some().map(|e| (key.clone(), e))),
                    }
                }
            }
            (Value::Array(read), Value::Array(known)) => {
                for value in read {
                    let Some(name) = name(value) else { continue };
                    let other = known.iter().find(|k| self::name(k) == Some(name));
                    let found = other.and_then(|o| Extras::between(value, o).some());
                    extras.named.extend(found.map(|e| (name.to_string(), e)));
                }
            }
            _ => {}
        }
        extras
    }

    fn some(self) -> Option<Extras> {
        (!self.is_empty()).then_some(self)
    }

    pub fn is_empty(&self) -> bool {
        self.unknown.is_empty() && self.inner.is_empty() && self.named.is_empty()
    }

    /// Puts them back, where what they belong to is still there.
    pub fn restore(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, inner) in &self.inner {
                    if let Some(member) = members.get_mut(key) {
                        inner.restore(member);
                    }
                }
                for (key, unknown) in &self.unknown {
                    members.entry(key.clone()).or_insert_with(|| unknown.clone());
                }
            }
            Value::Array(items) => {
                for item in items {
                    let extras = name(item).and_then(|n| self.named.get(n));
                    if let Some(extras) = extras {
                        extras.restore(item);
                    }
                }
            }
            _ => {}
        }
    }
}

fn name(value: &Value) -> Option<&str> {
    value.get("name")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_known_comes_back_where_its_place_is_still_there() {
        let known =
            json!({"a": 1, "b": {"c": 2}, "list": [{"name": "x", "v": 1}, {"name": "y"}], "state": {"Running": {"pid": 1}}});
        let mut read = known.clone();
        read["new"] = json!([1, 2]);
        read["b"]["new"] = json!({"z": null});
        read["list"][1]["new"] = json!(true);
        read["state"]["Running"]["new"] = json!(7);
        let extras = Extras::between(&read, &known);
        let mut same = known.clone();
        extras.restore(&mut same);
        assert_eq!(same, read);
        let mut other = json!({"a": 2, "b": {"c": 3, "new": "own"}, "list": [{"name": "y"}], "state": {"Ended": {"code": 0}}});
        extras.restore(&mut other);
        let want = json!({"a": 2, "b": {"c": 3, "new": "own"}, "list": [{"name": "y", "new": true}], "state": {"Ended": {"code": 0}}, "new": [1, 2]});
        assert_eq!(other, want);
        assert!(Extras::between(&known, &known).is_empty());
    }
}
