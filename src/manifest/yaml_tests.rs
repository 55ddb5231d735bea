use super::*;
use std::fmt::Write;

fn problems(text: &str) -> Vec<String> {
    parse(text)
        .into_iter()
        .filter_map(Result::err)
        .flatten()
        .map(|f| format!("{}:{}: {}", f.pos.line, f.pos.col, f.problem))
        .collect()
}

fn one(text: &str) -> Node<'_> {
    let mut documents = parse(text);
    assert_eq!(documents.len(), 1, "{documents:?}");
    documents.remove(0).unwrap_or_else(|faults| panic!("{faults:?}"))
}

#[test]
fn a_node_knows_its_line_and_column() {
    let tree = one("spec:\n  containers:\n  - name: a\n    image:   x\n");
    assert_eq!(tree.locate("spec.containers[0].image"), Pos { line: 4, col: 14 });
    assert_eq!(tree.locate("spec.containers[0].nothing.below"), Pos { line: 3, col: 5 });
}

#[test]
fn documents_are_split_and_empty_ones_left_out() {
    let texts: Vec<_> = parse("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n---\nc: 3\n");
    assert_eq!(texts.len(), 3);
    assert!(parse("").is_empty());
    assert!(parse("# only a comment\n").is_empty());
}

#[test]
fn an_error_in_one_document_does_not_hide_those_of_the_next() {
    let got = problems("a: [1\n---\nb: 1\nb: 2\n---\nc: ok\n");
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[1].starts_with("4:1: duplicate key \"b\" (first in line 3)"), "{got:?}");
}

#[test]
fn json_with_tabs_and_escapes_is_read() {
    let tree = one("{\n\t\"a\": \"\\u00e9\\/\\ud83d\\ude00\",\n\t\"b\": [1, 2.5e3,\tnull, true]\n}\n");
    assert_eq!(tree.get("a").and_then(Node::as_str), Some("é/😀"));
    assert!(matches!(&tree.get("b").map(|n| &n.value), Some(Value::Seq(items)) if items.len() == 4));
}

#[test]
fn crlf_and_a_directive_are_fine() {
    let tree = one("%YAML 1.2\r\n---\r\na: b\r\nc: |\r\n  x\r\n  y\r\n");
    assert_eq!(tree.get("a").and_then(Node::as_str), Some("b"));
    assert_eq!(tree.get("c").and_then(Node::as_str), Some("x\ny\n"));
}

#[test]
fn aliases_and_merge_keys_expand_and_written_keys_win() {
    let tree = one("base: &b {a: 1, b: 2}\nother: &o {b: 3, c: 4}\nx:\n  <<: [*b, *o]\n  a: 9\nz: *b\n");
    let x = tree.get("x").unwrap_or_else(|| panic!("no x"));
    let int = |n: &Node<'_>, k: &str| match n.get(k).map(|n| &n.value) {
        Some(Value::Num(crate::manifest::node::Number::Int(n), _)) => *n,
        other => panic!("{k}: {other:?}"),
    };
    assert_eq!((int(x, "a"), int(x, "b"), int(x, "c")), (9, 2, 4));
    assert_eq!(int(tree.get("z").unwrap_or_else(|| panic!("no z")), "b"), 2);
}

#[test]
fn bombs_are_refused_early() {
    let mut aliases = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut merges = "a0: &a0 {k0: x}\n".to_owned();
    for i in 1..20 {
        let _ = writeln!(aliases, "a{i}: &a{i} [{}]", vec![format!("*a{}", i - 1); 9].join(", "));
        let _ = writeln!(merges, "a{i}: &a{i} {{<<: [{}], k{i}: x}}", vec![format!("*a{}", i - 1); 9].join(", "));
    }
    let mut chain = "a0: &a0 [x]\n".to_owned();
    for i in 1..100 {
        let _ = writeln!(chain, "a{i}: &a{i} [*a{}]", i - 1);
    }
    let mut nested: String = (0..50).map(|i| format!("{}k: &a{i}\n", "  ".repeat(i))).collect();
    let _ = writeln!(nested, "{}v: [{}]", "  ".repeat(50), "x, ".repeat(5000));
    for (name, text, want) in [
        ("aliases", aliases, "too large"),
        (
            "long text by alias",
            format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(9)),
            "anchors and aliases stand",
        ),
        ("deep flow", "[".repeat(10_000), "nested deeper"),
        (
            "deep block",
            (0..10_000).fold(String::new(), |mut s, i| {
                let _ = writeln!(s, "{}a:", " ".repeat(i % 300));
                s
            }),
            "",
        ),
        ("deep by alias", chain, "nested deeper"),
        ("nested anchors", nested, "too large"),
        ("anchored text", format!("a: &a {}\n", "x".repeat(9 << 20)), "anchors and aliases stand"),
        ("cycle", "a: &a [*a]\n".to_owned(), "an alias inside"),
        ("many nodes", "- a\n".repeat(300_000), "too large"),
    ] {
        let got = problems(&text);
        assert!(!got.is_empty() && got[0].contains(want), "{name}: {got:?}");
    }
    // A merge bomb adds each key once: it must end, by whatever verdict.
    let _ = problems(&merges);
}

#[test]
fn what_kubernetes_has_no_use_for_is_refused() {
    for (text, want) in [
        ("a: !!binary aGk=\n", "1:13: the tag !!binary is not supported"),
        ("a: !!python/object x\n", "the tag !!python/object is not supported"),
        ("a: !mine x\n", "the tag !mine is not supported"),
        ("a: !!int x\n", "the tag does not fit the value (got \"x\")"),
        ("a: *nowhere\n", "unknown anchor"),
        ("{a: 1}: b\n", "cannot be a key"),
        ("~: b\n", "a key is missing before the colon"),
        ("a:\n\tb: 1\n", "indent with spaces"),
        ("a: 1\na: 2\n", "2:1: duplicate key \"a\" (first in line 1)"),
        ("a: b: c\n", "not valid YAML"),
        ("a: \"x\n", "not valid YAML"),
        ("a: 1\n b: 2\n", "not valid YAML"),
        ("{\"a\": 1} trailing\n", "not valid YAML"),
        ("<<: 1\n", "merges a mapping"),
        ("a: 1\n...\nb: 2\n", "3:1: what follows a line of `...` is another document"),
        ("a:\n- b: 1\n  c: 2\n d: 3\n", "is the line indented as those above it are?"),
        ("a: b: c\n", "quote a text that holds \": \""),
    ] {
        let got = problems(text);
        assert!(got.iter().any(|p| p.contains(want)), "{text:?}: {got:?}");
    }
}

#[test]
fn every_prefix_of_a_document_ends_without_panic() {
    let text = "%YAML 1.2\n---\na: &x [1, {b: \"c\\u00e9\"}, 'd']\ne: |-\n  f\n g: *x\nh: !!str 1\n? i\n: j\n<<: {k: l}\n";
    for end in (0..=text.len()).filter(|&i| text.is_char_boundary(i)) {
        let _ = parse(&text[..end]);
    }
}

#[test]
fn a_flood_of_broken_documents_is_cut() {
    assert_eq!(parse(&"---\n[\n".repeat(10_000)).len(), 100);
}
