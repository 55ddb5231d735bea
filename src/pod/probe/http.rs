//! One httpGet: the request, the head of its response, redirects as the kubelet follows them (on the same host, ten at most; one
//! that leads to another host ends the probe well, with a warning). The body is nobody's business.

use super::target::Target;
use super::{Heard, Outcome, Verdict};
use crate::pod::spec::HttpGet;

/// The longest head of a response, bytes.
const HEAD_MAX: usize = 64 << 10;
const REDIRECTS_MAX: u32 = 10;

pub(super) struct Exchange {
    headers: Vec<(String, String)>,
    /// With its query.
    path: String,
    /// The first URL: what messages name.
    url: String,
    /// What of a response is there.
    head: Vec<u8>,
    redirects: u32,
    /// For a hook any response will do.
    hook: bool,
}

impl Exchange {
    pub fn new(get: &HttpGet, target: &Target, hook: bool) -> Exchange {
        let path = get.path.split('#').next().unwrap_or("/").to_string();
        let url = format!("{}{path}", target.origin());
        Exchange { headers: get.headers.clone(), path, url, head: Vec::new(), redirects: 0, hook }
    }

    pub fn failure(&self, why: &str) -> String {
        format!("Get \"{}\": {why}", self.url)
    }

    pub fn request(&self, target: &Target) -> Vec<u8> {
        let own = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut text = format!("GET {} HTTP/1.1\r\n", self.path);
        let mut add = |name: &str, value: &str| {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        };
        if !own("host") {
            add("Host", &target.authority());
        }
        if !own("user-agent") {
            add("User-Agent", "kube-probe/1.36");
        }
        if !own("accept") {
            add("Accept", "*/*");
        }
        for (name, value) in &self.headers {
            // An empty value takes a header away.
            if !value.is_empty() && !name.eq_ignore_ascii_case("connection") {
                add(name, value);
            }
        }
        add("Connection", "close");
        text.push_str("\r\n");
        text.into_bytes()
    }

    /// Nothing is the end of the stream.
    pub fn hear(&mut self, data: &[u8], target: &Target) -> Heard {
        if data.is_empty() {
            return self.broken(if self.head.is_empty() { "EOF" } else { "unexpected EOF" });
        }
        self.head.extend_from_slice(data);
        loop {
            let Some(end) = end_of_head(&self.head) else {
                return match self.head.len() > HEAD_MAX || !b"HTTP/".starts_with(&self.head[..self.head.len().min(5)]) {
                    true => self.broken("malformed HTTP response"),
                    false => Heard::More,
                };
            };
            let head: Vec<u8> = self.head.drain(..end).collect();
            let Some(response) = Response::parse(&head) else { return self.broken("malformed HTTP response") };
            // Interim ones come before the real one.
            if !(100..200).contains(&response.status) || response.status == 101 {
                return self.judge(&response, target);
            }
        }
    }

    fn broken(&self, why: &str) -> Heard {
        Heard::Done(Outcome::new(Verdict::Failure, self.failure(why)))
    }

    fn judge(&mut self, response: &Response, target: &Target) -> Heard {
        let done = |verdict, text: String| Heard::Done(Outcome::new(verdict, text));
        let redirects = matches!(response.status, 301 | 302 | 303 | 307 | 308);
        if let (true, Some(location)) = (redirects, &response.location) {
            match self.follow(location, target) {
                Some(Next::Here(target, path)) if self.redirects < REDIRECTS_MAX => {
                    self.redirects += 1;
                    self.path = path;
                    self.head.clear();
                    return Heard::Elsewhere(target);
                }
                Some(Next::Here(..)) => return self.broken("stopped after 10 redirects"),
                Some(Next::Away) if self.hook => return done(Verdict::Success, String::new()),
                Some(Next::Away) => return done(Verdict::Warning, format!("Probe terminated redirects, Location: {location}")),
                None => return self.broken(&format!("failed to parse Location header {location:?}")),
            }
        }
        match response.status {
            _ if self.hook => done(Verdict::Success, String::new()),
            200..400 => done(Verdict::Success, String::new()),
            status => done(Verdict::Failure, format!("HTTP probe failed with statuscode: {status}")),
        }
    }

