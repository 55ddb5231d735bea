use crate::cli::lazy::Lazy;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// An OCI runtime for Linux containers: runs a bundle (config.json and a root file system).
#[derive(Parser)]
#[command(name = "podrt-oci", version, disable_help_subcommand = true)]
pub struct Cli {
    /// Folder for the state of containers
    #[arg(long, default_value = "/run/podrt-oci", value_name = "DIR")]
    pub root: PathBuf,
    /// File that errors and warnings are appended to
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Format of --log
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// Accepted for compatibility: podrt-oci says what went wrong in any case
    #[arg(long)]
    pub debug: bool,
    /// Ask systemd for the container's cgroup
    #[arg(long)]
    pub systemd_cgroup: bool,
    /// Accepted for compatibility: podrt runs as root only
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "auto", default_missing_value = "true", hide = true)]
    pub rootless: String,
    /// Accepted for compatibility
    #[arg(long, value_name = "FILE", hide = true)]
    pub criu: Option<PathBuf>,
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
    Create(Lazy<Create>),
    /// Make a container, start it, wait for it and delete it
    Run(Lazy<Run>),
    /// Run the command of a created container
    Start { id: String },
    /// Print the state of a container as JSON
    State { id: String },
    /// Send a signal to a container's first process
    Kill(Lazy<Kill>),
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
        #[arg(short, long, default_value = "table", value_name = "FORMAT")]
        format: Format,
    },
    /// Run a further process in a container
    Exec(Lazy<Exec>),
    /// List the processes of a container
    Ps {
        #[arg(short, long, default_value = "table", value_name = "FORMAT")]
        format: Format,
        id: String,
        /// Options of ps(1), for the table
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "PS_OPTION")]
        options: Vec<String>,
    },
    /// Stop all processes of a container until it is resumed
    Pause { id: String },
    /// Let a paused container go on
    Resume { id: String },
    /// Change a container's resource limits
    Update(Lazy<super::update::Update>),
    /// Print usage and out-of-memory events of a container, a JSON object a line
    Events {
        id: String,
        /// Between two figures: seconds, or with a unit (ms, s, m, h)
        #[arg(long, default_value = "5s", value_name = "TIME")]
        interval: String,
        /// Print the figures once and end
        #[arg(long)]
        stats: bool,
    },
    /// Print what this runtime and host can do, as JSON
    Features,
    /// Write a config.json to begin with
    Spec {
        /// The folder to write to
        #[arg(short, long, default_value = ".", value_name = "DIR")]
        bundle: PathBuf,
    },
    /// Not supported
    #[command(hide = true)]
    Checkpoint {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
    /// Not supported
    #[command(hide = true)]
    Restore {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
        rest: Vec<String>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Format {
    Table,
    Json,
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
    /// Unix socket that a pidfd of the first process is sent to
    #[arg(long, value_name = "SOCKET")]
    pub pidfd_socket: Option<PathBuf>,
    /// Pass on this many open files beside 0, 1 and 2, beginning at 3
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub preserve_fds: u32,
    /// Enter the root by chroot, where it lies on a ramdisk: what is below stays mounted
    #[arg(long)]
    pub no_pivot: bool,
    /// Share the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
}

#[derive(Args)]
pub struct Exec {
    pub id: String,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// File with the process as JSON, as config.json's `process`
    #[arg(short, long, value_name = "FILE")]
    pub process: Option<PathBuf>,
    /// Return once the command runs
    #[arg(short, long)]
    pub detach: bool,
    /// With a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Add to the environment
    #[arg(short, long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// User, and group, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Supplementary groups, by number
    #[arg(short = 'g', long, value_name = "GID")]
    pub additional_gids: Vec<u32>,
    /// Working folder
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Add a capability
    #[arg(short, long, value_name = "NAME")]
    pub cap: Vec<String>,
    #[arg(long)]
    pub no_new_privs: bool,
    /// AppArmor profile
    #[arg(long, value_name = "NAME")]
    pub apparmor: Option<String>,
    /// SELinux label
    #[arg(long, value_name = "LABEL")]
    pub process_label: Option<String>,
    /// Cgroup below the container's
    #[arg(long, value_name = "PATH")]
    pub cgroup: Option<String>,
    /// Also in a paused container
    #[arg(long)]
    pub ignore_paused: bool,
    /// File that the process's pid is written to
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Unix socket that the terminal's master is sent to
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Unix socket that a pidfd of the process is sent to
    #[arg(long, value_name = "SOCKET")]
    pub pidfd_socket: Option<PathBuf>,
    /// Pass on this many open files beside 0, 1 and 2, beginning at 3
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub preserve_fds: u32,
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
    /// Accepted for compatibility
    #[arg(long, hide = true)]
    pub no_subreaper: bool,
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
