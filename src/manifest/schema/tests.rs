//! The table against the Kubernetes types: their deserializers say which fields they read, and of which type each is.

use super::{CONFIG_MAP, Field, Level, META, POD, SECRET, Ty, Type};
use k8s_openapi::api::core::v1 as k8s;
use serde::de::{self, Deserializer, Visitor, value::StrDeserializer};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// What a generated type reads of a value.
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Str,
    Bool,
    I32,
    I64,
    Quantity,
    /// Anything: a number or a text, or what no type describes.
    Open,
    List(Box<Shape>),
    Map(Box<Shape>),
    Object(BTreeMap<String, Shape>),
}

/// A deserializer that hands out one of everything, and notes what it was asked for.
struct Tracer<'a>(&'a RefCell<Option<Shape>>);

#[derive(Debug)]
struct Fault(String);
impl std::error::Error for Fault {}
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Fault {
        Fault(message.to_string())
    }
}

impl Tracer<'_> {
    fn note(&self, shape: Shape) {
        *self.0.borrow_mut() = Some(shape);
    }
}

/// One entry for each of `names`, with its value traced.
struct Entries<'a> {
    names: std::vec::IntoIter<String>,
    next: String,
    found: &'a RefCell<BTreeMap<String, Shape>>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Fault;
    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.next = name;
        seed.deserialize(StrDeserializer::<Fault>::new(&self.next)).map(Some)
    }
    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let shape = RefCell::new(None);
        let value = seed.deserialize(Tracer(&shape))?;
        let shape = shape.into_inner().unwrap_or_else(|| panic!("nothing was asked for at {}", self.next));
        self.found.borrow_mut().insert(self.next.clone(), shape);
        Ok(value)
    }
}

struct One<'a>(bool, &'a RefCell<Option<Shape>>);
impl<'de> de::SeqAccess<'de> for One<'_> {
    type Error = Fault;
    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if std::mem::replace(&mut self.0, true) {
            return Ok(None);
        }
        seed.deserialize(Tracer(self.1)).map(Some)
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Fault;
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(Shape::Open);
        visitor.visit_str("1")
    }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(Shape::Bool);
        visitor.visit_bool(true)
    }
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(Shape::I32);
        visitor.visit_i32(1)
    }
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(Shape::I64);
        visitor.visit_i64(1)
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(Shape::Str);
        visitor.visit_str("1")
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.note(Shape::Str);
        // What is read as a text alone is an instant.
        visitor.visit_str("2026-01-01T00:00:00Z")
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        let note = self.0;
        let value = visitor.visit_newtype_struct(self)?;
        if name == "Quantity" {
            note.replace(Some(Shape::Quantity));
        }
        Ok(value)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let inner = RefCell::new(None);
        let value = visitor.visit_seq(One(false, &inner))?;
        self.note(Shape::List(Box::new(inner.into_inner().unwrap_or(Shape::Open))));
        Ok(value)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let found = RefCell::new(BTreeMap::new());
        let value = visitor.visit_map(Entries { names: vec!["k".to_owned()].into_iter(), next: String::new(), found: &found })?;
        self.note(Shape::Map(Box::new(found.into_inner().remove("k").unwrap_or(Shape::Open))));
        Ok(value)
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let found = RefCell::new(BTreeMap::new());
        let names: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
        let value = visitor.visit_map(Entries { names: names.into_iter(), next: String::new(), found: &found })?;
        self.note(Shape::Object(found.into_inner()));
        Ok(value)
    }
    serde::forward_to_deserialize_any! {
        i8 i16 u8 u16 u32 u64 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum identifier ignored_any
    }
}

fn shape_of<T: de::DeserializeOwned>() -> Shape {
    let shape = RefCell::new(None);
    if let Err(fault) = T::deserialize(Tracer(&shape)) {
        panic!("{fault}");
    }
    shape.into_inner().unwrap_or_else(|| panic!("nothing was read"))
}

