//! `parlour turn`: the relay alone, and what an administrator asks of a running one.

use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use parlour_server::config::{Listen, LogLevel, Secret, Value as _};
use parlour_server::turn::{self, AdminError, Allocation, NamedUser, PortRange, Ready, RelayOptions, Standalone};
use parlour_turn::Cidr;
use parlour_turn::server::{NatDiscovery, Quotas};

use crate::failure::Failure;
use crate::{logging, print};

/// The command line of `parlour turn`.
pub(crate) fn command() -> Command {
    let admin = || {
        value("admin", "PATH", "The relay's socket; a server has it in its data directory, as turn.sock")
            .value_parser(value_parser!(PathBuf))
    };
    Command::new("turn")
        .about("Run a STUN and TURN server alone, or administer one")
        .long_about(
            "Run a STUN and TURN server (RFC 8489, RFC 8656) alone: for calls of other servers, or on a machine of its own.\n\n\
             Nobody gets in without a user name and password, or a time-limited credential made with a shared secret. Private and \
             special addresses cannot be reached through it unless --allow-peer names them.",
        )
        .args_conflicts_with_subcommands(true)
        .args(listening().into_iter().chain(rules()).chain(quotas()))
        .arg(admin())
        .arg(value("metrics", "ADDR", "Serve Prometheus' metrics at http://ADDR/metrics").value_parser(ValueParser::new(listen)))
        .arg(value("log-level", "LEVEL", "error, warn, info, debug or trace").default_value("info"))
        .arg(flag("json", "Print one JSON object per event for programs, the first when ready"))
        .subcommand(
            Command::new("ls").about("List the allocations of a running relay").arg(admin()).arg(flag("json", "Print JSON")),
        )
        .subcommand(
            Command::new("kick")
                .about("End an allocation")
                .arg(Arg::new("id").value_name("ID").required(true).help("Its name in the list of parlour turn ls"))
                .arg(admin()),
        )
        .subcommand(
            Command::new("drain").about("Take no new allocations; those that exist go on").arg(admin()),
        )
        .after_help(
            "Examples:\n  \
             parlour turn --user ann:secret\n  \
             parlour turn --auth-secret @secret.txt --external-address 198.51.100.7\n  \
             parlour turn --user ann:secret --tls-listen :5349 --cert chain.pem --key key.pem\n  \
             parlour turn --listen 127.0.0.1:3478 --relay-address 127.0.0.1 --allow-peer 127.0.0.0/8 --user test:test\n  \
             parlour turn ls\n  parlour turn ls --admin parlour-data/turn.sock",
        )
}

