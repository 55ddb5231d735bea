//! Repeated measurements, contenders in turn, and what is made of them.

use podrt::sys::{event, process};
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Longer than anything measured takes; what hangs is killed, for it may hold the machine in a real-time class.
const PATIENCE_MS: u64 = 30_000;
const WARM_UP: usize = 2;

/// Sorted.
#[derive(Debug, Clone)]
pub struct Series(Vec<f64>);

impl Series {
    pub fn new(mut values: Vec<f64>) -> Series {
        values.sort_by(f64::total_cmp);
        Series(values)
    }

    pub fn one(value: f64) -> Series {
        Series(vec![value])
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn quantile(&self, q: f64) -> f64 {
        let at = (self.0.len().saturating_sub(1)) as f64 * q;
        let (low, high) = (self.0[at.floor() as usize], self.0[at.ceil() as usize]);
        low + (high - low) * at.fract()
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

#[derive(Debug)]
pub struct Row {
    pub name: String,
    /// Or why there is none.
    pub series: Result<Series, String>,
}

/// `subject`'s quantile `at` (its median, mostly) at most `factor` times `base`'s, or at most `factor` where there is no base.
#[derive(Debug)]
pub struct Goal {
    pub at: f64,
    pub subject: &'static str,
    pub base: Option<&'static str>,
    pub factor: f64,
}

#[derive(Debug)]
pub struct Measure {
    pub key: String,
    pub title: String,
    pub unit: &'static str,
    /// The ratios' base: the first row unless said.
    pub rows: Vec<Row>,
    pub goals: Vec<Goal>,
}

impl Measure {
    pub fn new(key: impl Into<String>, title: impl Into<String>, unit: &'static str) -> Measure {
        Measure { key: key.into(), title: title.into(), unit, rows: Vec::new(), goals: Vec::new() }
    }

    pub fn row(&mut self, name: impl Into<String>, series: Result<Series, String>) {
        self.rows.push(Row { name: name.into(), series });
    }

    pub fn goal(self, subject: &'static str, base: Option<&'static str>, factor: f64) -> Measure {
        self.goal_at(0.5, subject, base, factor)
    }

    pub fn goal_at(mut self, at: f64, subject: &'static str, base: Option<&'static str>, factor: f64) -> Measure {
        self.goals.push(Goal { at, subject, base, factor });
        self
    }

    pub fn median(&self, name: &str) -> Option<f64> {
        self.quantile(name, 0.5)
    }

    fn quantile(&self, name: &str, at: f64) -> Option<f64> {
        self.rows.iter().find(|r| r.name == name)?.series.as_ref().ok().map(|s| s.quantile(at))
    }

    /// What `goal` came to; None where one side was skipped.
    pub fn ratio(&self, goal: &Goal) -> Option<f64> {
        let base = goal.base.map_or(Some(1.0), |b| self.quantile(b, goal.at))?;
        Some(self.quantile(goal.subject, goal.at)? / base)
    }
}

type Act<'a> = Box<dyn FnMut() -> Result<Vec<f64>, String> + 'a>;

/// One side of a comparison: each round gives one value for each of its names.
pub struct Contender<'a> {
    pub names: Vec<String>,
    pub rounds: usize,
    act: Act<'a>,
}

impl<'a> Contender<'a> {
    pub fn new(names: &[&str], rounds: usize, act: impl FnMut() -> Result<Vec<f64>, String> + 'a) -> Contender<'a> {
        Contender { names: names.iter().map(|n| n.to_string()).collect(), rounds, act: Box::new(act) }
    }

    /// A command's milliseconds, from before its start to after its end.
    pub fn command<S: Into<OsString>>(name: &str, rounds: usize, argv: impl IntoIterator<Item = S>) -> Contender<'a> {
        let argv: Vec<OsString> = argv.into_iter().map(Into::into).collect();
        Contender::new(&[name], rounds, move || Ok(vec![timed(&argv)?]))
    }
}

/// All contenders in turn, round after round, so that whatever disturbs the machine disturbs them alike.
pub fn compete(measure: &mut Measure, contenders: Vec<Contender>) {
    let mut field: Vec<_> = contenders.into_iter().map(|c| (c, Vec::<Vec<f64>>::new(), None::<String>)).collect();
    let most = field.iter().map(|(c, ..)| c.rounds).max().unwrap_or(0);
    for round in 0..most + WARM_UP {
        for (contender, values, failed) in &mut field {
            if failed.is_some() || values.len() >= contender.rounds {
                continue;
            }
            match (contender.act)() {
                Ok(got) if round >= WARM_UP => values.push(got),
                Ok(_) => {}
                Err(why) => *failed = Some(why),
            }
        }
    }
    for (contender, values, failed) in field {
        for (i, name) in contender.names.iter().enumerate() {
            let series = match &failed {
                Some(why) => Err(why.clone()),
                None => Ok(Series::new(values.iter().map(|v| v[i]).collect())),
            };
            measure.row(name.clone(), series);
        }
    }
}

/// Runs `argv` to its end; milliseconds.
pub fn timed(argv: &[OsString]) -> Result<f64, String> {
    let begun = Instant::now();
    let mut child = Command::new(&argv[0])
        .args(&argv[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{}: {e}", argv[0].display()))?;
    let pidfd = process::pidfd_open(child.id() as i32).map_err(|e| e.to_string())?;
    let ended = event::poll_in(pidfd.as_fd(), Some(PATIENCE_MS)).map_err(|e| e.to_string())?;
    if !ended {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if status.success() {
        return Ok(took);
    }
    let mut said = vec![0; 4096];
    let n = child.stderr.and_then(|mut e| std::io::Read::read(&mut e, &mut said).ok()).unwrap_or(0);
    let said = String::from_utf8_lossy(&said[..n]);
    let last = said.lines().rfind(|l| !l.trim().is_empty()).unwrap_or("said nothing").to_string();
    Err(if ended { format!("{status}: {last}") } else { format!("hung for {} s: {last}", PATIENCE_MS / 1000) })
}
