//! The one table of fields: what Kubernetes v1.36 has, and what podrt makes of each.
//!
//! The walk reads types, requirements and support from here; nothing else in podrt lists fields.

mod data;
mod pod;
mod scheduling;
mod volumes;

pub use data::{CONFIG_MAP, SECRET};
pub use pod::{META, POD};

/// What podrt makes of a field that Kubernetes knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Supported,
    /// The server's own: taken from a dump without a word, and dropped.
    Ignored,
    /// Accepted and without effect on one host; one warning, with the reason.
    Warned(&'static str),
    /// Refused until a later podrt has it.
    NotYet,
    /// Refused for good, with the reason.
    Never(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub enum Ty {
    Str,
    Bool,
    I32,
    I64,
    Quantity,
    /// A word out of these.
    Word(&'static [&'static str]),
    Obj(&'static [Field]),
    List(&'static Ty),
    /// Any keys, values of one type.
    Map(&'static Ty),
    /// Not looked into.
    Any,
}

#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub ty: Ty,
    pub level: Level,
    pub required: bool,
    /// Values that are fine whatever the level: Kubernetes' defaults, and such as ask for nothing.
    pub quiet: &'static [&'static str],
}

/// A supported field; the methods below make it another.
const fn field(name: &'static str, ty: Ty) -> Field {
    Field { name, ty, level: Level::Supported, required: false, quiet: &[] }
}

/// A field of a later podrt.
const fn later(name: &'static str) -> Field {
    Field { name, ty: Ty::Any, level: Level::NotYet, required: false, quiet: &[] }
}

/// A field that the API server sets.
const fn server(name: &'static str) -> Field {
    Field { name, ty: Ty::Any, level: Level::Ignored, required: false, quiet: &[] }
}

impl Field {
    const fn required(mut self) -> Field {
        self.required = true;
        self
    }

    const fn warned(mut self, why: &'static str) -> Field {
        self.level = Level::Warned(why);
        self
    }

    const fn never(mut self, why: &'static str) -> Field {
        self.level = Level::Never(why);
        self
    }

    const fn not_yet(mut self) -> Field {
        self.level = Level::NotYet;
        self
    }

    const fn quiet(mut self, values: &'static [&'static str]) -> Field {
        self.quiet = values;
        self
    }
}

impl Ty {
    /// What an error asks for.
    pub fn want(&self) -> String {
        match self {
            Ty::Str => "a text".to_owned(),
            Ty::Bool => "true or false".to_owned(),
            Ty::I32 => "an integer of 32 bits".to_owned(),
            Ty::I64 => "an integer".to_owned(),
            Ty::Quantity => "a quantity such as 500m, 1.5 or 64Mi".to_owned(),
            Ty::Word(words) => super::error::or_list(words),
            Ty::Obj(_) | Ty::Map(_) => "a mapping".to_owned(),
            Ty::List(_) => "a list".to_owned(),
            Ty::Any => "a value".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn check(fields: &[Field], at: &str) {
        let mut seen = HashSet::new();
        for field in fields {
            let here = format!("{at}.{}", field.name);
            assert!(seen.insert(field.name), "{here} stands twice");
            check_ty(&field.ty, &here);
        }
    }

    fn check_ty(ty: &Ty, at: &str) {
        match ty {
            Ty::Obj(fields) => check(fields, at),
            Ty::List(inner) | Ty::Map(inner) => check_ty(inner, at),
            _ => {}
        }
    }

    #[test]
    fn no_field_stands_twice() {
        check(POD, "pod");
    }

    /// A field that k8s-openapi has and the table lacks would be refused as unknown; the reverse is dropped in silence.
    #[test]
    fn the_table_has_the_fields_of_the_library() {
        use k8s_openapi::api::core::v1 as k8s;
        fn names<T: serde::Serialize>(full: &T) -> HashSet<String> {
            match serde_json::to_value(full) {
                Ok(serde_json::Value::Object(map)) => map.keys().cloned().collect(),
                other => panic!("{other:?}"),
            }
        }
        let security = k8s::PodSecurityContext {
            app_armor_profile: Some(Default::default()),
            fs_group: Some(0),
            fs_group_change_policy: Some(String::new()),
            run_as_group: Some(0),
            run_as_non_root: Some(true),
            run_as_user: Some(0),
            se_linux_change_policy: Some(String::new()),
            se_linux_options: Some(Default::default()),
            seccomp_profile: Some(Default::default()),
            supplemental_groups: Some(vec![]),
            supplemental_groups_policy: Some(String::new()),
            sysctls: Some(vec![]),
            windows_options: Some(Default::default()),
        };
        let table = |fields: &[Field]| fields.iter().map(|f| f.name.to_owned()).collect::<HashSet<_>>();
        assert_eq!(table(pod::POD_SECURITY), names(&security));
        // Every name of a type with all of its fields left out is missing here, so the other types are compared by the list of
        // names that their deserializer prints for an unknown one.
        for (fields, text) in [
            (pod::POD_SPEC, fields_of::<k8s::PodSpec>()),
            (pod::CONTAINER, fields_of::<k8s::Container>()),
            (pod::SECURITY, fields_of::<k8s::SecurityContext>()),
            (META, fields_of::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>()),
        ] {
            assert_eq!(table(fields), text);
        }
    }

    /// The field names a generated type hands to `deserialize_struct`.
    fn fields_of<T: serde::de::DeserializeOwned>() -> HashSet<String> {
        struct Names<'a>(&'a mut Vec<&'static str>);
        impl<'de> serde::Deserializer<'de> for Names<'_> {
            type Error = serde::de::value::Error;
            fn deserialize_any<V: serde::de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
                Err(serde::de::Error::custom("names only"))
            }
            fn deserialize_struct<V: serde::de::Visitor<'de>>(
                self,
                _: &'static str,
                fields: &'static [&'static str],
                _: V,
            ) -> Result<V::Value, Self::Error> {
                self.0.extend(fields);
                Err(serde::de::Error::custom("names only"))
            }
            serde::forward_to_deserialize_any! {
                bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
                newtype_struct seq tuple tuple_struct map enum identifier ignored_any
            }
        }
        let mut names = Vec::new();
        let _ = T::deserialize(Names(&mut names));
        names.into_iter().map(str::to_owned).collect()
    }
}
