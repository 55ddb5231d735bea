//! The shape of the source and of the programs: imports go strictly down, `unsafe` stays in `sys` (and in the pause), every other
//! module forbids it, and what is built is static, not relocated, and needs no interpreter.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors of src/lib.rs. A module that is not here fails the test: it needs a floor first.
const FLOORS: &[(&str, u8)] = &[
    ("sys", 0),
    ("store", 1),
    ("cgroup", 1),
    ("rootfs", 1),
    ("identity", 1),
    ("seccomp", 1),
    ("console", 1),
    ("namespace", 1),
    ("net", 1),
    ("container", 2),
    ("pod", 3),
    ("manifest", 4),
    ("image", 4),
    ("cli", 5),
    ("cri", 5),
];

/// Modules of one floor that may use each other, and why.
const BESIDE: &[(&str, &str)] = &[
    // A cgroup's device program is loaded once per process and found in the store of loaded ones: none yet.
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn rust_files(dir: &Path, to: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        match path.is_dir() {
            true => rust_files(&path, to),
            false if path.extension().is_some_and(|e| e == "rs") => to.push(path),
            false => {}
        }
    }
}

fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    rust_files(&source(), &mut files);
    files
}

/// `src/container/mod.rs` and `src/container.rs` are both of module `container`; main.rs, lib.rs and bin/ are of none.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix(source()).unwrap().components().next()?.as_os_str().to_str()?.to_owned();
    let name = first.strip_suffix(".rs").unwrap_or(&first);
    (!matches!(name, "lib" | "main" | "bin")).then(|| name.to_owned())
}

/// The pause and the keeper are programs of their own, built apart from the library, with no std to keep them from raw calls.
fn is_pause(path: &Path) -> bool {
    let path = path.strip_prefix(source()).unwrap();
    path.starts_with("pod") && path.components().nth(1).is_some_and(|c| c.as_os_str().to_str().unwrap().starts_with("pause"))
}

