//! Manifests through podrt's command line: the field table told, and what files, folders and documents are read as.

mod support;

use serde_json::Value;
use support::Test;

fn explain_prints_a_field_as_kubectl_does_and_says_what_podrt_makes_of_it(t: &Test) {
    let text = t.podrt(["explain", "pod.spec.restartPolicy"]).run().ok().stdout;
    let start = "KIND:       Pod\nVERSION:    v1\n\nFIELD: restartPolicy <string>\nENUM:\n    Always\n    OnFailure\n    Never\n\nDESCRIPTION:\n    ";
    assert!(text.starts_with(start) && text.ends_with("\n\nSUPPORT:\n    supported\n"), "{text}");
    let text = t.podrt(["explain", "pod.spec"]).run().ok().stdout;
    for line in [
        "  containers\t<[]Container> -required-",
        "  nodeName\t<string> -no effect-",
        "  overhead\t<map[string]Quantity> -refused-",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    let wrong = t.podrt(["explain", "pod.spec.containres"]).run().exits(1).refuses(&["did you mean \"containers\"?"]);
    assert!(wrong.stdout.is_empty());
    t.podrt(["explain", "services"]).run().exits(1).refuses(&["the server doesn't have a resource type \"services\""]);
}

fn explain_reaches_every_field_and_speaks_json(t: &Test) {
    let json = t.podrt(["explain", "pod", "--recursive", "-o", "json"]).run().ok().stdout;
    let all: Value = serde_json::from_str(&json).expect("JSON");
    fn find<'v>(of: &'v Value, path: &[&str]) -> &'v Value {
        let [name, rest @ ..] = path else { return of };
        let fields = of["fields"].as_array().unwrap_or_else(|| panic!("nothing below {of}"));
        find(fields.iter().find(|f| f["name"] == *name).unwrap_or_else(|| panic!("no {name}")), rest)
    }
    let image = find(&all["field"], &["spec", "initContainers", "image"]);
    assert_eq!([&image["type"], &image["support"]], ["string", "supported"]);
    assert_eq!(image["required"], true);
    let remote = find(&all["field"], &["spec", "volumes", "nfs"]);
    assert!(remote["support"] == "refused" && remote["why"].as_str().is_some_and(|w| w.contains("hostPath")), "{remote}");
    assert_eq!(find(&all["field"], &["status"])["support"], "set by podrt");
    // The same as a text: one line for each field, deeper ones indented.
    let text = t.podrt(["explain", "pod", "--recursive"]).run().ok().stdout;
    assert!(text.contains("\n  spec\t<PodSpec> -required-\n") && text.contains("\n      image\t<string> -required-\n"), "{text}");
}

suite!(explain_prints_a_field_as_kubectl_does_and_says_what_podrt_makes_of_it, explain_reaches_every_field_and_speaks_json,);
