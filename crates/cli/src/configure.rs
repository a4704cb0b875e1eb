//! Collecting the configuration's sources: the file, the environment and the flags.

use std::path::PathBuf;

use clap::ArgMatches;
use parlour_server::config::{Inputs, Key, Loaded, load as load_config};

use crate::failure::Failure;

/// The file that is read if it is there.
const USUAL_FILE: &str = "parlour.toml";

/// The effective configuration. `flags` are the keys that the command has as flags: clap tells of an unknown one only
/// in builds with debug assertions.
pub(crate) fn load(matches: &ArgMatches, flags: impl IntoIterator<Item = &'static Key>) -> Result<Loaded, Failure> {
    load_config(&inputs(matches, flags)?).map_err(|error| {
        let advice = match error.0.as_slice() {
            [problem] if problem.allowed.is_some() || problem.did_you_mean.is_some() => None,
            _ => Some("parlour serve --help lists every key"),
        };
        Failure::config(error.0.iter().map(ToString::to_string).collect(), advice)
    })
}

fn inputs(matches: &ArgMatches, flags: impl IntoIterator<Item = &'static Key>) -> Result<Inputs, Failure> {
    let mut inputs = Inputs { file: file(matches)?, ..Inputs::default() };
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PARLOUR_")) else { continue };
        match value.into_string() {
            Ok(value) => inputs.env.push((name.to_owned(), value)),
            Err(_) => {
                return Err(Failure::usage(format!("{name} is not text in UTF-8"), "set it to another value"));
            }
        }
    }
    inputs.env.sort();
    for key in flags {
        if let Some(values) = matches.get_many::<String>(key.path)
            && matches.value_source(key.path) == Some(clap::parser::ValueSource::CommandLine)
        {
            let mut values: Vec<String> = values.cloned().collect();
            if !key.list && values.len() > 1 {
                values.drain(..values.len() - 1);
            }
            inputs.flags.push((key.path, values));
        }
    }
    Ok(inputs)
}

fn file(matches: &ArgMatches) -> Result<Option<(PathBuf, String)>, Failure> {
    let named = matches.get_one::<String>("config").cloned().or_else(|| std::env::var("PARLOUR_CONFIG").ok());
    let path = PathBuf::from(named.as_deref().unwrap_or(USUAL_FILE));
    match std::fs::read_to_string(&path) {
        Ok(content) => Ok(Some((path, content))),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::usage(
            format!("cannot read the configuration file {}: {error}", path.display()),
            "check the path after --config, or in PARLOUR_CONFIG",
        )),
    }
}
