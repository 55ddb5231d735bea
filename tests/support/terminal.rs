//! A person's end of a terminal: a command that runs on a pseudo-terminal, what is typed, what is shown.

use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

nix::ioctl_write_ptr_bad!(set_size, nix::libc::TIOCSWINSZ, Winsize);

pub struct Session {
    master: File,
    slave: File,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Session {
    /// Starts `words` in a session of its own, on a terminal of `rows` and `columns`.
    pub fn start(words: &[String], rows: u16, columns: u16) -> Session {
        let pty = openpty(&size(rows, columns), None).expect("a pseudo-terminal");
        let (master, slave) = (File::from(pty.master), File::from(pty.slave));
        let dup = || slave.try_clone().expect("dup");
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .args(words)
            .stdin(dup())
            .stdout(dup())
            .stderr(dup())
            .spawn()
            .expect("setsid (util-linux)");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (master.try_clone().expect("dup"), shown.clone());
        std::thread::spawn(move || {
            let mut buffer = [0u8; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                to.lock().expect("lock").extend_from_slice(&buffer[..n]);
            }
        });
        Session { master, slave, child, shown }
    }

    /// The command's.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("lock")).replace('\r', "")
    }

    #[track_caller]
    pub fn expect(&self, what: &str) {
        let end = Instant::now() + limit();
        while !self.text().contains(what) {
            assert!(Instant::now() < end, "not shown: {what:?}; shown: {:?}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("type");
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        // SAFETY: the descriptor is open for as long as self is, and the size outlives the call.
        unsafe { set_size(self.master.as_raw_fd(), &size(rows, columns)) }.expect("TIOCSWINSZ");
    }

    /// As `stty -a` shows them.
    pub fn modes(&self) -> String {
        let out = Command::new("stty").arg("-a").stdin(self.slave.try_clone().expect("dup")).output().expect("stty");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let end = Instant::now() + limit();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            if Instant::now() > end {
                super::leaks::kill_tree(self.child.id() as i32);
                panic!("the command on the terminal does not end; shown: {:?}", self.text());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn limit() -> Duration {
    Duration::from_secs(if super::world::in_vm() { 120 } else { 10 })
}
