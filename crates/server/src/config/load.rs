//! Reading the configuration from its three sources, and saying clearly what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::{Config, Given, Key};

/// What the configuration is made from.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The file's path (for messages) and content, if there is a file.
    pub file: Option<(PathBuf, String)>,
    /// The environment; only variables that start with `PARLOUR_` count.
    pub env: Vec<(String, String)>,
    /// Keys given as flags, each with the values of every time that the flag was given.
    pub flags: Vec<(&'static str, Vec<String>)>,
}

/// Environment variables that are not keys: the path of the file itself, and the command's own.
const OTHER_VARIABLES: &[&str] = &["PARLOUR_CONFIG"];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The file, at this line (counted from 1).
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Env(name) => write!(f, "environment variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// The effective configuration and where each value comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where the value of a key comes from.
    pub fn origin(&self, key: &Key) -> Origin {
        self.origins.get(key.path).cloned().unwrap_or(Origin::Default)
    }

    /// The configuration as a TOML file, each value with its source as a comment.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        for key in Config::keys() {
            let (own, name) = key.path.split_once('.').unwrap_or(("", key.path));
            if own != section {
                section = own;
                text += &format!("\n[{own}]\n");
            }
            let line = format!("{name} = {}", (key.get)(&self.config));
            text += &format!("{line:<40} # {}\n", self.origin(key));
        }
        text
    }

    /// The configuration as JSON: for each key its value and its source.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |key: &Key| {
            let value = serde_json::to_value((key.get)(&self.config)).unwrap_or_default();
            (key.path.to_owned(), serde_json::json!({ "value": value, "source": self.origin(key).to_string() }))
        };
        serde_json::Value::Object(Config::keys().map(entry).collect())
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key, as its source names it.
    pub key: String,
    /// The value, if that is what is wrong; secrets masked.
    pub value: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// What is allowed.
    pub allowed: Option<String>,
    /// The key that was probably meant.
    pub did_you_mean: Option<String>,
    /// Where it was given.
    pub origin: Origin,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        match &self.value {
            Some(value) => write!(f, "{} = {value} is not possible", self.key)?,
            None => f.write_str(&self.key)?,
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, "; allowed: {allowed}")?;
        }
        if let Some(key) = &self.did_you_mean {
            write!(f, "; did you mean {key}?")?;
        }
        Ok(())
    }
}

/// The configuration cannot be used; holds every problem that was found, at least one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<Problem>);

/// The environment variable of a key: `room.max_peers` is `PARLOUR_ROOM_MAX_PEERS`.
pub fn env_name(path: &str) -> String {
    format!("PARLOUR_{}", path.replace('.', "_").to_ascii_uppercase())
}

/// The flag of a key, without the dashes: `room.max_peers` is `room-max-peers`.
pub fn flag_name(path: &str) -> String {
    path.replace(['.', '_'], "-")
}

/// Makes the effective configuration. Pure, except that secrets may be read from files (`@FILE`).
pub fn load(inputs: &Inputs) -> Result<Loaded, ConfigError> {
    let mut loading =
        Loading { loaded: Loaded { config: Config::default(), origins: BTreeMap::new() }, problems: Vec::new() };
    if let Some((path, content)) = &inputs.file {
        loading.file(path, content);
    }
    loading.env(&inputs.env);
    for (path, values) in &inputs.flags {
        if let Some(key) = Config::keys().find(|key| key.path == *path) {
            loading.set(key, Given::Texts(values), Origin::Flag(format!("--{}", flag_name(path))));
        }
    }
    loading.loaded.config.settle();
    if loading.problems.is_empty()
        && let Some((path, reason)) = loading.loaded.config.contradiction()
    {
        let origin = loading.loaded.origins.get(path).cloned().unwrap_or(Origin::Default);
        let key = path.to_owned();
        loading.problems.push(Problem {
            key,
            value: None,
            reason: reason.into(),
            allowed: None,
            did_you_mean: None,
            origin,
        });
    }
    if loading.problems.is_empty() { Ok(loading.loaded) } else { Err(ConfigError(loading.problems)) }
}

struct Loading {
    loaded: Loaded,
    problems: Vec<Problem>,
}

