//! Kubernetes' pkg/probe/http, as tables.

use super::*;
use crate::pod::spec::HttpGet;

fn get(path: &str, headers: &[(&str, &str)]) -> HttpGet {
    let headers = headers.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    HttpGet { https: false, host: None, port: 8080, path: path.into(), headers }
}

fn target() -> Target {
    Target::new(None, 8080, false, None).expect("an address")
}

fn exchange(path: &str) -> Exchange {
    Exchange::new(&get(path, &[]), &target(), false)
}

/// What a response says in a word and its text.
fn heard(exchange: &mut Exchange, response: &str) -> (String, String) {
    match exchange.hear(response.as_bytes(), &target()) {
        Heard::More => ("more".into(), String::new()),
        Heard::Done(outcome) => (format!("{:?}", outcome.verdict), outcome.output),
        Heard::Elsewhere(target) => ("to".into(), format!("{}{}", target.origin(), exchange.path)),
    }
}

#[test]
fn a_request_is_what_the_kubelet_sends() {
    let text = |g: &HttpGet| {
        let exchange = Exchange::new(g, &target(), false);
        String::from_utf8(exchange.request(&target())).expect("text")
    };
    assert_eq!(
        text(&get("/healthz?a=b#c", &[])),
        "GET /healthz?a=b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    let own = get("/", &[("host", "a.example"), ("Accept", ""), ("X-A", "1"), ("X-A", "2"), ("User-Agent", "me")]);
    assert_eq!(
        text(&own),
        "GET / HTTP/1.1\r\nhost: a.example\r\nX-A: 1\r\nX-A: 2\r\nUser-Agent: me\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn the_status_code_decides() {
    for (code, verdict) in [
        (200, "Success"),
        (204, "Success"),
        (304, "Success"),
        (399, "Success"),
        (400, "Failure"),
        (503, "Failure"),
        (600, "Failure"),
    ] {
        let (got, text) = heard(&mut exchange("/"), &format!("HTTP/1.1 {code} X\r\nA: b\r\n\r\nbody"));
        assert_eq!(got, verdict, "{code}");
        assert_eq!(text.is_empty(), verdict == "Success");
        if verdict == "Failure" {
            assert_eq!(text, format!("HTTP probe failed with statuscode: {code}"));
        }
    }
    let mut hook = Exchange::new(&get("/", &[]), &target(), true);
    assert_eq!(heard(&mut hook, "HTTP/1.0 500 no\r\n\r\n").0, "Success", "a hook asks for a response, not for a good one");
}

#[test]
fn a_head_may_come_in_pieces_and_after_interim_ones() {
    let mut pieces = exchange("/");
    let whole = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n";
    for (i, c) in whole.char_indices() {
        let (got, _) = heard(&mut pieces, &c.to_string());
        assert_eq!(got, if i + 1 == whole.len() { "Success" } else { "more" }, "{i}");
    }
}

#[test]
fn what_is_no_http_fails() {
    for text in [
        "220 smtp ready\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 x\r\n\r\n",
        "HTTP/1.1 2000 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno\r\n\r\n",
    ] {
        let (got, said) = heard(&mut exchange("/x"), text);
        assert_eq!(
            (got.as_str(), said.as_str()),
            ("Failure", "Get \"http://127.0.0.1:8080/x\": malformed HTTP response"),
            "{text}"
        );
    }
    assert_eq!(heard(&mut exchange("/"), "").1, "Get \"http://127.0.0.1:8080/\": EOF");
    let mut endless = exchange("/");
    let mut last = heard(&mut endless, "HTTP/1.1 200 OK\r\n").0;
    for _ in 0..70 {
        last = heard(&mut endless, &format!("A: {}\r\n", "x".repeat(1000))).0;
    }
    assert_eq!(last, "Failure", "a head without end");
}

#[test]
fn redirects_are_followed_on_the_same_host_alone() {
    for (from, location, to) in [
        ("/", "/next", "http://127.0.0.1:8080/next"),
        ("/a/b?x", "c?y=1", "http://127.0.0.1:8080/a/c?y=1"),
        ("/a/b/c", "../d", "http://127.0.0.1:8080/a/d"),
        ("/a/b", "../../..", "http://127.0.0.1:8080/"),
        ("/a", "?q", "http://127.0.0.1:8080/a?q"),
        ("/", "http://127.0.0.1/", "http://127.0.0.1:80/"),
        ("/", "https://127.0.0.1/x#y", "https://127.0.0.1:443/x"),
        ("/", "HTTPS://127.0.0.1:9?z", "https://127.0.0.1:9/?z"),
        ("/", "//127.0.0.1:81/p", "http://127.0.0.1:81/p"),
    ] {
        let got = heard(&mut exchange(from), &format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n"));
        assert_eq!(got, ("to".into(), to.into()), "{from} {location}");
    }
    let away = heard(&mut exchange("/"), "HTTP/1.1 301 Moved\r\nlocation: http://example.com/\r\n\r\n");
    assert_eq!(away, ("Warning".into(), "Probe terminated redirects, Location: http://example.com/".into()));
    assert_eq!(heard(&mut exchange("/"), "HTTP/1.1 302 Found\r\n\r\n").0, "Success", "nowhere to go");
    assert_eq!(heard(&mut exchange("/"), "HTTP/1.1 300 Choices\r\nLocation: /x\r\n\r\n").0, "Success");
    assert_eq!(heard(&mut exchange("/"), "HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\n\r\n").0, "Failure");
}

#[test]
fn ten_redirects_are_enough() {
    let mut round = exchange("/");
    for _ in 0..10 {
        assert_eq!(heard(&mut round, "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n").0, "to");
    }
    let (verdict, text) = heard(&mut round, "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n");
    assert_eq!((verdict.as_str(), text.as_str()), ("Failure", "Get \"http://127.0.0.1:8080/\": stopped after 10 redirects"));
}
