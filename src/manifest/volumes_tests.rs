//! Volumes and mounts. Each table names the part of Kubernetes' documentation it holds to.

use super::*;
use crate::pod::spec::{HostPathKind, VolumeFile, VolumeSource};

const DATA: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {level: debug, b: x}\nbinaryData: {bin: AAEC}\n---\n\
    apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {pass: s3cret}\n";

fn volume(source: &str) -> VolumeSource {
    one(&format!("{}{DATA}", pod(&format!("volumes: [{{name: v, {source}}}]"), ""))).volumes.remove(0).source
}

fn files(source: &str) -> Vec<String> {
    let VolumeSource::Files { files } = volume(source) else { panic!("{source}") };
    files.iter().map(|VolumeFile { path, mode, content }| format!("{path} {mode:o} {}", content.bytes().len())).collect()
}

/// "Volumes": what each source becomes.
#[test]
fn a_volume_is_what_its_source_says() {
    for (source, want) in [
        ("emptyDir: {}", VolumeSource::EmptyDir),
        ("emptyDir: {sizeLimit: 0}", VolumeSource::EmptyDir),
        ("emptyDir: {medium: Memory}", VolumeSource::Memory { size: None }),
        ("emptyDir: {medium: Memory, sizeLimit: 64Mi}", VolumeSource::Memory { size: Some(64 << 20) }),
        ("hostPath: {path: /srv}", VolumeSource::HostPath { path: "/srv".into(), kind: HostPathKind::Any }),
        (
            "hostPath: {path: /srv, type: DirectoryOrCreate}",
            VolumeSource::HostPath { path: "/srv".into(), kind: HostPathKind::DirectoryOrCreate },
        ),
    ] {
        assert_eq!(volume(source), want, "{source}");
    }
}

/// "ConfigMaps", "Secrets", "Downward API", "Projected Volumes": keys, items, modes (octal, as Kubernetes reads YAML), optional.
#[test]
fn files_come_of_data_and_of_the_pod() {
    for (source, want) in [
        ("configMap: {name: conf}", &["b 644 1", "level 644 5", "bin 644 3"][..]),
        ("configMap: {name: conf, defaultMode: 0400, items: [{key: level, path: a/b}]}", &["a/b 400 5"]),
        ("configMap: {name: conf, defaultMode: 0o400, items: [{key: b, path: b, mode: 511}]}", &["b 777 1"]),
        ("configMap: {name: conf, optional: true, items: [{key: none, path: a}]}", &[]),
        ("configMap: {name: none, optional: true}", &[]),
        ("secret: {secretName: keys}", &["pass 644 6"]),
        ("downwardAPI: {items: [{path: nm, fieldRef: {fieldPath: metadata.name}}]}", &["nm 644 1"]),
        (
            "downwardAPI: {items: [{path: c, mode: 0600, resourceFieldRef: {containerName: c, resource: requests.cpu}}]}",
            &["c 600 1"],
        ),
        (
            "projected: {defaultMode: 0440, sources: [{secret: {name: keys}}, {configMap: {name: conf, items: [{key: b, path: xx}]}}, \
             {downwardAPI: {items: [{path: nm, fieldRef: {fieldPath: metadata.name}}]}}]}",
            &["pass 440 6", "xx 440 1", "nm 440 1"],
        ),
    ] {
        assert_eq!(files(source), want, "{source}");
    }
}