    /// What a Location means from here.
    fn follow(&mut self, location: &str, from: &Target) -> Option<Next> {
        let location = location.split('#').next().unwrap_or_default();
        if location.bytes().any(|c| c <= b' ' || c == 0x7f) {
            return None;
        }
        let (tls, rest) = match location.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, Some(rest)),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, Some(rest)),
            Some((scheme, _)) if scheme.bytes().all(|c| c.is_ascii_alphanumeric()) => return None,
            _ => (from.tls, location.strip_prefix("//")),
        };
        let Some(rest) = rest else { return Some(Next::Here(from.clone(), self.relative(location))) };
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (host, port) = split_port(authority)?;
        if !host.eq_ignore_ascii_case(&from.host) {
            return Some(Next::Away);
        }
        let mut target = Target { tls, ..from.clone() };
        target.addr.set_port(port.unwrap_or(if tls { 443 } else { 80 }));
        // A Host header of the manifest's belongs to the first URL alone.
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
        Some(Next::Here(target, if path.starts_with('/') { path.to_string() } else { format!("/{path}") }))
    }

    /// RFC 3986, section 5.2, for what is no URL of its own.
    fn relative(&self, reference: &str) -> String {
        let path = self.path.split('?').next().unwrap_or("/");
        let (to, query) = reference.find('?').map_or((reference, ""), |at| reference.split_at(at));
        let merged = match to {
            "" => path.to_string(),
            _ if to.starts_with('/') => to.to_string(),
            _ => format!("{}{to}", &path[..path.rfind('/').map_or(0, |at| at + 1)]),
        };
        let mut parts: Vec<&str> = Vec::new();
        let mut pieces = merged.split('/').skip(1).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            match piece {
                ".." => drop(parts.pop()),
                "." => {}
                _ => parts.push(piece),
            }
            if last && (piece == ".." || piece == ".") {
                parts.push("");
            }
        }
        format!("/{}{query}", parts.join("/"))
    }
}

enum Next {
    Here(Target, String),
    Away,
}

/// `host`, `host:port`, `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.find(':').map_or((authority, ""), |at| authority.split_at(at)),
    };
    match rest.strip_prefix(':') {
        None | Some("") if !host.is_empty() => Some((host, None)),
        Some(port) if !host.is_empty() => Some((host, Some(port.parse().ok()?))),
        _ => None,
    }
}

/// Where the empty line behind a head ends. Bare line feeds are taken, as most clients take them.
fn end_of_head(data: &[u8]) -> Option<usize> {
    let mut line = 0;
    for (i, c) in data.iter().enumerate() {
        if *c == b'\n' {
            let text = &data[line..i];
            if line > 0 && (text.is_empty() || text == b"\r") {
                return Some(i + 1);
            }
            line = i + 1;
        }
    }
    None
}

struct Response {
    status: u16,
    location: Option<String>,
}

impl Response {
    fn parse(head: &[u8]) -> Option<Response> {
        let mut lines = head.split(|c| *c == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let first = std::str::from_utf8(lines.next()?).ok()?;
        let rest = first.strip_prefix("HTTP/1.1 ").or_else(|| first.strip_prefix("HTTP/1.0 "))?;
        let code = rest.split(' ').next()?;
        let status = if code.len() == 3 { code.parse().ok()? } else { return None };
        let mut location = None;
        for line in lines.take_while(|l| !l.is_empty()) {
            let colon = line.iter().position(|c| *c == b':')?;
            if line[..colon].eq_ignore_ascii_case(b"location") && location.is_none() {
                location = Some(std::str::from_utf8(&line[colon + 1..]).ok()?.trim().to_string()).filter(|l| !l.is_empty());
            }
        }
        (status >= 100).then_some(Response { status, location })
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
