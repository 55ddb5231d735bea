//! Networks by plugins: the Container Network Interface. Source: the CNI specification, 1.1.0, "Network configuration format" and
//! "Execution of Network Configurations"; lists of 0.3.0 and later are taken.

use super::{Error, Result};
use crate::sys::errno::Call;
use crate::sys::event;
use serde_json::{Map, Value, json};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long one plugin may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a plugin's answer, and of a configuration file.
const MOST: u64 = 1 << 20;
/// The versions of a list that are taken.
const VERSIONS: [&str; 6] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.3"];
/// Where plugins find the programs that they run.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A network of a configuration folder.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct List {
    pub name: String,
    pub version: String,
    pub disable_check: bool,
    pub disable_gc: bool,
    pub plugins: Vec<Map<String, Value>>,
}

/// What a plugin is told of a pod's interface.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Attachment {
    pub list: List,
    /// The folders of plugins.
    pub programs: Vec<PathBuf>,
    /// CNI_CONTAINERID.
    pub id: String,
    /// CNI_IFNAME.
    pub interface: String,
    /// CNI_ARGS: `KEY=VALUE;KEY=VALUE`.
    pub args: String,
    /// Values for the capabilities that a plugin says it has: `{"portMappings": [...]}`.
    pub runtime: Map<String, Value>,
}

/// The network `name` of a folder, or the first by file name. Errors: there is none, a file is not what the specification says.
pub fn load(folder: &Path, name: Option<&str>) -> Result<List> {
    let entries = std::fs::read_dir(folder).call(|| format!("CNI configuration: opendir({})", folder.display()))?;
    let fits = |p: &PathBuf| p.extension().and_then(|e| e.to_str()).is_some_and(|e| matches!(e, "conflist" | "conf" | "json"));
    let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(fits).collect();
    files.sort();
    for file in &files {
        let list = read(file)?;
        if name.is_none_or(|n| n == list.name) {
            return Ok(list);
        }
    }
    let what = name.map_or("no network".into(), |n| format!("no network {n:?}"));
    Err(Error::Wrong(format!("CNI configuration: {}: {what} is there", folder.display())))
}

fn read(file: &Path) -> Result<List> {
    let mut text = Vec::new();
    let open = std::fs::File::open(file).and_then(|f| f.take(MOST).read_to_end(&mut text));
    open.call(|| format!("CNI configuration: read({})", file.display()))?;
    let wrong = |problem: &str| Error::Wrong(format!("CNI configuration: {}: {problem}", file.display()));
    parse(&text, file.extension().is_some_and(|e| e == "conflist")).map_err(|problem| wrong(&problem))
}

fn parse(text: &[u8], is_list: bool) -> Result<List, String> {
    let whole: Map<String, Value> = serde_json::from_slice(text).map_err(|e| format!("not a JSON object: {e}"))?;
    let word = |key: &str| whole.get(key).and_then(Value::as_str);
    let yes = |key: &str| match whole.get(key) {
        Some(Value::Bool(yes)) => *yes,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let name = word("name").unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err(format!("name: not a network's name (got {name:?})"));
    }
    // cniVersions says which are supported: the newest that podrt knows.
    let offered = whole.get("cniVersions").and_then(Value::as_array);
    let known = VERSIONS.iter().filter(|v| offered.into_iter().flatten().any(|o| o.as_str() == Some(**v)));
    let version = known.max().copied().or(word("cniVersion")).unwrap_or("0.2.0");
    if !VERSIONS.contains(&version) {
        return Err(format!("cniVersion: not supported (got {version:?}, want 0.3.0 to 1.1.0)"));
    }
    let plugins = match (is_list || whole.contains_key("plugins"), whole.get("plugins")) {
        (true, Some(Value::Array(list))) if !list.is_empty() => list.clone(),
        (true, _) => return Err("plugins: missing or empty".into()),
        (false, _) => vec![Value::Object(whole.clone())],
    };
    let plugin = |(i, plugin): (usize, Value)| match plugin {
        Value::Object(map) => {
            let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
            match kind.is_empty() || kind.contains('/') || kind.starts_with('.') {
                true => Err(format!("plugins[{i}].type: not a plugin's name (got {kind:?})")),
                false => Ok(map),
            }
        }
        _ => Err(format!("plugins[{i}]: not an object")),
    };
    Ok(List {
        name: name.into(),
        version: version.into(),
        disable_check: yes("disableCheck"),
        disable_gc: yes("disableGC"),
        plugins: plugins.into_iter().enumerate().map(plugin).collect::<Result<_, _>>()?,
    })
}

/// `version` is at least (major, minor).
fn at_least(version: &str, wanted: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|p| p.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= wanted
}