/// The text without comments and literals (their length is kept as blanks), so that neither is taken for code.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |out: &mut String, s: &str| out.extend(s.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    while at < bytes.len() {
        let rest = &text[at..];
        let word_before = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if !word_before && raw_string(rest).is_some() {
            raw_string(rest).unwrap()
        } else if rest.starts_with('"') {
            quoted(rest, b'"')
        } else if rest.starts_with('\'') && is_char(rest) {
            quoted(rest, b'\'')
        } else {
            0
        };
        if skip > 0 {
            blank(&mut out, &rest[..skip]);
            at += skip;
        } else {
            let c = rest.chars().next().unwrap();
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

fn block_comment(s: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < s.len() {
        if s[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if s[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += s[at..].chars().next().unwrap().len_utf8();
        }
    }
    s.len()
}

/// Length of `r"..."`, `r#"..."#`, `br"..."`, `cr"..."` at the start of `s`.
fn raw_string(s: &str) -> Option<usize> {
    let body = s.strip_prefix("br").or(s.strip_prefix("cr")).or(s.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    let text = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(s.len() - text.len() + text.find(&end)? + end.len())
}

fn quoted(s: &str, quote: u8) -> usize {
    let bytes = s.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    s.len()
}

/// `'x'` or `'\n'`, not the lifetime `'a`.
fn is_char(s: &str) -> bool {
    let mut chars = s.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

/// Modules that `code` names by an absolute path: `crate::a::...`, `crate::{a::..., b}`; inside the crate's programs `podrt::`.
fn named(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = code[at + "crate::".len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

fn head(path: &str) -> Option<String> {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

/// The first segments of `a::{b, c}, d}`: those at depth 0 after the opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut fresh) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && (c.is_alphanumeric() || c == '_') => {
                heads.extend(head(&group[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    heads
}

fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let wordy = |c: char| c.is_alphanumeric() || c == '_';
        !code[..at].ends_with(wordy) && !code[at + word.len()..].starts_with(wordy)
    })
}

#[test]
fn imports_go_strictly_down() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for path in all_files() {
        let Some(own) = module(&path) else { continue };
        if is_pause(&path) {
            continue;
        }
        let Some(&floor) = floors.get(own.as_str()) else {
            wrong.push(format!("{}: module {own} has no floor", path.display()));
            continue;
        };
        for other in named(&code(&fs::read_to_string(&path).unwrap())) {
            let allowed = other == own
                || floors.get(other.as_str()).is_some_and(|&f| f < floor)
                || BESIDE.contains(&(own.as_str(), other.as_str()))
                // An item of the crate's root, such as a constant or a macro.
                || !floors.contains_key(other.as_str());
            if !allowed {
                wrong.push(format!("{}: {own} (floor {floor}) uses {other} (floor {})", path.display(), floors[other.as_str()]));
            }
        }
    }
    assert!(wrong.is_empty(), "upward or sideways imports:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_code_stays_in_sys_and_the_pause() {
    let wrong: Vec<_> = all_files()
        .into_iter()
        .filter(|p| module(p).as_deref() != Some("sys") && !is_pause(p))
        .filter(|p| {
            let code = code(&fs::read_to_string(p).unwrap());
            // The attribute `forbid(unsafe_code)` is another word.
            has_word(&code, "unsafe")
        })
        .collect();
    assert!(wrong.is_empty(), "unsafe outside src/sys: {wrong:?}");
}

/// A module's root carries the attribute for its whole tree; programs carry it too.
#[test]
fn every_module_root_but_sys_forbids_unsafe_code() {
    let mut missing = Vec::new();
    for path in all_files() {
        let inner = path.strip_prefix(source()).unwrap();
        let depth = inner.components().count();
        let root = match inner.to_str().unwrap() {
            "lib.rs" => false,
            "main.rs" => true,
            p if p.starts_with("bin/") => true,
            p => (depth == 2 && p.ends_with("/mod.rs")) || depth == 1,
        };
        if root
            && module(&path).as_deref() != Some("sys")
            && !code(&fs::read_to_string(&path).unwrap()).contains("#![forbid(unsafe_code)]")
        {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "no #![forbid(unsafe_code)] in {missing:?}");
}

#[test]
fn the_parser_of_this_test_sees_through_comments_strings_and_groups() {
    let text = "use crate::{sys::{self, raw}, pod, container::X}; // crate::cli\nlet s = \"crate::cri unsafe\"; let c = '\"'; crate::store::get();";
    let found: Vec<_> = named(&code(text)).into_iter().collect();
    assert_eq!(found, ["container", "pod", "store", "sys"]);
    assert!(!has_word(&code(text), "unsafe"));
    assert!(has_word("x = unsafe { y }", "unsafe") && !has_word("#![forbid(unsafe_code)]", "unsafe"));
    assert_eq!(code("r#\"a \" b\"# x").trim(), "x");
    assert_eq!(code("fn f<'a>(x: &'a str) { '\\'' }").matches('\'').count(), 2);
}

/// The program headers' types and the file's type, by the ELF specification.
fn elf(path: &str) -> (u16, Vec<u32>) {
    let data = fs::read(path).unwrap();
    assert_eq!(&data[..5], b"\x7fELF\x02", "{path} is a 64-bit ELF");
    let u16_at = |at: usize| u16::from_le_bytes(data[at..at + 2].try_into().unwrap());
    let u32_at = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap());
    let table = u64::from_le_bytes(data[32..40].try_into().unwrap()) as usize;
    let (size, count) = (u16_at(54) as usize, u16_at(56) as usize);
    (u16_at(16), (0..count).map(|i| u32_at(table + i * size)).collect())
}

#[test]
fn the_programs_are_static_and_not_relocated() {
    const ET_EXEC: u16 = 2;
    const PT_DYNAMIC: u32 = 2;
    const PT_INTERP: u32 = 3;
    #[cfg(feature = "pod")]
    let programs = [env!("CARGO_BIN_EXE_podrt"), env!("CARGO_BIN_EXE_podrt-oci")];
    #[cfg(not(feature = "pod"))]
    let programs = [env!("CARGO_BIN_EXE_podrt-oci")];
    for path in programs {
        let (kind, headers) = elf(path);
        assert_eq!(kind, ET_EXEC, "{path}: relocation-model=static");
        assert!(!headers.contains(&PT_INTERP), "{path}: names an interpreter");
        assert!(!headers.contains(&PT_DYNAMIC), "{path}: is linked dynamically");
    }
}
