//! Command lines read with no more made than is asked for. Arguments of all verbs together are some hundred kilobytes to build and to
//! drop again: a third of what a short command does on its own.

use clap::{ArgMatches, Args, Command, CommandFactory, Error, FromArgMatches, Id};
use std::ffi::OsString;

/// A verb's arguments, described to clap only once the verb is the one that was asked for.
#[derive(Debug)]
pub struct Lazy<T>(pub T);

impl<T: Args> Args for Lazy<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(T::augment_args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }

    fn group_id() -> Option<Id> {
        T::group_id()
    }
}

impl<T: FromArgMatches> FromArgMatches for Lazy<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Lazy)
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches_mut(matches).map(Lazy)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// As `Parser::try_parse_from`, with nothing taken apart afterwards: the process ends soon, and all at once.
pub fn parse<T: CommandFactory + FromArgMatches>(argv: impl IntoIterator<Item = OsString>) -> Result<T, Error> {
    let mut command = std::mem::ManuallyDrop::new(T::command());
    let matches = command.try_get_matches_from_mut(argv)?;
    let mut matches = std::mem::ManuallyDrop::new(matches);
    T::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut command))
}