impl Loading {
    fn set(&mut self, key: &Key, given: Given<'_>, origin: Origin) {
        match (key.set)(&mut self.loaded.config, given) {
            Ok(()) => {
                self.loaded.origins.insert(key.path, origin);
            }
            Err(reason) => {
                let value = match given {
                    _ if key.secret => "********".into(),
                    Given::Text(text) => format!("{text:?}"),
                    Given::Texts(texts) => format!("{:?}", texts.join(",")),
                    Given::Toml(value) => value.to_string(),
                };
                let key_text = match &origin {
                    Origin::Flag(name) | Origin::Env(name) => name.clone(),
                    _ => key.path.to_owned(),
                };
                let origin = match origin {
                    // The name of the key says it already.
                    Origin::Flag(_) | Origin::Env(_) => Origin::Default,
                    other => other,
                };
                let allowed = Some((key.allowed)());
                self.problems.push(Problem {
                    key: key_text,
                    value: Some(value),
                    reason,
                    allowed,
                    did_you_mean: None,
                    origin,
                });
            }
        }
    }

    fn unknown(&mut self, key: &str, names: impl Iterator<Item = String>, origin: Origin) {
        self.problems.push(Problem {
            key: key.to_owned(),
            value: None,
            reason: "there is no such key".into(),
            allowed: None,
            did_you_mean: nearest(key, names),
            origin,
        });
    }

    fn env(&mut self, env: &[(String, String)]) {
        for (name, value) in env {
            if !name.starts_with("PARLOUR_") || OTHER_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            match Config::keys().find(|key| env_name(key.path) == *name) {
                Some(key) => self.set(key, Given::Text(value), Origin::Env(name.clone())),
                None => self.unknown(name, Config::keys().map(|key| env_name(key.path)), Origin::Default),
            }
        }
    }

    fn file(&mut self, path: &std::path::Path, content: &str) {
        let line = |offset: usize| 1 + content.bytes().take(offset).filter(|byte| *byte == b'\n').count();
        match DeTable::parse(content) {
            Ok(table) => self.table("", table.get_ref(), &|offset| Origin::File(path.to_owned(), line(offset))),
            Err(error) => {
                let offset = error.span().map_or(0, |span| span.start);
                self.problems.push(Problem {
                    key: "this is not TOML".into(),
                    value: None,
                    reason: error.message().to_owned(),
                    allowed: None,
                    did_you_mean: None,
                    origin: Origin::File(path.to_owned(), line(offset)),
                });
            }
        }
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, at: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let path = format!("{prefix}{}", name.get_ref());
            let origin = at(name.span().start);
            let section = format!("{path}.");
            if let Some(key) = Config::keys().find(|key| key.path == path) {
                match plain(value.get_ref()) {
                    Some(value) => self.set(key, Given::Toml(&value), origin),
                    None => self.problems.push(Problem {
                        key: path.clone(),
                        value: None,
                        reason: "the number is too large".into(),
                        allowed: Some((key.allowed)()),
                        did_you_mean: None,
                        origin,
                    }),
                }
            } else if Config::keys().any(|key| key.path.starts_with(&section)) {
                match value.get_ref() {
                    DeValue::Table(table) => self.table(&section, table, at),
                    _ => self.problems.push(Problem {
                        key: path.clone(),
                        value: None,
                        reason: format!("this is a section; write [{path}] and its keys below"),
                        allowed: None,
                        did_you_mean: None,
                        origin,
                    }),
                }
            } else {
                self.unknown(&path, Config::keys().map(|key| key.path.to_owned()), origin);
            }
        }
    }
}

/// A value without its place; `None` if a number does not fit.
fn plain(value: &DeValue<'_>) -> Option<toml::Value> {
    Some(match value {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => toml::Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => toml::Value::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(value) => toml::Value::Boolean(*value),
        DeValue::Datetime(value) => toml::Value::Datetime(*value),
        DeValue::Array(values) => {
            toml::Value::Array(values.iter().map(|value| plain(value.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(name, value)| Some((name.get_ref().to_string(), plain(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
    })
}

/// The name that `given` was probably meant to be: the nearest one, if it is near, or one in another section.
fn nearest(given: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    names
        .map(|name| {
            let distance = if last(&name) == last(given) { 1 } else { distance(given, &name) };
            (distance, name)
        })
        .min()
        .filter(|(distance, name)| *distance <= 2 + name.len() / 8)
        .map(|(_, name)| name)
}

/// The number of characters to insert, delete, replace or swap to make `b` of `a` (optimal string alignment).
// The loops keep every index below the length of its row.
#[allow(clippy::indexing_slicing)]
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best.min(rows[i - 2][j - 2] + 1)
                } else {
                    best
                }
            };
        }
    }
    rows[a.len()][b.len()]
}