fn value(name: &'static str, metavar: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(metavar).help(help)
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn listening() -> Vec<Arg> {
    let addr = |arg: Arg| arg.action(ArgAction::Append).value_parser(ValueParser::new(listen));
    let file = |arg: Arg| arg.value_parser(value_parser!(PathBuf));
    vec![
        addr(value("listen", "ADDR", "Listen here by UDP and TCP; may be repeated [default: :3478]")),
        addr(value("tls-listen", "ADDR", "Listen here by TLS; may be repeated")),
        file(value("cert", "FILE", "Certificate chain in PEM for TLS; read again when it changes")),
        file(value("key", "FILE", "Private key in PEM for TLS")),
        value("threads", "N", "Threads [default: one a core]").value_parser(value_parser!(u32).range(1..=1024)),
    ]
}

fn rules() -> Vec<Arg> {
    let ip = |arg: Arg| arg.action(ArgAction::Append).value_parser(value_parser!(IpAddr));
    let cidr = |arg: Arg| arg.action(ArgAction::Append).value_parser(ValueParser::new(cidr));
    vec![
        ip(value("relay-address", "IP", "Address of this computer that relays use, one for IPv4 and one for IPv6 [default: found out]")),
        ip(value("external-address", "IP", "That address as peers see it, behind a router that translates one to one")),
        value("port-range", "FIRST-LAST", "Ports of relays").default_value("49152-65535").value_parser(value_parser!(PortRange)),
        value("realm", "NAME", "Realm of the credentials").default_value("parlour"),
        value("user", "NAME:PASSWORD", "A user; may be repeated; @FILE reads it from a file [env: PARLOUR_TURN_USER]")
            .action(ArgAction::Append),
        value("auth-secret", "SECRET", "Secret of time-limited credentials; may be repeated while it changes; @FILE reads it from a file [env: PARLOUR_TURN_AUTH_SECRET]")
            .action(ArgAction::Append),
        cidr(value("allow-peer", "CIDR", "Peers that may be reached although they are private or special; may be repeated")),
        cidr(value("deny-peer", "CIDR", "Peers that may never be reached; may be repeated")),
        flag("allow-tcp-relay", "Relay TCP connections too (RFC 6062)"),
        flag("mobility", "Let allocations follow their clients to other addresses (RFC 8016)"),
        flag("legacy-channels", "Take channel numbers up to 0x7FFF too, for clients of RFC 5766"),
        flag("strict-expiry", "End allocations when their time-limited credentials end"),
        value("alternate-server", "ADDR", "Send clients there while this relay drains").value_parser(value_parser!(SocketAddr)),
        value("nat-discovery", "ADDR", "Second IP address and port for NAT behaviour discovery (RFC 5780); --listen must name the first one")
            .value_parser(value_parser!(SocketAddr)),
    ]
}

fn quotas() -> Vec<Arg> {
    let number = |name, help| value(name, "N", help).value_parser(value_parser!(u32).range(1..));
    let kbps = |name, help| value(name, "KBPS", help).value_parser(value_parser!(u32).range(1..));
    vec![
        number("max-allocations", "Allocations at a time, of the whole realm [default: 100000]"),
        number("max-allocations-per-user", "Allocations of one user [default: 12]"),
        number("max-allocations-per-address", "Allocations of one client address [default: 256]"),
        kbps("max-kbps-per-allocation", "Kilobits per second of one allocation, each way"),
        kbps("max-kbps-per-user", "Kilobits per second of one user, both ways"),
        kbps("max-kbps", "Kilobits per second of all together, both ways"),
    ]
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    Listen::from_text(text)
        .map(|listen| listen.addr)
        .map_err(|why| if why.is_empty() { format!("write {}", Listen::ALLOWED) } else { why })
}

fn cidr(text: &str) -> Result<Cidr, String> {
    text.parse().map_err(|error: parlour_turn::CidrError| error.to_string())
}

/// Runs what the command line says.
pub(crate) fn run(matches: &ArgMatches) -> Result<(), Failure> {
    match matches.subcommand() {
        Some(("ls", matches)) => {
            let allocations = turn::list(&socket(matches)).map_err(unreachable)?;
            print(&if matches.get_flag("json") { json(&allocations) } else { table(&allocations) })
        }
        Some(("kick", matches)) => {
            let id = matches.get_one::<String>("id").map_or("", String::as_str);
            match turn::kick(&socket(matches), id).map_err(unreachable)? {
                true => Ok(()),
                false => Err(Failure::other(
                    format!("there is no allocation {id}"),
                    "parlour turn ls shows those that there are",
                )),
            }
        }
        Some(("drain", matches)) => turn::drain(&socket(matches)).map_err(unreachable),
        _ => serve(matches),
    }
}

fn unreachable(error: AdminError) -> Failure {
    Failure::other(error.to_string(), "name its socket with --admin, and ask as the same user")
}

/// The socket that was named, or the usual one.
fn socket(matches: &ArgMatches) -> PathBuf {
    matches.get_one::<PathBuf>("admin").cloned().unwrap_or_else(|| {
        let place = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        place.join("parlour-turn.sock")
    })
}

fn json(allocations: &[Allocation]) -> String {
    format!("{}\n", serde_json::to_string(allocations).unwrap_or_default())
}

fn table(allocations: &[Allocation]) -> String {
    if allocations.is_empty() {
        return "no allocations\n".to_owned();
    }
    let head = ["ID", "USER", "CLIENT", "BY", "RELAYED", "EXPIRES", "TO PEERS", "TO CLIENT"].map(str::to_owned);
    let rows = allocations.iter().map(|one| {
        [
            one.id.clone(),
            // Clients choose part of their names: nothing in them may move the cursor.
            one.user.escape_debug().to_string(),
            one.client.clone(),
            one.transport.clone(),
            one.relayed.join(","),
            format!("{} s", one.expires_s),
            format!("{} B", one.bytes_to_peers),
            format!("{} B", one.bytes_to_client),
        ]
    });
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..8).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            format!("{}\n", cells.join("  ").trim_end())
        })
        .collect()
}

fn serve(matches: &ArgMatches) -> Result<(), Failure> {
    let settings = settings(matches)?;
    let level = matches.get_one::<String>("log-level").map_or("info", String::as_str);
    let level = LogLevel::from_text(level)
        .map_err(|_| Failure::usage(format!("{level} is no log level"), "error, warn, info, debug or trace"))?;
    logging::start(&parlour_server::config::Log { level, json: false });
    let json = matches.get_flag("json");
    turn::run(settings, |ready| {
        let text = if json { format!("{}\n", event(ready)) } else { banner(ready) };
        // The relay goes on even if nobody reads.
        let _ = std::io::stdout().write_all(text.as_bytes());
        let _ = std::io::stdout().flush();
    })?;
    if json { print("{\"event\":\"stopped\"}\n") } else { Ok(()) }
}

