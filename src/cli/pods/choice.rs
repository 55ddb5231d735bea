//! Which pods a command is about, and what wakes it when they change.

use super::context::{self, Context, Wanted};
use super::fields::Fields;
use super::logs::follow::Watch;
use super::selector::Selector;
use super::{Failure, Kind, Result, json};
use crate::pod::{self, PodRecord};
use std::path::PathBuf;

/// By name, by labels, by fields, of one namespace or of all.
#[derive(Debug)]
pub struct Choice {
    pub wanted: Wanted,
    /// None: all.
    pub namespace: Option<String>,
    selector: Option<Selector>,
    fields: Option<Fields>,
}

/// What was found, and what was asked for in vain.
#[derive(Debug, Default)]
pub struct Chosen {
    pub records: Vec<PodRecord>,
    pub failures: Vec<Failure>,
}

impl Choice {
    /// `what`: as [`context::wanted`] takes it.
    pub fn new(what: &[String], namespace: Option<&str>, selector: Option<&str>, fields: Option<&str>) -> Result<Choice> {
        let wanted = context::wanted(what)?;
        let selects = selector.is_some() || fields.is_some();
        if !wanted.names.is_empty() && selects {
            return Err(Failure::usage("name cannot be provided when a selector is specified"));
        }
        if !wanted.names.is_empty() && namespace.is_none() {
            return Err(Failure::usage("a resource cannot be retrieved by name across all namespaces"));
        }
        let selector = selector.map(Selector::parse).transpose().map_err(Failure::usage)?;
        let fields = fields.map(Fields::parse).transpose().map_err(Failure::usage)?;
        Ok(Choice { wanted, namespace: namespace.map(str::to_owned), selector, fields })
    }

    /// One pod was asked for, by its name.
    pub fn single(&self) -> bool {
        self.wanted.names.len() == 1
    }

    /// Those that are there now.
    pub fn look(&self, context: &Context) -> Result<Chosen> {
        let mut chosen = Chosen::default();
        for name in &self.wanted.names {
            match pod::get(&context.roots, self.namespace.as_deref().unwrap_or("default"), name)? {
                Some(record) => chosen.records.push(record),
                None => chosen.failures.push(Failure::not_found(name)),
            }
        }
        if !self.wanted.names.is_empty() {
            return Ok(chosen);
        }
        let (found, broken) = pod::survey(&context.roots, self.namespace.as_deref())?;
        chosen.failures.extend(broken.iter().map(|(_, name, e)| {
            Failure::failed(format_args!("pod/{name}: its record cannot be read: {e} (podrt delete pod {name} --force)"))
        }));
        for record in found {
            if self.selects(context, &record)? {
                chosen.records.push(record);
            }
        }
        Ok(chosen)
    }

    fn selects(&self, context: &Context, record: &PodRecord) -> Result<bool> {
        if let Some(selector) = &self.selector
            && !selector.matches(&json::strings(&json::manifest(context, record)?, "labels"))
        {
            return Ok(false);
        }
        match &self.fields {
            Some(fields) => Ok(fields.matches(&json::pod(context, record)?)),
            None => Ok(true),
        }
    }

    /// `No resources found in default namespace.`
    pub fn nothing(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("No resources found in {namespace} namespace."),
            None => "No resources found".into(),
        }
    }
}

/// Wakes its caller when pods come, change or go.
pub struct Changes {
    folders: Vec<PathBuf>,
    watch: Watch,
}

impl Changes {
    pub fn new() -> Changes {
        Changes { folders: Vec::new(), watch: Watch::new([]) }
    }

    /// Waits for a change since `records` were read; now and then it wakes for nothing. Errors: nobody reads stdout any more.
    pub fn wait(&mut self, context: &Context, records: &[PodRecord]) -> Result {
        let folders = folders(context, records);
        if folders != self.folders {
            self.watch = Watch::new(folders.iter().cloned());
            self.folders = folders;
            // What changed before it was watched is seen by another look.
            return Ok(());
        }
        if self.watch.wait(&[])?.closed {
            return Err(Failure::silent(Kind::ClosedPipe));
        }
        Ok(())
    }
}

/// Whatever changes when a pod comes, changes or goes.
pub fn folders(context: &Context, records: &[PodRecord]) -> Vec<PathBuf> {
    let state = &context.roots.state;
    let names = std::fs::read_dir(state.join("names")).into_iter().flatten().flatten().map(|e| e.path());
    let mut folders: Vec<PathBuf> = [state.join("names"), state.join("sandboxes")].into_iter().chain(names).collect();
    folders.extend(records.iter().map(|r| state.join("sandboxes").join(&r.id)));
    folders.sort();
    folders
}
