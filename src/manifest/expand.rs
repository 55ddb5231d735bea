//! `$(VAR)` in command, args and env, as the kubelet expands it.
//!
//! Source: Kubernetes' third_party/forked/golang/expansion: `$(A)` is the value of A or, where there is none, itself; `$$` is
//! `$`; any other `$` stays.

/// # Arguments
/// * `lookup` - the value of a variable that is known by now
pub fn expand<'v>(text: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, behind)) = after.strip_prefix('(').and_then(|s| s.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(value),
                None => out.push_str(&rest[at..at + 3 + name.len()]),
            }
            rest = behind;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_expand_as_in_a_cluster() {
        let lookup = |name: &str| match name {
            "A" => Some("a"),
            "EMPTY" => Some(""),
            "NESTED" => Some("$(A)"),
            "" => None,
            _ => None,
        };
        for (text, want) in [
            ("$(A)", "a"),
            ("x$(A)y$(A)", "xaya"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$a"),
            ("$$$$(A)", "$$(A)"),
            ("$(B)", "$(B)"),
            ("$(EMPTY)", ""),
            ("$(NESTED)", "$(A)"),
            ("$A", "$A"),
            ("$", "$"),
            ("a$", "a$"),
            ("$(A", "$(A"),
            ("$((A))", "$((A))"),
            ("$()", "$()"),
            ("$(ä)", "$(ä)"),
            ("ä$(A)ß", "äaß"),
            ("$(cat /x)", "$(cat /x)"),
        ] {
            assert_eq!(expand(text, lookup), want, "{text}");
        }
    }
}