impl Attachment {
    /// Looks for each plugin and asks it, before anything is made, whether it is ready; lists of 1.1.0 alone have the question.
    pub fn status(&self) -> Result<()> {
        self.list.plugins.iter().try_for_each(|p| self.program(p).map(drop))?;
        if at_least(&self.list.version, (1, 1)) {
            for plugin in &self.list.plugins {
                self.call(plugin, "STATUS", None, None, &[])?;
            }
        }
        Ok(())
    }

    /// Runs all plugins for the network namespace at `netns`; the last one's result. The caller undoes what a failed one left.
    pub fn add(&self, netns: &str) -> Result<Value> {
        let mut result = None;
        for plugin in &self.list.plugins {
            let said = self.call(plugin, "ADD", Some(netns), result.as_ref(), &[])?;
            result = Some(said.ok_or_else(|| Error::Wrong(format!("CNI {}: ADD without a result", kind(plugin))))?);
        }
        result.ok_or_else(|| Error::Wrong("CNI: a list without plugins".into()))
    }

    /// Errors: the interface is not what ADD made.
    pub fn check(&self, netns: &str, result: &Value) -> Result<()> {
        if self.list.disable_check || !at_least(&self.list.version, (0, 4)) {
            return Ok(());
        }
        self.list.plugins.iter().try_for_each(|p| self.call(p, "CHECK", Some(netns), Some(result), &[]).map(drop))
    }

    /// Runs all plugins in reverse order, each whatever became of the others; the first error. `netns` is None where it is gone.
    pub fn del(&self, netns: Option<&str>, result: Option<&Value>) -> Result<()> {
        let result = result.filter(|_| at_least(&self.list.version, (0, 4)));
        let all = self.list.plugins.iter().rev().map(|p| self.call(p, "DEL", netns, result, &[]).map(drop));
        // Not try_fold: what comes behind a failure is still called.
        all.collect::<Vec<_>>().into_iter().collect()
    }

    /// Tells each plugin which attachments live: (id, interface). Lists of 1.1.0 alone know it.
    pub fn gc(&self, valid: &[(String, String)]) -> Result<()> {
        if self.list.disable_gc || !at_least(&self.list.version, (1, 1)) {
            return Ok(());
        }
        let all = self.list.plugins.iter().map(|p| self.call(p, "GC", None, None, valid).map(drop));
        // Not try_fold: what comes behind a failure is still called.
        all.collect::<Vec<_>>().into_iter().collect()
    }

    fn call(
        &self,
        plugin: &Map<String, Value>,
        command: &str,
        netns: Option<&str>,
        previous: Option<&Value>,
        valid: &[(String, String)],
    ) -> Result<Option<Value>> {
        let kind = kind(plugin);
        let program = self.program(plugin)?;
        let input = self.input(plugin, command, previous, valid);
        let folders: Vec<&str> = self.programs.iter().filter_map(|p| p.to_str()).collect();
        let mut child = Command::new(&program);
        child.env_clear().env("PATH", PATH).env("CNI_COMMAND", command).env("CNI_PATH", folders.join(":"));
        if !matches!(command, "STATUS" | "GC") {
            child.env("CNI_CONTAINERID", &self.id).env("CNI_IFNAME", &self.interface).env("CNI_ARGS", &self.args);
            child.env("CNI_NETNS", netns.unwrap_or_default());
        }
        let doing = || format!("CNI {kind} {command}");
        let (success, output) = run(child, &input, &doing)?;
        let said = serde_json::from_slice::<Value>(&output).ok();
        if success {
            return Ok(said.filter(Value::is_object));
        }
        let text = |key: &str| said.as_ref().and_then(|s| s.get(key)?.as_str()).filter(|t| !t.is_empty()).map(str::to_owned);
        let mut problem = text("msg").unwrap_or_else(|| "failed without a word".into());
        if let Some(details) = text("details") {
            problem += &format!("; {details}");
        }
        // One line, whatever it says.
        Err(Error::Wrong(format!("{}: {}", doing(), problem.split_whitespace().collect::<Vec<_>>().join(" "))))
    }

    fn program(&self, plugin: &Map<String, Value>) -> Result<PathBuf> {
        let kind = kind(plugin);
        self.programs.iter().map(|d| d.join(kind)).find(|p| p.is_file()).ok_or_else(|| {
            let folders: Vec<String> = self.programs.iter().map(|d| d.display().to_string()).collect();
            Error::Wrong(format!("CNI {kind}: no such plugin in {}", folders.join(", ")))
        })
    }

