//! OCI bundles of a test's own: config.json as a JSON value, which a test changes as it likes.

use super::{Test, world};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

pub struct Bundle {
    pub path: PathBuf,
    pub config: Value,
}

impl Bundle {
    /// A bundle that runs the payload (or any command) on the shared, read-only BusyBox root, with a cgroup of the test's own.
    pub fn new(test: &Test, name: &str, args: &[&str]) -> Bundle {
        let template = fs::read_to_string(world::fixtures().join("bundles/true/config.json")).expect("the fixtures' config.json");
        let mut config: Value = serde_json::from_str(&template).expect("JSON");
        config["process"]["args"] = json!(args);
        config["root"]["path"] = json!(world::fixtures().join("rootfs"));
        config["linux"]["cgroupsPath"] = json!(format!("/{}/{}-{name}", test.cgroup_parent(), test.tag));
        Bundle { path: test.path(name), config }
    }

    /// With a root file system that the test may write to.
    pub fn with_own_root(mut self) -> Bundle {
        let root = self.path.join("rootfs");
        fs::create_dir_all(&self.path).expect("a bundle's folder");
        let from = format!("{}/.", world::fixtures().join("rootfs").display());
        super::Run::new("cp").args(["-a", &from, root.to_str().expect("UTF-8")]).run().ok();
        self.config["root"] = json!({"path": "rootfs"});
        self
    }

    /// Sets the value at a JSON pointer; a field that isn't there is made, `-` appends to a list.
    pub fn set(mut self, pointer: &str, value: Value) -> Bundle {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        let at = self.config.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent} in config.json"));
        match at {
            Value::Array(list) if key == "-" => list.push(value),
            Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
            other => other[key] = value,
        }
        self
    }

    pub fn without(mut self, pointer: &str) -> Bundle {
        let (parent, key) = pointer.rsplit_once('/').expect("a JSON pointer");
        if let Some(Value::Object(map)) = self.config.pointer_mut(parent) {
            map.remove(key);
        }
        self
    }

    /// Writes config.json; returns the bundle's folder.
    pub fn write(&self) -> String {
        self.write_text(self.config.to_string())
    }

    pub fn write_text(&self, config: impl AsRef<[u8]>) -> String {
        fs::create_dir_all(&self.path).expect("a bundle's folder");
        fs::write(self.path.join("config.json"), config).expect("config.json");
        self.path.to_str().expect("UTF-8").to_owned()
    }
}
