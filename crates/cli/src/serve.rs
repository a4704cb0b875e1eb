//! `parlour serve`: start, tell where it is, and stop cleanly.

use std::io::{IsTerminal as _, Write as _};
use std::net::{IpAddr, SocketAddr};

use clap::ArgMatches;
use parlour_server::config::{Config, Listen, Switch};
use parlour_server::tls::mdns_name;
use parlour_server::{Ready, run as serve};

use crate::banner::{Banner, Screen};
use crate::failure::Failure;
use crate::{configure, logging};

pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let config = configure::load(matches, Config::keys())?.config;
    logging::start(&config.log);
    let json = matches.get_flag("json");
    let qr = !matches.get_flag("no-qr");
    let settings = config.clone();
    let result = serve(config, |ready| {
        let text = if json { format!("{}\n", event(ready, &settings)) } else { banner(ready, &settings, qr) };
        // The server goes on even if nobody reads.
        let _ = std::io::stdout().write_all(text.as_bytes());
        let _ = std::io::stdout().flush();
    });
    if json && result.is_ok() {
        let _ = writeln!(std::io::stdout(), r#"{{"event":"stopped"}}"#);
    }
    result.map_err(Failure::from)
}

/// The first line of `--json`.
fn event(ready: &Ready, config: &Config) -> serde_json::Value {
    let url = |scheme: &str, addr: Option<SocketAddr>| addr.map(|addr| format!("{scheme}://{}", reachable(addr)));
    serde_json::json!({
        "event": "ready",
        "http": url("http", ready.http),
        "https": url("https", ready.https),
        "compat": url("http", ready.compat),
        "turn": ready.turn.map(|addr| reachable(addr).to_string()),
        "lan": ready.lan_urls,
        "fingerprint": ready.fingerprint,
        "ca_fingerprint": ready.ca_fingerprint,
        "data": config.data,
    })
}

/// An address to connect to from this machine: loopback where all addresses are listened on.
fn reachable(addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() { SocketAddr::new(IpAddr::from([127, 0, 0, 1]), addr.port()) } else { addr }
}

fn banner(ready: &Ready, config: &Config, qr: bool) -> String {
    let notes = notes(ready, config);
    let mdns_url = mdns_url(ready);
    let banner = Banner {
        name: &config.name,
        local_url: &ready.local_url,
        lan_urls: &ready.lan_urls,
        mdns_url: mdns_url.as_deref(),
        fingerprint: ready.fingerprint.as_deref(),
        ca_fingerprint: ready.ca_fingerprint.as_deref(),
        notes: &notes,
    };
    banner.render(screen(qr))
}

/// The address by the name in multicast DNS, if other devices can reach this server at all.
fn mdns_url(ready: &Ready) -> Option<String> {
    let https = ready.https.filter(|addr| addr.ip().is_unspecified())?;
    Some(format!("https://{}:{}", mdns_name()?, https.port()))
}

fn screen(qr: bool) -> Screen {
    let stdout = std::io::stdout();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let width = if stdout.is_terminal() {
        Some(terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)))
    } else {
        None
    };
    Screen { width, colour: !set("NO_COLOR") && !dumb, qr: qr && !dumb }
}

/// What turned out otherwise than one might expect.
fn notes(ready: &Ready, config: &Config) -> Vec<String> {
    let moved = |name: &str, flag: &str, wanted: &Switch<Listen>, got: Option<SocketAddr>| {
        let (wanted, got) = (wanted.on()?.addr.port(), got?.port());
        (wanted != 0 && wanted != got)
            .then(|| format!("port {wanted} is in use, so {name} is on port {got}; choose one with --{flag}"))
    };
    let mut notes: Vec<String> = [
        moved("HTTPS", "listen", &config.listen, ready.https),
        moved("HTTP", "http", &config.http, ready.http),
        moved("TURN", "turn", &config.turn, ready.turn),
    ]
    .into_iter()
    .flatten()
    .collect();
    if ready.https.is_none() && config.http.on().is_some_and(|http| !http.addr.ip().is_loopback()) {
        notes.push(
            "HTTPS is off: browsers give cameras and microphones to this computer only, unless a proxy adds HTTPS"
                .into(),
        );
    }
    notes
}
