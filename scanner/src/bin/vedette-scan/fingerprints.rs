//! Fingerprints that the operator brings, in recog's format.

use std::{env, path::PathBuf};

use clap::{Arg, ArgMatches, Command, value_parser};
use vedette_scanner::recog::{Examples, LoadError, Recog};

/// Adds `--fingerprints`.
pub(crate) fn flag(command: Command) -> Command {
    command.arg(
        Arg::new(NAME)
            .long(NAME)
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .help("Recognise more, by the fingerprints in a folder of recog's XML files (default: the folder recog of VEDETTE_DATA, where that is set)"),
    )
}

/// Loads them: from the folder that was named, or from where external data lie; none, where neither is.
///
/// # Errors
/// When they cannot be loaded. A scan without the fingerprints that were asked for would tell less than it
/// seems to.
pub(crate) fn load(matches: &ArgMatches) -> Result<Recog, LoadError> {
    let external = || {
        let folder = PathBuf::from(env::var_os("VEDETTE_DATA")?).join("recog");
        folder.is_dir().then_some(folder)
    };
    match matches.get_one::<PathBuf>(NAME).cloned().or_else(external) {
        Some(folder) => Recog::load(&folder, Examples::Drop),
        None => Ok(Recog::default()),
    }
}

const NAME: &str = "fingerprints";
