//! Several logs as one, in the order of their lines' times. Each is read by a thread of its own, which is never far ahead of what is
//! printed: logs may be larger than memory.

use super::follow::{Line, Source};
use crate::cli::pods::Result;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Lines that a reader is ahead, at most twice: bytes in one batch.
const BATCH: usize = 256 << 10;

struct Stamped {
    stamp: Vec<u8>,
    bytes: Vec<u8>,
}

/// Prints all of `sources`. Lines without a time follow the line before them; of one time, the source that comes first is first.
pub fn print(sources: Vec<Source>, out: &mut dyn Write) -> Result {
    thread::scope(|scope| {
        let mut readers = Vec::new();
        for source in sources {
            let (to, from) = sync_channel(1);
            let reader = scope.spawn(move || read(source, &to));
            readers.push((Head { from, batch: Vec::new().into_iter(), next: None }, reader));
        }
        for (head, _) in &mut readers {
            head.advance();
        }
        // A few containers: looking at each is as good as a heap.
        while let Some(at) = (0..readers.len())
            .filter(|i| readers[*i].0.next.is_some())
            .min_by(|a, b| stamp(&readers[*a].0).cmp(stamp(&readers[*b].0)))
        {
            let head = &mut readers[at].0;
            if let Some(line) = head.next.take() {
                out.write_all(&line.bytes)?;
            }
            head.advance();
        }
        for (_, reader) in readers {
            reader.join().unwrap_or_else(|_| Err(io::Error::other("a reader died")))?;
        }
        Ok(())
    })
}

fn stamp(head: &Head) -> &[u8] {
    head.next.as_ref().map_or(b"", |line| &line.stamp)
}

/// The next line of one source.
struct Head {
    from: Receiver<Vec<Stamped>>,
    batch: std::vec::IntoIter<Stamped>,
    next: Option<Stamped>,
}

impl Head {
    fn advance(&mut self) {
        loop {
            self.next = self.batch.next();
            if self.next.is_some() {
                return;
            }
            match self.from.recv() {
                Ok(batch) => self.batch = batch.into_iter(),
                // It is read to its end.
                Err(_) => return,
            }
        }
    }
}

fn read(mut source: Source, to: &SyncSender<Vec<Stamped>>) -> io::Result<()> {
    let (mut batch, mut size, mut last) = (Vec::new(), 0, Vec::new());
    let mut take = |line: Line| {
        if !line.stamp.is_empty() {
            last = line.stamp.to_vec();
        }
        size += line.bytes.len();
        batch.push(Stamped { stamp: last.clone(), bytes: line.bytes.to_vec() });
        if size >= BATCH {
            size = 0;
            // Nobody prints any more: the reader's end is the printer's.
            to.send(std::mem::take(&mut batch)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        Ok::<(), io::Error>(())
    };
    source.pump(false, &mut take)?;
    source.finish(&mut take)?;
    let _ = to.send(batch);
    Ok(())
}