fn settings(matches: &ArgMatches) -> Result<Standalone, Failure> {
    let all = |name: &str| matches.get_many::<SocketAddr>(name).into_iter().flatten().copied().collect::<Vec<_>>();
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let certificate = match (path("cert"), path("key")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => return Err(Failure::usage("--cert and --key belong together".to_owned(), "give both or none")),
    };
    let mut listen = all("listen");
    if listen.is_empty() {
        listen.push(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 3478));
    }
    let nat_discovery = nat_discovery(matches, &mut listen)?;
    let users = secrets(matches, "user", "PARLOUR_TURN_USER")?
        .iter()
        .map(|text| {
            text.parse::<NamedUser>().map_err(|why| Failure::usage(format!("--user: {why}"), "--user ann:secret"))
        })
        .collect::<Result<_, _>>()?;
    let admin = match path("admin") {
        Some(path) => Some(path),
        // The usual place may be taken by another relay, which is no reason not to start.
        None => Some(socket(matches)).filter(|path| turn::list(path).is_err()),
    };
    Ok(Standalone {
        listen,
        tls_listen: all("tls-listen"),
        certificate,
        options: RelayOptions { users, nat_discovery, ..options(matches) },
        secrets: secrets(matches, "auth-secret", "PARLOUR_TURN_AUTH_SECRET")?,
        metrics: matches.get_one::<SocketAddr>("metrics").copied(),
        admin,
    })
}

fn options(matches: &ArgMatches) -> RelayOptions {
    let number = |name: &str| matches.get_one::<u32>(name).copied();
    let rate = |name: &str| number(name).map(|kbps| u64::from(kbps) * 1000 / 8);
    let ips = |name: &str| matches.get_many::<IpAddr>(name).into_iter().flatten().copied().collect();
    let cidrs = |name: &str| matches.get_many::<Cidr>(name).into_iter().flatten().copied().collect();
    let usual = RelayOptions::default();
    RelayOptions {
        relay_addresses: ips("relay-address"),
        external_addresses: ips("external-address"),
        ports: matches.get_one::<PortRange>("port-range").cloned().unwrap_or(usual.ports),
        realm: matches.get_one::<String>("realm").cloned().unwrap_or(usual.realm),
        allow_peer: cidrs("allow-peer"),
        deny_peer: cidrs("deny-peer"),
        tcp_relay: matches.get_flag("allow-tcp-relay"),
        mobility: matches.get_flag("mobility"),
        legacy_channels: matches.get_flag("legacy-channels"),
        strict_expiry: matches.get_flag("strict-expiry"),
        alternate_server: matches.get_one::<SocketAddr>("alternate-server").copied(),
        threads: number("threads").unwrap_or(0) as usize,
        quotas: Quotas {
            allocations: number("max-allocations").map_or(usual.quotas.allocations, |n| n as usize),
            allocations_per_user: number("max-allocations-per-user").unwrap_or(usual.quotas.allocations_per_user),
            allocations_per_address: number("max-allocations-per-address")
                .unwrap_or(usual.quotas.allocations_per_address),
            allocation_rate: rate("max-kbps-per-allocation"),
            user_rate: rate("max-kbps-per-user"),
            total_rate: rate("max-kbps"),
            ..usual.quotas
        },
        ..usual
    }
}

/// For RFC 5780 the relay listens on both addresses with both ports.
fn nat_discovery(matches: &ArgMatches, listen: &mut Vec<SocketAddr>) -> Result<Option<NatDiscovery>, Failure> {
    let Some(&alternate) = matches.get_one::<SocketAddr>("nat-discovery") else { return Ok(None) };
    let primary =
        listen.iter().find(|addr| addr.is_ipv4() == alternate.is_ipv4() && !addr.ip().is_unspecified()).copied();
    let Some(primary) = primary.filter(|primary| primary.ip() != alternate.ip() && primary.port() != alternate.port())
    else {
        return Err(Failure::usage(
            "--nat-discovery needs a --listen with another address of the same family and another port".to_owned(),
            "--listen 192.0.2.1:3478 --nat-discovery 192.0.2.2:3479",
        ));
    };
    for addr in
        [alternate, SocketAddr::new(primary.ip(), alternate.port()), SocketAddr::new(alternate.ip(), primary.port())]
    {
        if !listen.contains(&addr) {
            listen.push(addr);
        }
    }
    Ok(Some(NatDiscovery { primary, alternate }))
}

/// Secrets from the command line, each perhaps from a file, or from the environment.
fn secrets(matches: &ArgMatches, name: &str, variable: &str) -> Result<Vec<String>, Failure> {
    let mut given: Vec<String> = matches.get_many::<String>(name).into_iter().flatten().cloned().collect();
    if given.is_empty() {
        given.extend(std::env::var(variable));
    }
    given
        .iter()
        .map(|text| {
            Secret::from_text(text)
                .map(|secret| secret.expose().to_owned())
                .map_err(|why| Failure::usage(format!("--{name}: {why}"), "give it in the command line, or as @FILE"))
        })
        .collect()
}