/// The table's type against the library's, all the way down; what is refused for good need not be described.
fn compare(at: &str, field: &Field, ty: &Ty, shape: &Shape, wrong: &mut Vec<String>) {
    let refused = matches!(field.level, Level::Never(_) | Level::Ignored);
    match (ty, shape) {
        (Ty::Any, _) if refused => {}
        (Ty::Str | Ty::Word(_), Shape::Str) | (Ty::Bool, Shape::Bool) | (Ty::I32, Shape::I32) | (Ty::I64, Shape::I64) => {}
        (Ty::Quantity, Shape::Quantity) | (Ty::IntOrStr, Shape::Open) => {}
        (Ty::List(ty), Shape::List(shape)) | (Ty::Map(ty), Shape::Map(shape)) => compare(at, field, ty, shape, wrong),
        (Ty::Obj(object), Shape::Object(fields)) => compare_fields(at, object, fields, wrong),
        // Bytes in base64, which the walk reads as the text that they are.
        (Ty::Str, Shape::Open) if at.ends_with("ata") => {}
        _ => wrong.push(format!("{at} is {ty:?} in the table, {shape:?} in Kubernetes")),
    }
}

fn compare_fields(at: &str, object: &Type, fields: &BTreeMap<String, Shape>, wrong: &mut Vec<String>) {
    for (name, shape) in fields {
        let here = format!("{at}.{name}");
        match object.fields.iter().find(|f| f.name == *name) {
            Some(field) => compare(&here, field, &field.ty, shape, wrong),
            None => wrong.push(format!("{here} is not in the table")),
        }
    }
    for field in object.fields.iter().filter(|f| !fields.contains_key(f.name)) {
        wrong.push(format!("{at}.{} is not in Kubernetes", field.name));
    }
}

#[track_caller]
fn same<T: de::DeserializeOwned>(at: &str, table: &Type) {
    let Shape::Object(fields) = shape_of::<T>() else { panic!("{at} is no object") };
    let mut wrong = Vec::new();
    compare_fields(at, table, &fields, &mut wrong);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn below(name: &str) -> &'static Type {
    let field = POD.fields.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("{name}"));
    field.ty.object().unwrap_or_else(|| panic!("{name}"))
}

/// A field that Kubernetes has and the table lacks would be refused as unknown; the reverse is dropped in silence.
#[test]
fn the_table_has_every_field_of_a_pod_with_its_type_and_no_other() {
    same::<k8s::PodSpec>("spec", below("spec"));
    same::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>("metadata", META);
}

/// The documents themselves: apiVersion and kind are checked by the library as they are read, so their fields are named here.
#[test]
fn the_table_has_the_fields_of_every_kind() {
    let names = |table: &Type| table.fields.iter().map(|f| f.name).collect::<HashSet<_>>();
    assert_eq!(names(POD), HashSet::from(["apiVersion", "kind", "metadata", "spec", "status"]));
    let full =
        k8s::ConfigMap { data: Some([].into()), binary_data: Some([].into()), immutable: Some(true), ..Default::default() };
    assert_eq!(names(CONFIG_MAP), keys(&full).iter().map(String::as_str).collect());
    let full = k8s::Secret {
        data: Some([].into()),
        string_data: Some([].into()),
        immutable: Some(true),
        type_: Some(String::new()),
        ..Default::default()
    };
    assert_eq!(names(SECRET), keys(&full).iter().map(String::as_str).collect());
}

fn keys<T: serde::Serialize>(full: &T) -> Vec<String> {
    match serde_json::to_value(full) {
        Ok(serde_json::Value::Object(map)) => map.keys().cloned().collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_stands_once_and_has_a_sentence_of_what_it_is() {
    fn check(table: &Type, at: &str) {
        let mut seen = HashSet::new();
        for field in table.fields {
            let here = format!("{at}.{}", field.name);
            assert!(seen.insert(field.name), "{here} stands twice");
            assert!(field.doc.ends_with('.') && field.doc.starts_with(|c: char| !c.is_whitespace()), "{here}: {:?}", field.doc);
            if let Some(object) = field.ty.object() {
                check(object, &here);
            }
        }
    }
    for (table, at) in [(POD, "pod"), (CONFIG_MAP, "configmap"), (SECRET, "secret")] {
        check(table, at);
    }
}
