use super::*;

const AT: &str = "2026-01-02T03:04:05.000000006Z";

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("podrt-tail-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn append(&self, name: &str, records: &[&str]) {
        use std::io::Write;
        let mut file = File::options().append(true).create(true).open(self.0.join(name)).unwrap();
        for r in records {
            writeln!(file, "{AT} stdout {r}").unwrap();
        }
    }

    fn rotate(&self, suffix: &str) {
        std::fs::rename(self.0.join("0.log"), self.0.join(format!("0.log.{suffix}"))).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(tail: &mut Tail) -> String {
    let mut text = String::new();
    tail.read::<io::Error>(|r| {
        text.push_str(std::str::from_utf8(r.text).unwrap());
        text.push(if r.ends { ' ' } else { '+' });
        Ok(())
    })
    .unwrap();
    text
}

#[test]
fn a_log_is_followed_across_one_rotation_several_and_one_that_comes_before_the_last_write_was_read() {
    let f = Folder::new("rotation");
    let mut tail = Tail::open(&f.0, 0, None).unwrap();
    assert_eq!(read(&mut tail), "", "not there yet");
    f.append("0.log", &["F a"]);
    assert_eq!(read(&mut tail), "a ");
    f.append("0.log", &["F b"]);
    f.rotate("20260102-000001");
    assert_eq!(read(&mut tail), "b ", "renamed, and no new one yet");
    f.append("0.log", &["F c"]);
    assert_eq!(read(&mut tail), "c ");
    f.append("0.log", &["F d"]);
    f.rotate("20260102-000002");
    f.append("0.log", &["F e"]);
    f.rotate("20260102-000003");
    f.append("0.log", &["F f"]);
    assert_eq!(read(&mut tail), "d e f ");
    assert_eq!(read(&mut tail), "");
    f.rotate("20260102-000004");
    f.append("0.log", &["F g"]);
    std::fs::remove_file(f.0.join("0.log.20260102-000004")).unwrap();
    assert_eq!(read(&mut tail), "g ", "the old one is deleted");
}

#[test]
fn a_reader_that_comes_late_reads_the_rotated_files_first() {
    let f = Folder::new("late");
    for (name, record) in [("0.log.20260102-000001", "F a"), ("0.log.20260102-000002", "P b"), ("0.log", "F c"), ("1.log", "F x")]
    {
        f.append(name, &[record]);
    }
    assert_eq!(read(&mut Tail::open(&f.0, 0, None).unwrap()), "a b+c ");
    assert_eq!(read(&mut Tail::open(&f.0, 1, None).unwrap()), "x ");
    assert_eq!(attempts(&f.0), [0, 1]);
}

#[test]
fn a_record_that_is_written_in_two_steps_is_read_when_it_is_whole() {
    use std::io::Write;
    let f = Folder::new("half");
    let mut file = File::create(f.0.join("0.log")).unwrap();
    let mut tail = Tail::open(&f.0, 0, None).unwrap();
    write!(file, "{AT} stdout F ab").unwrap();
    assert_eq!(read(&mut tail), "");
    writeln!(file, "cd").unwrap();
    assert_eq!(read(&mut tail), "abcd ");
}

#[test]
fn the_last_n_lines_are_whole_lines_also_across_files_and_reads() {
    let f = Folder::new("last");
    f.append("0.log.20260102-000001", &["F a", "F b"]);
    f.append("0.log", &["P c", "F d", "F e"]);
    for (n, want) in [(0, ""), (1, "e "), (2, "c+d e "), (3, "b c+d e "), (4, "a b c+d e "), (9, "a b c+d e ")] {
        assert_eq!(read(&mut Tail::open(&f.0, 0, Some(n)).unwrap()), want, "{n}");
    }
    f.append("0.log", &["P g"]);
    assert_eq!(read(&mut Tail::open(&f.0, 0, Some(2)).unwrap()), "e g+", "a line without end counts");
    let long = "x".repeat(16 << 10);
    let many: Vec<String> = (0..50).map(|i| format!("F {i}{long}")).collect();
    f.append("2.log", &many.iter().map(String::as_str).collect::<Vec<_>>());
    for n in 1..=50 {
        let mut starts = Vec::new();
        let mut tail = Tail::open(&f.0, 2, Some(n)).unwrap();
        tail.read::<io::Error>(|r| {
            let _: () = starts.push(String::from_utf8_lossy(r.text).trim_end_matches('x').parse::<u64>().unwrap());
            Ok(())
        })
        .unwrap();
        assert_eq!(starts, (50 - n..50).collect::<Vec<_>>());
    }
}
