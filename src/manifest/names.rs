//! The rules for names: RFC 1123 labels and subdomains, qualified names, ports' names, variables' names.
//!
//! Source: apimachinery/pkg/util/validation. Each function returns what is wanted, where the text is not that.

const LABEL_WANT: &str = "at most 63 lower case letters, digits and '-', a letter or digit at both ends";
const SUBDOMAIN_WANT: &str =
    "at most 253 lower case letters, digits, '-' and '.', with a letter or digit at both ends of each part between dots";

type Verdict = Result<(), &'static str>;

fn is_lower(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    let b = text.as_bytes();
    matches!((b.first(), b.last()), (Some(f), Some(l)) if is_lower(*f) && is_lower(*l))
        && b.iter().all(|c| is_lower(*c) || *c == b'-')
}

/// A container's, volume's or namespace's name.
pub fn label(text: &str) -> Verdict {
    if text.len() <= 63 && is_label(text) { Ok(()) } else { Err(LABEL_WANT) }
}

/// A pod's name. Parts between dots may be long, as Kubernetes has it.
pub fn subdomain(text: &str) -> Verdict {
    if text.len() <= 253 && text.split('.').all(is_label) { Ok(()) } else { Err(SUBDOMAIN_WANT) }
}

/// metadata.generateName: the start of a pod's name, so it may end in '-'.
pub fn subdomain_start(text: &str) -> Verdict {
    let with_end = format!("{text}x");
    if text.is_empty() { Err(SUBDOMAIN_WANT) } else { subdomain(&with_end) }
}

/// A port's name (IANA_SVC_NAME).
pub fn port(text: &str) -> Verdict {
    let fine = text.len() <= 15 && is_label(text) && !text.contains("--") && text.bytes().any(|c| c.is_ascii_lowercase());
    if fine { Ok(()) } else { Err("at most 15 lower case letters, digits and single '-', a letter among them") }
}

fn is_qualified_part(text: &str) -> bool {
    let b = text.as_bytes();
    text.len() <= 63
        && matches!((b.first(), b.last()), (Some(f), Some(l)) if f.is_ascii_alphanumeric() && l.is_ascii_alphanumeric())
        && b.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// The key of a label or an annotation: `name` or `domain/name`.
pub fn qualified(text: &str) -> Verdict {
    let fine = match text.split_once('/') {
        Some((domain, name)) => subdomain(domain).is_ok() && is_qualified_part(name),
        None => is_qualified_part(text),
    };
    if fine {
        Ok(())
    } else {
        Err("[DNS name/] and at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends")
    }
}

pub fn label_value(text: &str) -> Verdict {
    if text.is_empty() || is_qualified_part(text) {
        Ok(())
    } else {
        Err("nothing, or at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends")
    }
}

/// An environment variable's name: printable ASCII but for '=' (Kubernetes since 1.34).
pub fn variable(text: &str) -> Verdict {
    if !text.is_empty() && text.bytes().all(|c| (b' '..=b'~').contains(&c) && c != b'=') {
        Ok(())
    } else {
        Err("printable ASCII characters without '='")
    }
}

/// A key of a ConfigMap or Secret, which becomes a file's name (IsConfigMapKey).
pub fn data_key(text: &str) -> Verdict {
    let fine = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
        && text != "."
        && !text.starts_with("..");
    if fine { Ok(()) } else { Err("at most 253 letters, digits, '-', '_' and '.', not beginning with \"..\"") }
}

/// A file's path in a volume of podrt's making: none of its own names begins it.
pub fn volume_path(text: &str) -> Verdict {
    let fine = !text.starts_with("..") && below(text);
    if fine { Ok(()) } else { Err("a relative path without \"..\" parts, not beginning with \"..\"") }
}

/// A path in a volume, to be mounted in its place.
pub fn sub_path(text: &str) -> Verdict {
    if below(text) { Ok(()) } else { Err("a relative path without \"..\" parts") }
}

fn below(text: &str) -> bool {
    let long = text.len() > 4095 || text.split('/').any(|part| part.len() > 255 || part == "..");
    !text.is_empty() && !text.starts_with('/') && !text.contains('\0') && !long && text.split('/').any(|p| !matches!(p, "" | "."))
}

/// A sysctl in dots or slashes; `net/ipv4/conf/eth0.1/x` keeps the dot of a part.
pub fn sysctl(text: &str) -> Verdict {
    let part = |p: &str| {
        let b = p.as_bytes();
        matches!((b.first(), b.last()), (Some(f), Some(l)) if is_lower(*f) && is_lower(*l))
            && b.iter().all(|c| is_lower(*c) || matches!(c, b'-' | b'_'))
    };
    if text.len() <= 253 && text.split(['.', '/']).all(part) {
        Ok(())
    } else {
        Err("parts of lower case letters, digits, '-' and '_' with dots or slashes between them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&str) -> Verdict, good: &[&str], bad: &[&str]) {
        for text in good {
            assert!(rule(text).is_ok(), "{text:?} should be fine");
        }
        for text in bad {
            assert!(rule(text).is_err(), "{text:?} should be refused");
        }
    }

    #[test]
    fn labels_are_rfc_1123() {
        let long = "a".repeat(63);
        let longer = "a".repeat(64);
        check(label, &["a", "0", "a-b", "a1", &long], &["", "A", "a_b", "-a", "a-", "a.b", "../x", "a\n", "a\0", "ä", &longer]);
    }

    #[test]
    fn pods_are_named_by_subdomains() {
        let long = format!("{}.{}", "a".repeat(126), "b".repeat(126));
        let longer = "a".repeat(254);
        check(subdomain, &["a", "a.b", "a-b.c0", &long], &["", ".", "a..b", "a.", ".a", "A_b", "../x", "a/b", "a.-b", &longer]);
        check(subdomain_start, &["a-", "a", "a.b-"], &["", "-", "A-", "a_"]);
    }

    #[test]
    fn ports_need_a_letter() {
        check(port, &["http", "a", "8080-web"], &["", "8080", "a--b", "-a", "http-very-long-1", "HTTP"]);
    }

    #[test]
    fn keys_may_have_a_domain() {
        check(qualified, &["app", "a.b/c_D", "A"], &["", "/a", "a/", "a/b/c", "A.b/c", "a b", "-a"]);
        check(label_value, &["", "a_B.c-1"], &["-a", "a b", "a\n", &"a".repeat(64)]);
    }

    #[test]
    fn keys_of_data_are_names_of_files_that_lead_nowhere() {
        check(data_key, &["a", "A_b.c-1", ".hidden", "a..b"], &["", ".", "..", "..data", "../x", "a/b", "a b", "a\0"]);
    }

    #[test]
    fn paths_in_volumes_lead_nowhere_else() {
        check(sub_path, &["a", "a/b", "..a", "a..", ".a"], &["", "/a", "..", "a/..", "../a", "a/../b", ".", "a\0"]);
        check(volume_path, &["a", "a/b", "a..b"], &["", "/a", "..", "..data", "..a/b", "a/../b", &"a".repeat(256)]);
    }

    #[test]
    fn variables_and_sysctls() {
        check(variable, &["A", "a.b-c", "1", "A B"], &["", "A=B", "A\n", "Ä", "A\0"]);
        check(
            sysctl,
            &["net.ipv4.ip_forward", "net/ipv4/conf/eth0/x"],
            &["", "a..b", "/a", "net.ipv4/../x", "A.b", "a b", "a\n"],
        );
    }
}