/// The first line of `--json`.
fn event(ready: &Ready) -> serde_json::Value {
    let all = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    serde_json::json!({
        "event": "ready",
        "udp": all(&ready.udp),
        "tcp": all(&ready.tcp),
        "tls": all(&ready.tls),
        "metrics": ready.metrics.map(|addr| format!("http://{addr}/metrics")),
        "admin": ready.admin,
        "realm": ready.realm,
    })
}

fn banner(ready: &Ready) -> String {
    let mut text = format!("parlour turn {} is ready\n", env!("CARGO_PKG_VERSION"));
    for (how, addresses) in [("udp", &ready.udp), ("tcp", &ready.tcp), ("tls", &ready.tls)] {
        for addr in addresses {
            text += &format!("{how}: {addr}\n");
        }
    }
    text += &format!("realm: {}\n", ready.realm);
    if let Some(addr) = ready.metrics {
        text += &format!("metrics: http://{addr}/metrics\n");
    }
    if let Some(path) = &ready.admin {
        text += &format!("admin: {}\n", path.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Standalone, Failure> {
        settings(&command().try_get_matches_from([&["turn", "--admin", "/nowhere"], line].concat()).unwrap())
    }

    #[test]
    fn every_option_reaches_the_relay() {
        let one = parse(&[
            "--listen",
            "192.0.2.1:3478",
            "--tls-listen",
            ":5349",
            "--cert",
            "c",
            "--key",
            "k",
            "--relay-address",
            "10.0.0.1",
            "--external-address",
            "198.51.100.1",
            "--port-range",
            "50000-50999",
            "--realm",
            "r",
            "--user",
            "ann:a:b",
            "--auth-secret",
            "0123456789abcdef",
            "--allow-peer",
            "10.0.0.0/8",
            "--deny-peer",
            "10.1.0.0/16",
            "--allow-tcp-relay",
            "--mobility",
            "--max-kbps",
            "800",
            "--max-allocations-per-user",
            "3",
            "--metrics",
            "127.0.0.1:9",
            "--threads",
            "3",
        ])
        .unwrap();
        assert_eq!(one.listen, ["192.0.2.1:3478".parse().unwrap()]);
        assert_eq!(one.tls_listen, ["[::]:5349".parse().unwrap()]);
        assert!(one.certificate.is_some() && one.metrics.is_some());
        assert_eq!(one.secrets, ["0123456789abcdef"]);
        let options = &one.options;
        assert_eq!(options.users[0].password, "a:b");
        assert_eq!(options.ports.to_string(), "50000-50999");
        assert!(options.tcp_relay && options.mobility && !options.strict_expiry);
        assert_eq!(
            (options.quotas.total_rate, options.quotas.allocations_per_user, options.threads),
            (Some(100_000), 3, 3)
        );
        assert_eq!((options.allow_peer.len(), options.deny_peer.len()), (1, 1));
    }

    #[test]
    fn nat_discovery_listens_on_all_four_pairs() {
        let one = parse(&["--listen", "192.0.2.1:3478", "--nat-discovery", "192.0.2.2:3479"]).unwrap();
        assert_eq!(one.listen.len(), 4);
        assert!(parse(&["--nat-discovery", "192.0.2.2:3479"]).is_err(), "no first address");
        assert!(
            parse(&["--listen", "192.0.2.2:3478", "--nat-discovery", "192.0.2.2:3479"]).is_err(),
            "the same address"
        );
    }

    #[test]
    fn mistakes_are_refused() {
        assert!(parse(&["--cert", "c"]).is_err());
        assert!(parse(&["--user", "ann"]).is_err());
        for bad in [&["--port-range", "1-2"][..], &["--allow-peer", "10.0.0.1/8"], &["--max-kbps", "0"]] {
            assert!(command().try_get_matches_from([&["turn"], bad].concat()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_list_is_a_table_that_no_name_can_break() {
        let one = Allocation {
            id: "0-1".into(),
            user: "ann\u{1b}[2J\r\n".into(),
            client: "192.0.2.1:1".into(),
            transport: "udp".into(),
            relayed: vec!["198.51.100.1:50000".into()],
            expires_s: 600,
            permissions: 1,
            channels: 1,
            bytes_to_peers: 5,
            bytes_to_client: 6,
        };
        let text = table(&[one]);
        assert_eq!(text.lines().count(), 2);
        assert!(!text.contains('\u{1b}') && text.contains("198.51.100.1:50000"));
    }
}
