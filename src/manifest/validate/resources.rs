//! requests and limits.

use super::super::error::quoted;
use super::super::quantity::Quantity;
use super::super::resources::{aggregate, is_hugepages, is_pod_level, limits, requests};
use super::Check;
use k8s_openapi::api::core::v1::{Container, PodSpec, ResourceRequirements};

pub fn check_container(check: &mut Check<'_, '_, '_>, container: &Container, at: &str) {
    if let Some(resources) = &container.resources {
        each(check, resources, &format!("{at}.resources"), false);
    }
}

pub fn check_pod(check: &mut Check<'_, '_, '_>, spec: &PodSpec) {
    let Some(resources) = &spec.resources else { return };
    each(check, resources, "spec.resources", true);
    for (name, amount) in requests(Some(resources)) {
        let sum = aggregate(spec, requests).get(&name).copied().unwrap_or_default();
        if sum > amount {
            let problem = format!("less than the containers request together (got {amount}, want at least {sum})");
            check.error(&format!("spec.resources.requests[{name}]"), problem);
        }
    }
    let pod = limits(Some(resources));
    let lists = [("initContainers", spec.init_containers.as_deref().unwrap_or(&[])), ("containers", &spec.containers[..])];
    for (list, containers) in lists {
        for (i, container) in containers.iter().enumerate() {
            for (name, amount) in limits(container.resources.as_ref()) {
                if let Some(most) = pod.get(&name).filter(|most| amount > **most) {
                    let field = format!("spec.{list}[{i}].resources.limits[{name}]");
                    check.error(&field, format!("more than the pod's own limit (got {amount}, want at most {most})"));
                }
            }
        }
    }
}

fn each(check: &mut Check<'_, '_, '_>, resources: &ResourceRequirements, at: &str, pod_level: bool) {
    for (kind, list) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (name, text) in list.iter().flatten() {
            // A request that a limit stands for is reported as the limit.
            let field = match resources.limits.as_ref().and_then(|l| l.get(name)) {
                Some(limit) if kind == "requests" && limit == text => continue,
                _ => format!("{at}.{kind}[{name}]"),
            };
            amount(check, &field, name, &text.0);
            supported(check, &field, name, kind == "limits", pod_level);
        }
    }
    let most = limits(Some(resources));
    for (name, request) in requests(Some(resources)) {
        let field = format!("{at}.requests[{name}]");
        match most.get(&name) {
            Some(limit) if request > *limit => {
                check.error(&field, format!("more than the limit (got {request}, want at most {limit})"));
            }
            Some(limit) if is_hugepages(&name) && request != *limit => {
                check.error(&field, format!("huge pages are not overcommitted (got {request}, want the limit {limit})"));
            }
            None if is_hugepages(&name) => check.error(&field, "huge pages are not overcommitted (want a limit as well)"),
            _ => {}
        }
    }
}

fn amount(check: &mut Check<'_, '_, '_>, field: &str, name: &str, text: &str) {
    let quantity = match Quantity::parse(text) {
        Ok(quantity) => quantity,
        Err(bad) => {
            let hint = hint(text).map(|h| format!("; did you mean {h}?")).unwrap_or_default();
            return check.error(field, format!("{bad} (got {}, want such as 500m, 1.5 or 64Mi{hint})", quoted(text)));
        }
    };
    if quantity.is_negative() {
        check.error(field, format!("must not be negative (got {})", quoted(text)));
    } else if name != "cpu" && !quantity.is_whole() {
        let hint = text.strip_suffix('m').map(|n| format!("; did you mean {n}Mi?")).unwrap_or_default();
        check.error(field, format!("not a whole number of bytes (got {}{hint})", quoted(text)));
    } else if name == "cpu" && quantity.value() > 1 << 20 {
        check.error(field, format!("more processors than Linux can have (got {})", quoted(text)));
    }
}

/// The near miss that people write.
fn hint(text: &str) -> Option<String> {
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let end = squeezed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(squeezed.len());
    let (number, suffix) = squeezed.split_at(end);
    let suffix = match suffix.to_ascii_lowercase().as_str() {
        "k" | "kb" => "k",
        "ki" | "kib" => "Ki",
        "m" | "mb" => "M",
        "mi" | "mib" => "Mi",
        "g" | "gb" => "G",
        "gi" | "gib" => "Gi",
        "t" | "tb" => "T",
        "ti" | "tib" => "Ti",
        "" => "",
        _ => return None,
    };
    let fixed = format!("{number}{suffix}");
    Quantity::parse(&fixed).is_ok().then_some(fixed)
}

fn supported(check: &mut Check<'_, '_, '_>, field: &str, name: &str, limit: bool, pod_level: bool) {
    match name {
        "cpu" | "memory" => {}
        _ if is_hugepages(name) => {
            if Quantity::parse(&name["hugepages-".len()..]).is_err() {
                check.error(field, format!("not a page size (got {}, want such as hugepages-2Mi)", quoted(name)));
            }
        }
        _ if pod_level && !is_pod_level(name) => {
            check.error(field, format!("not a resource of a pod (got {}, want cpu, memory or hugepages-SIZE)", quoted(name)));
        }
        "ephemeral-storage" if !limit => check.warn(field, "no effect: there is one host and no scheduler"),
        "ephemeral-storage" => check.error(field, "not supported yet by this version of podrt"),
        _ => {
            check.error(field, format!("unknown resource (got {}, want cpu, memory or hugepages-SIZE)", quoted(name)));
        }
    }
}
