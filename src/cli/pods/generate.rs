//! `podrt run NAME --image=...`: the Pod that kubectl run makes of its flags.

use super::{Failure, Result};
use clap::ValueEnum;
use serde_json::{Map, Value, json};

/// What a pod of one container is described by.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A pod without a manifest")]
#[group(id = "generated")]
pub struct Args {
    /// The pod's name
    #[arg(value_name = "NAME", requires = "image", conflicts_with = "filename")]
    pub name: Option<String>,
    /// Its one container's image: bundle:PATH, or a name that podrt image add gave to one
    #[arg(long, value_name = "IMAGE", requires = "name")]
    pub image: Option<String>,
    /// What follows -- is the program, not its arguments alone
    #[arg(long, requires = "image")]
    command: bool,
    /// NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", requires = "image")]
    env: Vec<String>,
    /// KEY=VALUE,...; run=NAME where nothing is said
    #[arg(short = 'l', long, value_name = "LABELS", requires = "image")]
    labels: Option<String>,
    /// KEY=VALUE; may be repeated
    #[arg(long, value_name = "KEY=VALUE", requires = "image")]
    annotations: Vec<String>,
    /// A port that it listens on
    #[arg(long, value_name = "PORT", requires = "image")]
    port: Option<u16>,
    #[arg(long, value_name = "POLICY", default_value = "Always", requires = "image")]
    restart: Restart,
    #[arg(long, value_name = "POLICY", requires = "image")]
    image_pull_policy: Option<String>,
    /// Root on the host
    #[arg(long, requires = "image")]
    privileged: bool,
    /// JSON that is merged over the pod (RFC 7386)
    #[arg(long, value_name = "JSON", requires = "image")]
    overrides: Option<String>,
    /// Stay with it and show what it prints
    #[arg(long, requires = "image")]
    pub attach: bool,
    /// Its arguments; with --command the program and its arguments
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Restart {
    #[value(name = "Always")]
    Always,
    #[value(name = "OnFailure")]
    OnFailure,
    #[value(name = "Never")]
    Never,
}

impl Args {
    /// The v1 Pod as JSON. None: a manifest is meant.
    pub fn pod(&self) -> Result<Option<Value>> {
        let (Some(name), Some(image)) = (&self.name, &self.image) else {
            if self.args.is_empty() {
                return Ok(None);
            }
            return Err(Failure::usage("arguments after -- need NAME and --image"));
        };
        let labels = match &self.labels {
            Some(text) => pairs("--labels", text.split(',').filter(|p| !p.is_empty()))?,
            None => Map::from_iter([("run".to_owned(), name.clone().into())]),
        };
        let mut meta = json!({"name": name, "labels": labels});
        if !self.annotations.is_empty() {
            meta["annotations"] = Value::Object(pairs("--annotations", self.annotations.iter().map(String::as_str))?);
        }
        let mut container = json!({"name": name, "image": image});
        if !self.args.is_empty() {
            container[if self.command { "command" } else { "args" }] = json!(self.args);
        }
        if !self.env.is_empty() {
            let env = pairs("--env", self.env.iter().map(String::as_str))?;
            container["env"] = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        }
        if let Some(port) = self.port {
            container["ports"] = json!([{"containerPort": port}]);
        }
        if let Some(policy) = &self.image_pull_policy {
            container["imagePullPolicy"] = json!(policy);
        }
        if self.privileged {
            container["securityContext"] = json!({"privileged": true});
        }
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": meta,
            "spec": {"restartPolicy": format!("{:?}", self.restart), "containers": [container]},
        });
        if let Some(text) = &self.overrides {
            let over = serde_json::from_str(text).map_err(|e| Failure::usage(format_args!("--overrides: not JSON: {e}")))?;
            merge(&mut pod, over);
        }
        Ok(Some(pod))
    }
}

/// In their order; a key without `=` is an error.
fn pairs<'t>(flag: &str, texts: impl Iterator<Item = &'t str>) -> Result<Map<String, Value>> {
    let pair = |text: &str| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.into())),
        _ => Err(Failure::usage(format_args!("{flag}: want KEY=VALUE (got {text:?})"))),
    };
    texts.map(pair).collect()
}

/// RFC 7386, section 2.
fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                match value {
                    Value::Null => drop(into.remove(&key)),
                    value => merge(into.entry(key).or_insert(Value::Null), value),
                }
            }
        }
        (into, Value::Object(over)) => {
            *into = Value::Object(Map::new());
            merge(into, Value::Object(over));
        }
        (into, over) => *into = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
        #[arg(short)]
        filename: Option<String>,
    }

    fn made(words: &[&str]) -> Value {
        let cli = Cli::try_parse_from([&["run"], words].concat()).unwrap_or_else(|e| panic!("{e}"));
        cli.args.pod().unwrap_or_else(|e| panic!("{e:?}")).unwrap_or_default()
    }

    #[test]
    fn flags_become_a_pod_as_kubectl_makes_it() {
        let pod = made(&["web", "--image=a:1", "--port=80", "--env=A=b=c", "--", "x", "-y"]);
        assert_eq!(pod["metadata"], json!({"name": "web", "labels": {"run": "web"}}));
        assert_eq!(
            pod["spec"],
            json!({"restartPolicy": "Always", "containers": [{"name": "web", "image": "a:1", "args": ["x", "-y"],
                "env": [{"name": "A", "value": "b=c"}], "ports": [{"containerPort": 80}]}]})
        );
        let pod = made(&["web", "--image=a", "--restart=Never", "--command", "--labels=a=b,c=", "--privileged", "--", "sh"]);
        assert_eq!(pod["metadata"]["labels"], json!({"a": "b", "c": ""}));
        assert_eq!(pod["spec"]["containers"][0]["command"], json!(["sh"]));
        assert_eq!(pod["spec"]["containers"][0]["securityContext"]["privileged"], true);
        let pod = made(&["web", "--image=a", "--overrides={\"spec\":{\"hostNetwork\":true,\"restartPolicy\":null}}"]);
        assert_eq!(pod["spec"]["hostNetwork"], true);
        assert!(pod["spec"].get("restartPolicy").is_none());
    }

    #[test]
    fn a_name_and_an_image_belong_together() {
        for words in [&["web"][..], &["--image=a"], &["--env=A=b"], &["web", "--image=a", "-f", "x"]] {
            assert!(Cli::try_parse_from([&["run"], words].concat()).is_err(), "{words:?}");
        }
        let cli = Cli::try_parse_from(["run", "web", "--image=a", "--env=A"]).unwrap_or_else(|e| panic!("{e}"));
        assert!(cli.args.pod().is_err_and(|e| e.lines[0].contains("--env: want KEY=VALUE")));
        assert_eq!(made(&["-f", "x"]), Value::Null);
    }
}
