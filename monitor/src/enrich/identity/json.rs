//! A few fields of a JSON text that may be cut.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Depth to which objects are looked into: `{"user":{"email":…}}`, `{"data":{"attributes":{"email":…}}}`.
const DEPTH: usize = 4;

/// The first value of each of these names in `text`, as far as it goes; strings and numbers alone.
pub(super) fn fields(text: &[u8], names: &[impl AsRef<str>], nested: bool) -> Vec<Option<String>> {
    let mut found: Vec<Option<String>> = names.iter().map(|_| None).collect();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let object = Object {
        names,
        found: &mut found,
        depth: if nested { DEPTH } else { 1 },
    };
    // What comes before the error, or the end of what there is, counts.
    let _ = deserializer.deserialize_any(object);
    found
}

struct Object<'a, N> {
    names: &'a [N],
    found: &'a mut [Option<String>],
    depth: usize,
}

/// A value of an object: noted, looked into, or passed over.
struct Value<'a, N> {
    object: Object<'a, N>,
    /// Which of the names it has.
    at: Option<usize>,
}

impl<'de, N: AsRef<str>> Visitor<'de> for Object<'_, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            let at = self.names.iter().position(|name| name.as_ref() == key);
            map.next_value_seed(Value {
                object: Object {
                    names: self.names,
                    found: &mut *self.found,
                    depth: self.depth - 1,
                },
                at,
            })?;
        }
        Ok(())
    }
}

impl<'de, N: AsRef<str>> DeserializeSeed<'de> for Value<'_, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<N> Value<'_, N> {
    fn note(self, value: impl fmt::Display) {
        if let Some(slot) = self.at.and_then(|at| self.object.found.get_mut(at))
            && slot.is_none()
        {
            *slot = Some(value.to_string());
        }
    }
}

impl<'de, N: AsRef<str>> Visitor<'de> for Value<'_, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        if self.object.depth > 0 {
            return self.object.visit_map(map);
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.note(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.note(number);
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.note(number);
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, nested: bool, expected: [Option<&str>; 2]) {
        let found = fields(text.as_bytes(), &["user", "email"], nested);
        assert_eq!(
            found.iter().map(Option::as_deref).collect::<Vec<_>>(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn finds_names_where_they_are() {
        check(r#"{"user":"alice","password":"x"}"#, false, [Some("alice"), None]);
        check(
            r#"{"password":"x","list":[1,{"user":"no"}],"user":42}"#,
            true,
            [Some("42"), None],
        );
        check(r#"{"data":{"attributes":{"email":"a@b"}}}"#, true, [None, Some("a@b")]);
        check(r#"{"data":{"email":"a@b"}}"#, false, [None, None]);
        check(r#"{"user":"one","user":"two"}"#, false, [Some("one"), None]);
        check(r#"{"us\u0065r":"\u0061lice"}"#, false, [Some("alice"), None]);
        check(r#"{"user":{"email":"a@b"}}"#, true, [None, Some("a@b")]);
        for nothing in ["", "[]", "42", "nonsense", r#"{"user":true,"email":null}"#, "{\"user\""] {
            check(nothing, true, [None, None]);
        }
    }

    #[test]
    fn a_cut_text_gives_what_it_has() {
        check(r#"{"user":"alice","password":"xxxxxxxxx"#, false, [Some("alice"), None]);
        check(r#"{"user":"alic"#, false, [None, None]);
    }

    proptest! {
        #[test]
        fn reads_anything(text: Vec<u8>, nested: bool) {
            let _ = fields(&text, &["user"], nested);
        }

        #[test]
        fn never_gives_half_a_name(name in "[a-z]{1,20}", cut in 0usize..60) {
            let text = format!("{{\"a\":{{\"user\":\"{name}\"}},\"password\":\"hunter2\"}}");
            let found = fields(&text.as_bytes()[..cut.min(text.len())], &["user"], true);
            prop_assert!(found[0].is_none() || found[0].as_deref() == Some(&name));
        }
    }

    #[test]
    fn deep_nesting_is_survived() {
        let _ = fields("{\"a\":".repeat(100_000).as_bytes(), &["user"], true);
        let _ = fields("[".repeat(100_000).as_bytes(), &["user"], true);
    }
}
