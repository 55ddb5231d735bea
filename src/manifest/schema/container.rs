//! Containers: what they run, with what, and how they are looked after.

use super::Ty::{Bool, I32, I64, IntOrStr, List, Map, Obj, Quantity, Str, Word};
use super::data::{ENV_FROM, VALUE_FROM};
use super::security::SECURITY;
use super::volumes::{DEVICE, MOUNT};
use super::{Field, Type, field};

const POLICIES: &[&str] = &["Always", "OnFailure", "Never"];

const NAME: Field = field("name", Str, "A DNS label, unique among the pod's containers.").required();
const IMAGE: Field = field(
    "image",
    Str,
    "bundle:PATH of an OCI bundle (config.json and a rootfs), relative to the manifest; or a name that podrt image add gave to one.",
);
const PULL: Field = field(
    "imagePullPolicy",
    Word(&["Always", "IfNotPresent", "Never"]),
    "What becomes of an image that is not here. Nothing is pulled yet: it is waited for, or with Never it is an error.",
);
const COMMAND: Field =
    field("command", List(&Str), "The program and its first arguments, in place of the image's; $(VAR) is expanded.");
const ARGS: Field = field("args", List(&Str), "Arguments; without command they follow those of the image. $(VAR) is expanded.");
const WORKING_DIR: Field =
    field("workingDir", Str, "The folder that the program starts in, absolute; the image's where nothing is said.");
const ENV_FIELD: Field = field("env", List(&Obj(ENV)), "Environment variables, over those of envFrom and the image.");
const ENV_FROM_FIELD: Field = field("envFrom", List(&Obj(ENV_FROM)), "All keys of ConfigMaps and Secrets as variables.");
const MOUNTS: Field = field("volumeMounts", List(&Obj(MOUNT)), "Volumes of the pod in this container's file tree.");
const DEVICES: Field = field("volumeDevices", List(&Obj(DEVICE)), "Block devices from claims.").not_yet();
const MESSAGE_PATH: Field =
    field("terminationMessagePath", Str, "A file whose last words go into the status. Default /dev/termination-log.");
const MESSAGE_POLICY: Field = field(
    "terminationMessagePolicy",
    Word(&["File", "FallbackToLogsOnError"]),
    "Whether the end of the log stands in where that file is empty and the container failed. Default File.",
);
const SECURITY_FIELD: Field = field("securityContext", Obj(SECURITY), "Identity and confinement; over the pod's.");
const STDIN: Field = field("stdin", Bool, "Keep standard input open for attach; else it is /dev/null. Default false.");
const STDIN_ONCE: Field = field("stdinOnce", Bool, "Close standard input after the first client. Default false.");
const TTY: Field = field("tty", Bool, "A terminal instead of pipes. Default false.");

pub(super) const CONTAINER: &Type = &Type {
    name: "Container",
    fields: &[
        NAME,
        IMAGE.required(),
        PULL,
        COMMAND,
        ARGS,
        WORKING_DIR,
        ENV_FIELD,
        ENV_FROM_FIELD,
        field("ports", List(&Obj(PORT)), "Ports that it listens on: informative, but for hostPort."),
        field("resources", Obj(RESOURCES), "Limits and requests: the values of its cgroup."),
        field("resizePolicy", List(&Obj(RESIZE)), "Whether a change of resources restarts the container."),
        field("restartPolicy", Word(POLICIES), "Over the pod's; Always makes an init container a sidecar."),
        field("restartPolicyRules", List(&Obj(RESTART_RULE)), "Exit codes that are answered otherwise than by restartPolicy."),
        MOUNTS,
        DEVICES,
        field("livenessProbe", Obj(PROBE), "Asks whether it lives; when it fails, the container is restarted."),
        field("readinessProbe", Obj(PROBE), "Asks whether it is ready; until then the pod is not Ready."),
        field("startupProbe", Obj(PROBE), "Asks whether it has started; until then no other probe is made."),
        field("lifecycle", Obj(LIFECYCLE), "What is done after its start and before its end."),
        MESSAGE_PATH,
        MESSAGE_POLICY,
        SECURITY_FIELD,
        STDIN,
        STDIN_ONCE,
        TTY,
    ],
};

const NOT_EPHEMERAL: &str = "an ephemeral container has none";

