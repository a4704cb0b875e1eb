//! `parlour token`: a token for one person and one room.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ArgMatches;
use parlour_server::config::{AuthMode, Config, Value as _};
use parlour_server::token_keys;
use parlour_signaling::message::Role;
use parlour_signaling::token::{Claims, mint};

use crate::failure::Failure;
use crate::{configure, print};

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let data = Config::keys().filter(|key| key.path == "data");
    let config = configure::load(matches, data)?.config;
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let ttl = lifetime(&text("ttl").unwrap_or_default())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = Claims {
        sub: text("sub"),
        name: text("name"),
        room: text("room").unwrap_or_default(),
        role: Some(role(&text("role").unwrap_or_default())),
        exp: (now + ttl).as_secs(),
        ..Claims::default()
    };
    let key = token_keys::signing(&config, text("key").as_deref())?;
    let token = mint(&key, &claims)
        .map_err(|error| Failure::usage(format!("this token cannot be made: {error}"), "parlour token --help"))?;
    if config.auth.mode != AuthMode::Token {
        let mode = config.auth.mode.as_str();
        eprintln!("note: auth.mode is {mode} here; a server asks for tokens with --auth-mode token");
    }
    if matches.get_flag("json") {
        print(&format!("{}\n", serde_json::json!({ "token": token, "claims": claims })))
    } else {
        print(&format!("{token}\n"))
    }
}

fn lifetime(text: &str) -> Result<Duration, Failure> {
    match Duration::from_text(text) {
        Ok(ttl) if ttl >= Duration::from_secs(1) => Ok(ttl),
        _ => Err(Failure::usage(format!("--ttl {text} is not possible; allowed: {}", Duration::ALLOWED), "--ttl 1h")),
    }
}

fn role(word: &str) -> Role {
    match word {
        "host" => Role::Host,
        "speaker" => Role::Speaker,
        "viewer" => Role::Viewer,
        _ => Role::Guest,
    }
}
