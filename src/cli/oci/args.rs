use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// An OCI runtime for Linux containers: runs a bundle (config.json and a root file system).
#[derive(Parser)]
#[command(name = "podrt-oci", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Folder for the state of containers
    #[arg(long, global = true, default_value = "/run/podrt-oci", value_name = "DIR")]
    pub root: PathBuf,
    /// File that errors and warnings are appended to
    #[arg(long, global = true, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Format of --log
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Accepted for compatibility: podrt-oci says what went wrong in any case
    #[arg(long, global = true)]
    pub debug: bool,
    /// Ask systemd for the container's cgroup
    #[arg(long, global = true)]
    pub systemd_cgroup: bool,
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Subcommand)]
pub enum Verb {
    /// Make a container that waits to be started
    Create(Create),
    /// Make a container, start it, wait for it and delete it
    Run(Run),
    /// Run the command of a created container
    Start { id: String },
    /// Print the state of a container as JSON
    State { id: String },
    /// Send a signal to a container's first process
    Kill(Kill),
    /// Remove a stopped container
    Delete {
        id: String,
        /// End it first; no error when it does not exist
        #[arg(short, long)]
        force: bool,
    },
    /// List the containers
    List {
        /// Only the ids
        #[arg(short, long)]
        quiet: bool,
    },
}

#[derive(Args)]
pub struct Create {
    /// Name of the container, unique under --root
    pub id: String,
    /// Folder that holds config.json
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    pub bundle: PathBuf,
    /// Unix socket that the terminal's master is sent to
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// File that the first process's pid is written to
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub create: Create,
    /// Return once the command runs, and leave the container
    #[arg(short, long)]
    pub detach: bool,
    /// Leave the container's state when it has ended
    #[arg(long)]
    pub keep: bool,
}

#[derive(Args)]
pub struct Kill {
    pub id: String,
    /// Name or number
    #[arg(default_value = "SIGTERM")]
    pub signal: String,
    /// To every process of the container
    #[arg(short, long)]
    pub all: bool,
}