/// Source: Kubernetes' EphemeralContainerCommon, and ValidateEphemeralContainers for what it may not have.
pub(super) const EPHEMERAL: &Type = &Type {
    name: "EphemeralContainer",
    fields: &[
        NAME,
        IMAGE,
        PULL,
        COMMAND,
        ARGS,
        WORKING_DIR,
        ENV_FIELD,
        ENV_FROM_FIELD,
        field("targetContainerName", Str, "The container whose processes it sees."),
        MOUNTS,
        DEVICES,
        MESSAGE_PATH,
        MESSAGE_POLICY,
        SECURITY_FIELD,
        STDIN,
        STDIN_ONCE,
        TTY,
        field("ports", List(&Obj(PORT)), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("resources", Obj(RESOURCES), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("resizePolicy", List(&Obj(RESIZE)), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("restartPolicy", Word(POLICIES), "Not for ephemeral containers: they are never restarted.").never(NOT_EPHEMERAL),
        field("restartPolicyRules", List(&Obj(RESTART_RULE)), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("livenessProbe", Obj(PROBE), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("readinessProbe", Obj(PROBE), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("startupProbe", Obj(PROBE), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
        field("lifecycle", Obj(LIFECYCLE), "Not for ephemeral containers.").never(NOT_EPHEMERAL),
    ],
};

const ENV: &Type = &Type {
    name: "EnvVar",
    fields: &[
        field("name", Str, "Any printable characters but =.").required(),
        field("value", Str, "The value; $(VAR) is that of a variable before it, $$(VAR) is not expanded."),
        field("valueFrom", Obj(VALUE_FROM), "Where the value comes from, in place of value."),
    ],
};

const PORT: &Type = &Type {
    name: "ContainerPort",
    fields: &[
        field("containerPort", I32, "The port in the pod's network, 1 to 65535.").required(),
        field("name", Str, "A name that probes can use."),
        field("protocol", Word(&["TCP", "UDP", "SCTP"]), "Default TCP."),
        field("hostPort", I32, "The port on the host that leads there."),
        field("hostIP", Str, "The host's address that hostPort is bound to."),
    ],
};

pub(super) const RESOURCES: &Type = &Type {
    name: "ResourceRequirements",
    fields: &[
        field("limits", Map(&Quantity), "The most: cpu (cpu.max), memory (memory.max), hugepages-SIZE."),
        field(
            "requests",
            Map(&Quantity),
            "The share: cpu (cpu.weight), memory (oom_score_adj). Where only a limit is set, the limit.",
        ),
        field("claims", List(&Obj(CLAIM)), "Devices of spec.resourceClaims.").not_yet(),
    ],
};

const CLAIM: &Type = &Type {
    name: "ResourceClaim",
    fields: &[
        field("name", Str, "An entry of spec.resourceClaims.").required(),
        field("request", Str, "One request of that claim; all of them where nothing is said."),
    ],
};

const RESIZE: &Type = &Type {
    name: "ContainerResizePolicy",
    fields: &[
        field("resourceName", Word(&["cpu", "memory"]), "cpu or memory.").required(),
        field("restartPolicy", Word(&["NotRequired", "RestartContainer"]), "What its change does.").required(),
    ],
};

const RESTART_RULE: &Type = &Type {
    name: "ContainerRestartRule",
    fields: &[
        field("action", Word(&["Restart", "RestartAllContainers"]), "What is done when the rule fits.").required(),
        field("exitCodes", Obj(EXIT_CODES), "The exit codes that it fits."),
    ],
};

const EXIT_CODES: &Type = &Type {
    name: "ContainerRestartRuleOnExitCodes",
    fields: &[
        field("operator", Word(&["In", "NotIn"]), "Whether the code must be one of values, or none.").required(),
        field("values", List(&I32), "Exit codes."),
    ],
};

const PROBE: &Type = &Type {
    name: "Probe",
    fields: &[
        field("exec", Obj(EXEC), "A command in the container; healthy is exit code 0."),
        field("httpGet", Obj(HTTP_GET), "An HTTP request to the container; healthy is a status of 200 to 399."),
        field("tcpSocket", Obj(TCP_SOCKET), "A connection to a port; healthy is one that is accepted."),
        field("grpc", Obj(GRPC), "The gRPC health protocol; healthy is SERVING."),
        field("initialDelaySeconds", I32, "Seconds from the container's start to the first probe. Default 0."),
        field("periodSeconds", I32, "Seconds between two probes. Default 10, at least 1."),
        field("timeoutSeconds", I32, "Seconds until a probe has failed. Default 1, at least 1."),
        field("successThreshold", I32, "Successes in a row after a failure. Default 1; 1 for liveness and startup."),
        field("failureThreshold", I32, "Failures in a row until it counts. Default 3, at least 1."),
        field("terminationGracePeriodSeconds", I64, "The grace period when this probe ends the container; not for readiness."),
    ],
};

const EXEC: &Type =
    &Type { name: "ExecAction", fields: &[field("command", List(&Str), "The program and its arguments; no shell is between.")] };

const HTTP_GET: &Type = &Type {
    name: "HTTPGetAction",
    fields: &[
        field("port", IntOrStr, "A port's number, or its name in ports.").required(),
        field("path", Str, "The path of the request. Default /."),
        field("host", Str, "An address of the host's network to connect to; the pod where nothing is said."),
        field("scheme", Word(&["HTTP", "HTTPS"]), "Default HTTP; certificates are not verified."),
        field("httpHeaders", List(&Obj(HTTP_HEADER)), "Headers of the request."),
    ],
};

const HTTP_HEADER: &Type = &Type {
    name: "HTTPHeader",
    fields: &[field("name", Str, "The header's name.").required(), field("value", Str, "Its value.").required()],
};

const TCP_SOCKET: &Type = &Type {
    name: "TCPSocketAction",
    fields: &[
        field("port", IntOrStr, "A port's number, or its name in ports.").required(),
        field("host", Str, "An address of the host's network to connect to; the pod where nothing is said."),
    ],
};

const GRPC: &Type = &Type {
    name: "GRPCAction",
    fields: &[
        field("port", I32, "The port's number.").required(),
        field("service", Str, "The service in the health request. Default is the empty name."),
    ],
};

const LIFECYCLE: &Type = &Type {
    name: "Lifecycle",
    fields: &[
        field("postStart", Obj(HANDLER), "Done right after the start; when it fails, the container is killed."),
        field("preStop", Obj(HANDLER), "Done before the stop signal; it counts against the grace period."),
        field("stopSignal", Str, "The signal that asks it to end, such as SIGUSR1; needs spec.os.name. Default SIGTERM."),
    ],
};

const HANDLER: &Type = &Type {
    name: "LifecycleHandler",
    fields: &[
        field("exec", Obj(EXEC), "A command in the container."),
        field("httpGet", Obj(HTTP_GET), "An HTTP request."),
        field("sleep", Obj(SLEEP), "A pause."),
        field("tcpSocket", Obj(TCP_SOCKET), "Deprecated: always fails.")
            .warned("tcpSocket is no hook: it fails whenever it is run, as in Kubernetes"),
    ],
};

const SLEEP: &Type = &Type { name: "SleepAction", fields: &[field("seconds", I64, "How long, in seconds.").required()] };