/// ValidateVolumes: what is wrong has its place, and nothing starts.
#[test]
fn a_faulty_volume_is_refused() {
    for (source, want) in [
        ("emptyDir: {sizeLimit: 1Gi}", "emptyDir.sizeLimit: cannot be enforced on disk"),
        ("emptyDir: {sizeLimit: -1}", "emptyDir.sizeLimit: must not be negative"),
        ("emptyDir: {medium: Memory, sizeLimit: 100m}", "not a whole number of bytes"),
        ("emptyDir: {medium: memory}", "emptyDir.medium: unsupported value (got \"memory\""),
        ("hostPath: {path: /a/../b}", "hostPath.path: not a path of the host"),
        ("hostPath: {path: a}", "hostPath.path: not a path of the host"),
        ("hostPath: {path: /a, type: Folder}", "hostPath.type: unsupported value"),
        ("configMap: {name: none}", "volumes[0].configMap.name: no ConfigMap \"none\" in namespace default"),
        ("configMap: {name: conf, items: [{key: none, path: a}]}", "items[0].key: no such key in ConfigMap \"conf\""),
        ("configMap: {name: conf, items: [{key: b, path: ../a}]}", "items[0].path: not a valid path"),
        ("configMap: {name: conf, items: [{key: b, path: ..data}]}", "items[0].path: not a valid path"),
        ("configMap: {name: conf, items: [{key: ../b, path: a}]}", "items[0].key: not a valid key"),
        ("configMap: {name: conf, items: [{key: b, path: a}, {key: level, path: a/b}]}", "items[1].path: conflicting paths"),
        ("configMap: {name: conf, defaultMode: 01000}", "defaultMode: not a mode (got 512"),
        ("configMap: {name: conf, defaultMode: \"0644\"}", "defaultMode: wrong type"),
        ("secret: {secretName: keys, defaultMode: -1}", "defaultMode: not a mode"),
        ("secret: {}", "secret.secretName: not a valid name"),
        ("emptyDir: {}, hostPath: {path: /a}", "names more than one source (got emptyDir and hostPath, want one)"),
        (
            "downwardAPI: {items: [{path: a, fieldRef: {fieldPath: status.podIP}}]}",
            "fieldRef.fieldPath: not a field that can be had here",
        ),
        ("downwardAPI: {items: [{path: a, resourceFieldRef: {resource: limits.cpu}}]}", "containerName: not a container"),
        (
            "projected: {sources: [{serviceAccountToken: {path: token}}]}",
            "serviceAccountToken: not supported: there is no API server",
        ),
        ("nfs: {server: a, path: /}", "nfs: not supported: podrt mounts nothing from other machines"),
        ("persistentVolumeClaim: {claimName: a}", "persistentVolumeClaim: not supported yet"),
        ("emptydir: {}", "unknown field (did you mean \"emptyDir\"?)"),
    ] {
        let got = problems(&format!("{}{DATA}", pod(&format!("volumes: [{{name: v, {source}}}]"), "")));
        assert!(got.iter().any(|p| p.contains(want)), "{source}: {want}\n{got:#?}");
    }
    let twice = problems(&pod("volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}, {name: A_b, emptyDir: {}}]", ""));
    assert!(twice[0].contains("duplicate volume name") && twice[1].contains("not a valid volume name"), "{twice:#?}");
}

/// ValidateVolumeMounts.
#[test]
fn a_faulty_mount_is_refused() {
    for (mount, want) in [
        ("name: none, mountPath: /a", "name: not a volume of this pod (got \"none\")"),
        ("name: v, mountPath: a", "mountPath: not a mount path"),
        ("name: v, mountPath: \"/a:b\"", "mountPath: not a mount path"),
        ("name: v, mountPath: /a/../b", "mountPath: not a mount path"),
        ("name: v, mountPath: /", "mountPath: is the root itself"),
        ("name: v, mountPath: /./", "mountPath: is the root itself"),
        ("name: v, mountPath: /proc/self", "mountPath: is in /proc"),
        ("name: v, mountPath: /a, subPath: ../x", "subPath: not a valid path in a volume"),
        ("name: v, mountPath: /a, subPath: /x", "subPath: not a valid path in a volume"),
        ("name: v, mountPath: /a, subPath: x, subPathExpr: z", "subPathExpr: may not stand beside subPath"),
        ("name: v, mountPath: /a, subPathExpr: $(NONE)", "subPathExpr: no value for $(NONE)"),
        ("name: v, mountPath: /a, subPathExpr: $(UP)/x", "subPathExpr: not a valid path in a volume once expanded"),
        ("name: v, mountPath: /a, recursiveReadOnly: Enabled", "recursiveReadOnly: needs readOnly: true"),
        ("name: v, mountPath: /a, mountPropagation: Bidirectional", "Bidirectional is for privileged containers only"),
        ("name: v, mountPath: /a, mountPropagation: Both", "mountPropagation: unsupported value"),
    ] {
        let container = format!("env: [{{name: UP, value: ..}}]\nvolumeMounts: [{{{mount}}}]");
        let got = problems(&pod("volumes: [{name: v, emptyDir: {}}]", &container));
        assert!(got.iter().any(|p| p.contains(want)), "{mount}: {want}\n{got:#?}");
    }
    let twice = "volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]";
    assert!(problems(&pod("volumes: [{name: v, emptyDir: {}}]", twice))[0].contains("duplicate mountPath"));
}
