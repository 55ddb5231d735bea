//! The tree of commands, and what is said of a wrong command line.

use super::context::{Context, Global};
use super::failure::{Failure, Kind, Result};
use super::{apply, attach, create, ctl, delete, describe, exec, explain, get, image, logs, output, plan, run, version};
use crate::cli::lazy::Lazy;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::ffi::OsString;

const FIRST_POD: &str = "\
A first pod, from an OCI bundle (a folder with config.json and a rootfs) in ./bundle:

  cat > pod.yaml <<END
  apiVersion: v1
  kind: Pod
  metadata:
    name: hello
  spec:
    containers:
    - name: app
      image: bundle:./bundle
      resources:
        limits: {memory: 64Mi, cpu: 500m}
  END
  podrt run -f pod.yaml           in the foreground; Ctrl-C ends it
  podrt create -f pod.yaml        in the background
  podrt get pods                  what there is
  podrt describe pod hello        how it is, and what happened to it
  podrt logs -f hello             what it prints
  podrt exec -it hello -- sh      a shell in it
  podrt delete pod hello          ends it, and removes what is left

podrt COMMAND --help shows examples of each. Verbs, flags and messages are kubectl's.";

/// Runs Kubernetes pods on this host, with no daemon and no cluster.
#[derive(Debug, Parser)]
#[command(name = "podrt", version, after_help = FIRST_POD, arg_required_else_help = true, disable_help_subcommand = false)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create pods from manifests
    Create(Lazy<create::Args>),
    /// Create pods, or change those that are there to what the manifests say
    Apply(Lazy<apply::Args>),
    /// Run pods in the foreground and show what they print
    Run(Lazy<run::Args>),
    /// List pods
    Get(Lazy<get::Args>),
    /// Show a pod in detail, with what happened to it
    Describe(Lazy<describe::Args>),
    /// Print what a container has printed
    Logs(Lazy<logs::Args>),
    /// Run a command in a container
    Exec(Lazy<exec::Args>),
    /// Read and write a running container's own streams
    Attach(Lazy<attach::Args>),
    /// End pods and remove what is left of them
    Delete(Lazy<delete::Args>),
    /// Show exactly what would be made of a manifest, and make nothing
    Plan(Lazy<plan::Args>),
    /// Give bundles names that manifests can use as images
    Image(Lazy<image::Args>),
    /// Say what a field of a manifest is, and what podrt makes of it
    Explain(Lazy<explain::Args>),
    /// Talk to a pod's supervisor by the control protocol
    Ctl(Lazy<ctl::Args>),
    /// Print podrt's version
    Version(Lazy<version::Args>),
}

impl Cli {
    /// `argv`: how the program was called, for a command that starts itself again.
    pub fn run(self, argv: &[OsString]) -> Result {
        let roots = self.global.roots(|name| std::env::var_os(name))?;
        let network = self.global.network(|name| std::env::var_os(name))?;
        let context = Context { roots, network, argv: argv.to_vec() };
        match self.verb {
            Verb::Create(Lazy(args)) => create::create(&args, &context),
            Verb::Apply(Lazy(args)) => apply::run(&args, &context),
            Verb::Run(Lazy(args)) => run::run(&args, &context),
            Verb::Get(Lazy(args)) => get::run(&args, &context),
            Verb::Describe(Lazy(args)) => describe::run(&args, &context),
            Verb::Logs(Lazy(args)) => logs::run(&args, &context),
            Verb::Exec(Lazy(args)) => exec::run(&args, &context),
            Verb::Attach(Lazy(args)) => attach::run(&args, &context),
            Verb::Delete(Lazy(args)) => delete::run(&args, &context),
            Verb::Plan(Lazy(args)) => plan::run(&args, &context),
            Verb::Image(Lazy(args)) => image::run(&args, &context),
            Verb::Explain(Lazy(args)) => explain::run(&args),
            Verb::Ctl(Lazy(args)) => ctl::run(&args, &context),
            Verb::Version(Lazy(args)) => version::run(&args),
        }
    }
}

/// Help goes to stdout; a wrong command line is one line, with the way to the help.
pub fn refused(error: &clap::Error) -> Result {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(output::say(error.to_string().trim_end())?),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::complain(error.to_string().trim_end());
            Err(Failure::silent(Kind::Usage))
        }
        _ => Err(Failure { kind: Kind::Usage, lines: vec![condensed(&error.to_string())] }),
    }
}

/// clap's paragraphs as one line: what is wrong, the tip, whom to ask.
fn condensed(text: &str) -> String {
    let (mut line, mut usage) = (String::new(), "podrt");
    let mut rest = text.lines();
    for part in rest.by_ref().map(str::trim).filter(|p| !p.is_empty()) {
        if let Some(u) = part.strip_prefix("Usage: ") {
            usage = u;
            break;
        }
        if part.starts_with("For more information") {
            break;
        }
        match part.strip_prefix("tip: ") {
            Some(tip) => line.push_str(&format!("; {tip}")),
            None if line.is_empty() => line.push_str(part),
            None => line.push_str(&format!(" {part}")),
        }
    }
    let command: Vec<&str> = usage.split(' ').take_while(|w| w.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    format!("{line} (see '{} --help')", command.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn error(words: &[&str]) -> String {
        let error = Cli::try_parse_from(words).unwrap_err();
        refused(&error).unwrap_err().lines.join("|")
    }

    #[test]
    fn the_tree_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_wrong_command_line_is_one_line_that_says_where_help_is() {
        for (words, want) in [
            (
                &["podrt", "creat"][..],
                "error: unrecognized subcommand 'creat'; a similar subcommand exists: 'create' (see 'podrt --help')",
            ),
            (&["podrt", "get", "pods", "--nope"], "error: unexpected argument '--nope' found"),
            (
                &["podrt", "create"],
                "error: the following required arguments were not provided: --filename <FILE> (see 'podrt create --help')",
            ),
            (&["podrt", "logs", "x", "--tail", "many"], "error: invalid value 'many' for '--tail <N>'"),
            (
                &["podrt", "create", "-f", "x", "--wait=soon"],
                "error: invalid value 'soon' for '--wait <STAGE>' [possible values: created, started, ready]",
            ),
            (&["podrt", "delete", "pod", "x", "--grace-period=abc"], "error: invalid value 'abc' for '--grace-period <SECONDS>'"),
        ] {
            let got = error(words);
            assert!(got.starts_with(want), "{words:?}: {got}");
            assert!(got.ends_with("--help')") && !got.contains('\n'), "{got}");
        }
    }

    #[test]
    fn every_command_has_examples_and_no_line_of_help_is_wider_than_a_terminal_shows() {
        for command in Cli::command().get_subcommands_mut() {
            let name = command.get_name().to_string();
            let help = command.render_long_help().to_string();
            assert!(name == "help" || help.contains("Examples:"), "{name}");
        }
    }
}
