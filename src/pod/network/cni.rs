//! A pod's network by CNI plugins. What they are told stands on record before the first of them runs, so that they are asked to take
//! it back whatever happened to who had asked.

use crate::net::Result;
use crate::net::cni::{self, Attachment};
use crate::pod::sandbox::Pause;
use crate::pod::spec::{NetworkSpec, PodSpec};
use crate::sys::fault;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Made {
    pub attachment: Attachment,
    /// None until ADD has succeeded.
    pub result: Option<Value>,
}

/// The network that the pod is to have; nothing is made yet. Errors: there is none, or a plugin says that it is not ready.
pub fn plan(spec: &PodSpec, id: &str) -> Result<Made> {
    let network = &spec.sandbox.network;
    let list = cni::load(&network.cni.folder, network.cni.network.as_deref())?;
    let args = [
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", &spec.namespace),
        ("K8S_POD_NAME", &spec.name),
        ("K8S_POD_INFRA_CONTAINER_ID", id),
        ("K8S_POD_UID", &spec.uid),
    ];
    let args: Vec<String> = args.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let attachment = Attachment {
        list,
        programs: network.cni.programs.clone(),
        id: id.into(),
        interface: crate::net::port::INSIDE.into(),
        args: args.join(";"),
        runtime: runtime(network),
    };
    attachment.status()?;
    Ok(Made { attachment, result: None })
}

/// Source: the conventions of CNI, "Dynamic Plugin specific fields (Capabilities / Runtime Configuration)".
fn runtime(network: &NetworkSpec) -> Map<String, Value> {
    let mut all = Map::new();
    let port = |p: &crate::pod::spec::PortSpec| {
        let protocol = match i32::from(p.protocol) {
            libc::IPPROTO_UDP => "udp",
            libc::IPPROTO_SCTP => "sctp",
            _ => "tcp",
        };
        let host = p.host_ip.map(|ip| ip.to_string()).unwrap_or_default();
        json!({"hostPort": p.host_port, "containerPort": p.container_port, "protocol": protocol, "hostIP": host})
    };
    if !network.ports.is_empty() {
        all.insert("portMappings".into(), network.ports.iter().map(port).collect());
    }
    if !network.addresses.is_empty() {
        all.insert("ips".into(), json!(network.addresses));
    }
    // Bursts as the kubelet has them.
    let mut bandwidth = Map::new();
    for (name, rate) in [("ingress", network.ingress), ("egress", network.egress)] {
        if let Some(rate) = rate {
            bandwidth.insert(format!("{name}Rate"), json!(rate));
            bandwidth.insert(format!("{name}Burst"), json!(i32::MAX));
        }
    }
    if !bandwidth.is_empty() {
        all.insert("bandwidth".into(), Value::Object(bandwidth));
    }
    if let Some(mac) = network.mac {
        let bytes: Vec<String> = mac.iter().map(|b| format!("{b:02x}")).collect();
        all.insert("mac".into(), json!(bytes.join(":")));
    }
    all
}

impl Made {
    /// ADD; what a failed one left is taken back by DEL.
    pub fn add(&mut self, pause: &Pause) -> Result<()> {
        let netns = netns(pause.process.pid);
        let added = fault::point("cni.add").map_err(Into::into).and_then(|()| self.attachment.add(&netns));
        match added {
            Ok(result) => {
                self.result = Some(result);
                Ok(())
            }
            Err(e) => {
                let _ = self.attachment.del(Some(&netns), None);
                Err(e)
            }
        }
    }

    /// DEL; `pid` is a process of the pod's namespace, if it lives.
    pub fn undo(&self, pid: Option<i32>) -> Result<()> {
        self.attachment.del(pid.map(netns).as_deref(), self.result.as_ref())
    }

    /// Errors: the pod's interface is not what ADD made.
    pub fn check(&self, pause: &Pause) -> Result<()> {
        match &self.result {
            Some(result) => self.attachment.check(&netns(pause.process.pid), result),
            None => Ok(()),
        }
    }

    pub fn addresses(&self) -> Vec<IpAddr> {
        self.result.as_ref().map(cni::addresses).unwrap_or_default()
    }
}

fn netns(pid: i32) -> String {
    format!("/proc/{pid}/ns/net")
}
