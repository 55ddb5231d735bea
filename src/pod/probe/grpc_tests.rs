//! A server's side of the exchange, byte by byte.

use super::*;

fn answer(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    text(out, name);
    text(out, value);
}

/// SETTINGS, then a response of that status word, with those trailers.
fn response(status: u8, code: &str, detail: &str) -> Vec<u8> {
    let mut out = Vec::new();
    frame(&mut out, SETTINGS, 0, 0, &[]);
    let mut head = vec![0x88];
    literal(&mut head, "content-type", "application/grpc");
    // Split over two frames, padded and with a priority.
    let (first, second) = head.split_at(4);
    let mut padded = vec![2, 0, 0, 0, 0, 9];
    padded.extend_from_slice(first);
    padded.extend_from_slice(&[0, 0]);
    frame(&mut out, HEADERS, PADDED | PRIORITY, 1, &padded);
    frame(&mut out, CONTINUATION, END_HEADERS, 1, second);
    frame(&mut out, DATA, 0, 1, &answer(&[0x08, status]));
    let mut trailers = Vec::new();
    literal(&mut trailers, "grpc-status", code);
    literal(&mut trailers, "grpc-message", detail);
    frame(&mut out, HEADERS, END_HEADERS | END_STREAM, 1, &trailers);
    out
}

fn said(heard: Heard) -> (Verdict, String) {
    match heard {
        Heard::Done(outcome) => (outcome.verdict, outcome.output),
        _ => panic!("it is not over"),
    }
}

#[test]
fn the_answer_decides() {
    for (status, code, detail, verdict, text) in [
        (1, "0", "", Verdict::Success, "service healthy"),
        (2, "0", "", Verdict::Failure, "service unhealthy (responded with \"NOT_SERVING\")"),
        (3, "0", "", Verdict::Failure, "service unhealthy (responded with \"SERVICE_UNKNOWN\")"),
        (
            1,
            "5",
            "unknown%20service",
            Verdict::Failure,
            "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service",
        ),
        (
            1,
            "12",
            "no",
            Verdict::Failure,
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no",
        ),
    ] {
        let (mut exchange, mut out) = (Exchange::new(""), Vec::new());
        let bytes = response(status, code, detail);
        for byte in &bytes[..bytes.len() - 1] {
            assert!(matches!(exchange.hear(&[*byte], &mut out), Heard::More), "{text}");
        }
        assert_eq!(said(exchange.hear(&bytes[bytes.len() - 1..], &mut out)), (verdict, text.to_string()));
        assert_eq!(out, [0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0], "the settings are acknowledged");
    }
}

#[test]
fn a_server_without_answer_fails() {
    let mut out = Vec::new();
    assert!(said(Exchange::new("").hear(&[], &mut out)).1.contains("EOF"));
    assert!(said(Exchange::new("").hear(b"HTTP/1.1 400 Bad Request\r\n\r\n", &mut out)).1.contains("no HTTP/2"));
    let mut reset = Vec::new();
    frame(&mut reset, RST_STREAM, 0, 1, &[0, 0, 0, 8]);
    assert!(said(Exchange::new("").hear(&reset, &mut out)).1.contains("RST_STREAM with error code: 8"));
    let mut away = Vec::new();
    frame(&mut away, GOAWAY, 0, 0, &[0; 8]);
    assert!(said(Exchange::new("").hear(&away, &mut out)).1.contains("goes away"));
    let mut wrong = Vec::new();
    frame(&mut wrong, HEADERS, END_HEADERS, 1, &[0xff; 6]);
    assert!(said(Exchange::new("").hear(&wrong, &mut out)).1.contains("header compression"));
}

#[test]
fn the_request_is_decodable() {
    let target = Target::new(None, 9090, false, None).expect("an address");
    let out = Exchange::new("db").request(&target);
    let rest = out.strip_prefix(PREFACE).expect("the preface");
    let rest = &rest[9 + 6..];
    let length = usize::from(rest[2]);
    let mut names = Vec::new();
    let mut decoder = Decoder::new();
    decoder
        .decode_with_cb(&rest[9..9 + length], |name, value| {
            names.push(format!("{}={}", String::from_utf8_lossy(&name), String::from_utf8_lossy(&value)));
        })
        .expect("a header block");
    assert_eq!(
        names,
        [
            ":method=POST",
            ":scheme=http",
            ":path=/grpc.health.v1.Health/Check",
            ":authority=127.0.0.1:9090",
            "te=trailers",
            "content-type=application/grpc",
            "user-agent=kube-probe/1.36"
        ]
    );
    assert_eq!(&rest[9 + length..], [0, 0, 9, DATA, END_STREAM, 0, 0, 0, 1, 0, 0, 0, 0, 4, 0x0a, 2, b'd', b'b']);
}

#[test]
fn a_response_is_read_past_fields_that_are_not_known() {
    for (body, want) in [
        (&[][..], Some(0)),
        (&[0x08, 1][..], Some(1)),
        (&[0x12, 2, 9, 9, 0x08, 2, 0x1d, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0][..], Some(2)),
        (&[0x08][..], None),
        (&[0x0b][..], None),
    ] {
        assert_eq!(serving(&answer(body)), want, "{body:?}");
    }
    assert_eq!(serving(&[0, 0, 0, 0, 9, 1]), None);
    assert_eq!(serving(&[1, 0, 0, 0, 0]), None);
}