    /// "Deriving execution configuration from plugin configuration".
    fn input(&self, plugin: &Map<String, Value>, command: &str, previous: Option<&Value>, valid: &[(String, String)]) -> Vec<u8> {
        let mut config = plugin.clone();
        config.insert("name".into(), json!(self.list.name));
        config.insert("cniVersion".into(), json!(self.list.version));
        let can = |key: &String| plugin.get("capabilities").and_then(|c| c.get(key)) == Some(&Value::Bool(true));
        let runtime: Map<String, Value> =
            self.runtime.iter().filter(|(k, _)| can(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
        config.remove("capabilities");
        if !runtime.is_empty() {
            config.insert("runtimeConfig".into(), Value::Object(runtime));
        }
        if let Some(previous) = previous {
            config.insert("prevResult".into(), previous.clone());
        }
        if command == "GC" {
            let list: Vec<Value> = valid.iter().map(|(id, name)| json!({"containerID": id, "ifname": name})).collect();
            config.insert("cni.dev/valid-attachments".into(), json!(list));
        }
        serde_json::to_vec(&config).unwrap_or_default()
    }
}

fn kind(plugin: &Map<String, Value>) -> &str {
    plugin.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// Runs a plugin to its end, or for [`PATIENCE`]: whether it succeeded, and what it printed.
fn run(mut command: Command, input: &[u8], doing: &dyn Fn() -> String) -> Result<(bool, Vec<u8>)> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().call(doing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends without reading has its reasons, and says them.
        let _ = stdin.write_all(input);
    }
    let end = event::monotonic() + PATIENCE.as_nanos() as u64;
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        let mut chunk = [0; 4096];
        loop {
            let left = end.saturating_sub(event::monotonic()) / 1_000_000;
            let ready = event::poll_in(stdout.as_fd(), Some(left)).call(doing)?;
            if !ready || output.len() as u64 > MOST {
                let _ = child.kill();
                let _ = child.wait();
                let problem = if ready { "prints too much" } else { "takes too long" };
                return Err(Error::Wrong(format!("{}: {problem}", doing())));
            }
            match stdout.read(&mut chunk).call(doing)? {
                0 => break,
                n => output.extend_from_slice(&chunk[..n]),
            }
        }
    }
    Ok((child.wait().call(doing)?.success(), output))
}

/// The addresses of a result, without their prefixes.
pub fn addresses(result: &Value) -> Vec<std::net::IpAddr> {
    let list = result.get("ips").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|ip| ip.get("address")?.as_str()?.split('/').next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_what_the_specification_says() {
        let list =
            parse(br#"{"cniVersion": "1.0.0", "name": "n", "disableCheck": "true", "plugins": [{"type": "bridge"}]}"#, true)
                .unwrap();
        assert_eq!((list.name.as_str(), list.version.as_str(), list.disable_check), ("n", "1.0.0", true));
        assert_eq!(parse(br#"{"cniVersion": "0.4.0", "name": "n", "type": "bridge"}"#, false).unwrap().plugins.len(), 1);
        let newest = parse(br#"{"cniVersions": ["1.0.0", "1.1.0", "9.0.0"], "name": "n", "plugins": [{"type": "a"}]}"#, true);
        assert_eq!(newest.unwrap().version, "1.1.0");
        for (text, want) in [
            ("[]", "not a JSON object"),
            (r#"{"cniVersion": "1.0.0", "plugins": [{"type": "a"}]}"#, "name:"),
            (r#"{"cniVersion": "1.0.0", "name": "../x", "plugins": [{"type": "a"}]}"#, "name:"),
            (r#"{"cniVersion": "2.0.0", "name": "n", "plugins": [{"type": "a"}]}"#, "cniVersion:"),
            (r#"{"name": "n", "plugins": [{"type": "a"}]}"#, "cniVersion:"),
            (r#"{"cniVersion": "1.0.0", "name": "n", "plugins": []}"#, "plugins:"),
            (r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "../a"}]}"#, "plugins[0].type:"),
        ] {
            let problem = parse(text.as_bytes(), true).unwrap_err();
            assert!(problem.starts_with(want), "{text}: {problem}");
        }
    }

    #[test]
    fn a_plugin_is_told_what_it_asked_for_and_no_more() {
        let list =
            parse(br#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "a", "capabilities": {"ips": true}}]}"#, true)
                .unwrap();
        let runtime = json!({"ips": ["10.0.0.1"], "mac": "x"}).as_object().cloned().unwrap();
        let a = Attachment { list, programs: vec![], id: "i".into(), interface: "eth0".into(), args: String::new(), runtime };
        let told = |command, previous: Option<&Value>| -> Value {
            serde_json::from_slice(&a.input(&a.list.plugins[0], command, previous, &[("i".into(), "eth0".into())])).unwrap()
        };
        let want = json!({"type": "a", "name": "n", "cniVersion": "1.0.0", "runtimeConfig": {"ips": ["10.0.0.1"]}, "prevResult": {"x": 1}});
        assert_eq!(told("ADD", Some(&json!({"x": 1}))), want);
        assert_eq!(told("GC", None)["cni.dev/valid-attachments"], json!([{"containerID": "i", "ifname": "eth0"}]));
        let result = json!({"ips": [{"address": "10.0.0.2/24"}, {"address": "fd00::2/64"}, {}]});
        assert_eq!(addresses(&result).iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.2", "fd00::2"]);
    }
}
