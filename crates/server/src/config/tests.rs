use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// For each key a value that is not its default, as text and as TOML.
///
/// The test below fails for a key that is missing here.
const SAMPLES: &[(&str, &str, &str)] = &[
    ("listen", "127.0.0.1:9443", "'127.0.0.1:9443'"),
    ("http", "off", "'off'"),
    ("turn", ":3479", "3479"),
    ("data", "/var/lib/parlour", "'/var/lib/parlour'"),
    ("domain", "meet.example.org", "'meet.example.org'"),
    ("cert", "cert.pem", "'cert.pem'"),
    ("key", "key.pem", "'key.pem'"),
    ("acme_directory", "https://ca.example/dir", "'https://ca.example/dir'"),
    ("acme_staging", "true", "true"),
    ("acme_contact", "ann@example.org", "'ann@example.org'"),
    ("acme_root", "root.pem", "'root.pem'"),
    ("web_dir", "web/dist", "'web/dist'"),
    ("name", "Town hall", "'Town hall'"),
    ("origins", "https://a.example,https://b.example", "['https://a.example', 'https://b.example']"),
    ("trust_proxy", "10.0.0.0/8,::1", "['10.0.0.0/8', '::1']"),
    (
        "ice_servers",
        "stun:a.example:3478, turn:b.example ann secret",
        "['stun:a.example:3478', {urls = ['turn:b.example'], username = 'ann', credential = 'secret'}]",
    ),
    ("drain", "1m30s", "'1m30s'"),
    ("auth.mode", "token", "'token'"),
    ("auth.password", "sesame", "'sesame'"),
    (
        "auth.jwt",
        "a:HS256:0123456789abcdef0123456789abcdef",
        "[{kid = 'a', alg = 'HS256', key = '0123456789abcdef0123456789abcdef'}]",
    ),
    ("auth.admin_token", "letmein", "'letmein'"),
    ("room.auto_create", "false", "false"),
    ("room.max_peers", "20", "20"),
    ("room.p2p_max", "4", "4"),
    ("room.empty_timeout", "10m", "'10m'"),
    ("room.resume_window", "10s", "'10s'"),
    ("room.waiting_room", "true", "true"),
    ("room.chat_history", "off", "'off'"),
    ("room.password", "sesame", "'sesame'"),
    ("limits.conns_per_ip", "7", "7"),
    ("limits.joins_per_min_per_ip", "7", "7"),
    ("limits.message_kib", "7", "7"),
    ("limits.messages_per_s", "7", "7"),
    ("limits.burst", "7", "7"),
    ("limits.max_rooms", "7", "7"),
    ("limits.max_peers_total", "7", "7"),
    ("compat.port", "5000", "':5000'"),
    ("compat.socketio", "false", "false"),
    ("compat.peerjs", "false", "false"),
    ("compat.relay_any", "true", "true"),
    ("compat.peerjs_key", "ours", "'ours'"),
    ("compat.peerjs_discovery", "true", "true"),
    ("relay.address", "192.0.2.1,2001:db8::1", "['192.0.2.1', '2001:db8::1']"),
    ("relay.external_address", "198.51.100.1", "['198.51.100.1']"),
    ("relay.port_range", "50000-50999", "'50000-50999'"),
    ("relay.host", "turn.example.org", "'turn.example.org'"),
    ("relay.realm", "example", "'example'"),
    ("relay.secret", "0123456789abcdef", "'0123456789abcdef'"),
    ("relay.credential_ttl", "1h", "'1h'"),
    ("relay.allow_peer", "10.0.0.0/8,fd00::/8", "['10.0.0.0/8', 'fd00::/8']"),
    ("relay.deny_peer", "192.0.2.7", "['192.0.2.7']"),
    ("relay.tcp", "true", "true"),
    ("relay.mobility", "true", "true"),
    ("relay.max_allocations", "7", "7"),
    ("relay.allocations_per_user", "7", "7"),
    ("relay.allocations_per_address", "7", "7"),
    ("relay.kbps_per_allocation", "7000", "7000"),
    ("relay.kbps_per_user", "7000", "7000"),
    ("relay.kbps_total", "7000", "7000"),
    ("metrics.access", "public", "'public'"),
    ("log.level", "debug", "'debug'"),
    ("log.json", "true", "true"),
];

fn file(content: &str) -> Inputs {
    Inputs { file: Some((PathBuf::from("parlour.toml"), content.to_owned())), ..Inputs::default() }
}

fn env(name: &str, value: &str) -> Inputs {
    Inputs { env: vec![(name.to_owned(), value.to_owned())], ..Inputs::default() }
}

fn flag(path: &'static str, values: &[&str]) -> Inputs {
    Inputs { flags: vec![(path, values.iter().map(|value| (*value).to_owned()).collect())], ..Inputs::default() }
}

/// Loads one key alone. Keys that need others to make sense are checked before the contradiction rules.
fn one(inputs: &Inputs, path: &str) -> (toml::Value, Source) {
    let mut inputs = Inputs { file: inputs.file.clone(), env: inputs.env.clone(), flags: inputs.flags.clone() };
    match path {
        "cert" => inputs.env.push(("PARLOUR_KEY".into(), "key.pem".into())),
        "key" => inputs.env.push(("PARLOUR_CERT".into(), "cert.pem".into())),
        _ => {}
    }
    let loaded = load(&inputs).unwrap_or_else(|error| panic!("{path}: {error}"));
    let key = Config::keys().find(|key| key.path == path).unwrap();
    ((key.get)(&loaded.config), loaded.origin(key))
}

fn problem(inputs: &Inputs) -> String {
    load(inputs).unwrap_err().to_string()
}

#[test]
fn every_key_is_read_from_file_environment_and_flag() {
    let default = Config::default();
    for key in Config::keys() {
        let (_, text, toml) =
            SAMPLES.iter().find(|(path, ..)| *path == key.path).unwrap_or_else(|| panic!("no sample for {}", key.path));
        let content = match key.path.split_once('.') {
            Some((section, name)) => format!("[{section}]\n{name} = {toml}"),
            None => format!("{} = {toml}", key.path),
        };
        let (from_file, source) = one(&file(&content), key.path);
        assert!(matches!(source, Source::File(..)), "{}", key.path);
        let (from_env, source) = one(&env(&env_name(key.path), text), key.path);
        assert_eq!(source, Source::Env(env_name(key.path)));
        let (from_flag, source) = one(&flag(key.path, &[text]), key.path);
        assert_eq!(source, Source::Flag(format!("--{}", flag_name(key.path))));
        assert_eq!(from_file, from_env, "{}", key.path);
        assert_eq!(from_file, from_flag, "{}", key.path);
        assert_ne!(from_file, (key.get)(&default), "the sample of {} is its default", key.path);
    }
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let mut inputs = file("[room]\nmax_peers = 10\np2p_max = 3\nwaiting_room = true\n");
    inputs.env = vec![("PARLOUR_ROOM_MAX_PEERS".into(), "11".into()), ("PARLOUR_ROOM_P2P_MAX".into(), "4".into())];
    inputs.flags = vec![("room.max_peers", vec!["12".into()])];
    let config = load(&inputs).unwrap().config;
    assert_eq!((config.room.max_peers, config.room.p2p_max, config.room.waiting_room), (12, 4, true));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_likely_name() {
    assert_eq!(
        problem(&file("# rooms\n[room]\nmax_pers = 20\n")),
        "parlour.toml:3: room.max_pers: there is no such key; did you mean room.max_peers?"
    );
    assert_eq!(
        problem(&file("max_peers = 20\n")),
        "parlour.toml:1: max_peers: there is no such key; did you mean room.max_peers?"
    );
    assert_eq!(problem(&file("colour = 'blue'\n")), "parlour.toml:1: colour: there is no such key");
    assert_eq!(
        problem(&env("PARLOUR_LISTN", "8443")),
        "PARLOUR_LISTN: there is no such key; did you mean PARLOUR_LISTEN?"
    );
}

#[test]
fn a_bad_value_is_refused_with_what_is_allowed() {
    assert_eq!(
        problem(&file("\n[room]\np2p_max = 99\n")),
        "parlour.toml:3: room.p2p_max = 99 is not possible; allowed: a whole number from 2 to 32"
    );
    assert_eq!(
        problem(&env("PARLOUR_AUTH_MODE", "closed")),
        "PARLOUR_AUTH_MODE = \"closed\" is not possible; allowed: open, password or token"
    );
    assert!(
        problem(&flag("drain", &["90"]))
            .starts_with("--drain = \"90\" is not possible: the unit is missing; did you mean \"90s\"?; allowed:")
    );
    assert_eq!(
        problem(&file("room = 4\n")),
        "parlour.toml:1: room: this is a section; write [room] and its keys below"
    );
    assert!(problem(&file("listen = \n")).starts_with("parlour.toml:1: this is not TOML: "));
    assert!(problem(&file("[limits]\nburst = 99999999999999999999\n")).contains("the number is too large"));
}

#[test]
fn all_problems_are_told_at_once() {
    let mut inputs = file("a = 1\n[room]\nb = 2\n");
    inputs.env = vec![("PARLOUR_C".into(), "3".into())];
    assert_eq!(load(&inputs).unwrap_err().0.len(), 3);
}

#[test]
fn secrets_are_never_shown() {
    let mut inputs = file(
        "[auth]\npassword = 'sesame'\n[[auth.jwt]]\nkid='a'\nalg='HS256'\nkey='sesame-sesame-sesame-sesame-sesame'\n",
    );
    inputs.env.push(("PARLOUR_ICE_SERVERS".into(), "turn:a.example ann sesame".into()));
    let loaded = load(&inputs).unwrap();
    let shown = format!("{} {} {:?}", loaded.to_toml(), loaded.to_json(), loaded.config);
    assert!(!shown.contains("sesame"), "{shown}");
    let short_key = env("PARLOUR_AUTH_JWT", "a:HS256:sesame");
    assert!(!problem(&short_key).contains("sesame"));
    assert!(problem(&short_key).contains("at least 32 characters"));
}

#[test]
fn a_secret_can_be_read_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    std::fs::write(&path, "sesame\n").unwrap();
    let config = load(&env("PARLOUR_AUTH_PASSWORD", &format!("@{}", path.display()))).unwrap().config;
    assert_eq!(config.auth.password.unwrap().expose(), "sesame");
    let config = load(&env("PARLOUR_AUTH_PASSWORD", "@@home")).unwrap().config;
    assert_eq!(config.auth.password.unwrap().expose(), "@home");
    assert!(problem(&env("PARLOUR_AUTH_PASSWORD", "@/nonexistent")).contains("cannot read /nonexistent"));
}

#[test]
fn the_printed_configuration_can_be_read_again() {
    let mut inputs = Inputs::default();
    for (path, text, _) in SAMPLES {
        // cert and domain exclude each other; secrets are masked.
        if !["cert", "key", "auth.jwt", "ice_servers", "acme_directory", "relay.secret"].contains(path) {
            inputs.flags.push((path, vec![(*text).to_owned()]));
        }
    }
    let printed = load(&inputs).unwrap();
    let again = load(&file(&printed.to_toml())).unwrap();
    assert_eq!(again.to_toml().lines().count(), printed.to_toml().lines().count());
    for key in Config::keys() {
        assert_eq!((key.get)(&again.config), (key.get)(&printed.config), "{}", key.path);
    }
    assert!(load(&file(&load(&Inputs::default()).unwrap().to_toml())).is_ok());
}

#[test]
fn contradictions_are_refused() {
    assert!(problem(&env("PARLOUR_CERT", "a.pem")).contains("cert and key belong together"));
    assert!(problem(&env("PARLOUR_AUTH_MODE", "password")).contains("must be set"));
    assert!(problem(&file("listen='off'\nhttp='off'")).contains("nothing would be served"));
    assert!(
        problem(&file("acme_staging=true\nacme_directory='https://ca.example/'")).contains("give only one"),
        "staging is Let's Encrypt's"
    );
    assert!(problem(&file("domain='a.example'\ncert='a'\nkey='b'")).contains("only one of them"));
}

#[test]
fn a_domain_moves_the_default_ports() {
    let config = load(&env("PARLOUR_DOMAIN", "meet.example.org")).unwrap().config;
    assert_eq!(config.listen.on().unwrap().addr.port(), 443);
    assert_eq!(config.http.on().unwrap().addr.port(), 80);
    let config = load(&file("domain='meet.example.org'\nlisten=8443")).unwrap().config;
    assert_eq!(config.listen.on().unwrap().addr.port(), 8443);
}

#[test]
fn addresses_are_read_in_every_usual_form() {
    let addr = |text: &str| Listen::from_text(text).map(|listen| listen.addr.to_string());
    assert_eq!(addr("[::]:8443").unwrap(), "[::]:8443");
    assert_eq!(addr(":8443").unwrap(), "[::]:8443");
    assert_eq!(addr("8443").unwrap(), "[::]:8443");
    assert_eq!(addr("*:8443").unwrap(), "[::]:8443");
    assert_eq!(addr("localhost:0").unwrap(), "127.0.0.1:0");
    assert_eq!(addr("192.0.2.2:8443").unwrap(), "192.0.2.2:8443");
    assert_eq!(addr("192.0.2.2").unwrap_err(), "the port is missing");
    assert_eq!(addr("70000").unwrap_err(), "a port is a number from 0 to 65535");
    assert!(addr("example.org:80").unwrap_err().contains("not a name"));
    assert!(addr("").is_err() && addr("x").is_err() && addr("::x").is_err());
}

#[test]
fn a_domain_is_a_name_and_nothing_else() {
    let domain = |text: &str| Domain::from_text(text).map(|domain| String::from(&*domain));
    assert_eq!(domain("Meet.Example.org.").unwrap(), "meet.example.org");
    assert!(domain("192.0.2.2").unwrap_err().contains("an address"));
    assert!(domain("https://meet.example.org").unwrap_err().contains("without https://"));
    assert!(domain("bücher.example").unwrap_err().contains("xn--"));
    for bad in ["localhost", "a..b", "../../etc", "-a.example", "a b.example", "*.example.org"] {
        assert!(domain(bad).is_err(), "{bad}");
    }
    assert!(HttpsUrl::from_text("http://ca.example/").is_err());
}

#[test]
fn durations_are_read_and_written() {
    for (text, seconds) in [("5m", 300), ("1h30m", 5400), ("7d", 604_800), ("0s", 0), ("30s", 30)] {
        let duration = Duration::from_text(text).unwrap();
        assert_eq!(duration, Duration::from_secs(seconds));
        assert_eq!(duration_text(duration), text);
    }
    for bad in ["", "5", "m", "5 fortnights", "-5s", "99999999999999999999s", "18446744073709551615d"] {
        assert!(Duration::from_text(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_range_of_addresses_contains_its_own() {
    let cidr = |text| Cidr::from_text(text).unwrap();
    assert!(cidr("10.0.0.0/8").contains("10.255.0.1".parse().unwrap()));
    assert!(cidr("10.0.0.0/8").contains("::ffff:10.0.0.1".parse().unwrap()));
    assert!(!cidr("10.0.0.0/8").contains("11.0.0.1".parse().unwrap()));
    assert!(cidr("0.0.0.0/0").contains("11.0.0.1".parse().unwrap()));
    assert!(cidr("fd00::/8").contains("fd12::1".parse().unwrap()));
    assert!(!cidr("::1").contains("::2".parse().unwrap()));
    assert!(Cidr::from_text("10.0.0.0/33").is_err());
}

/// The table of all keys in the documentation.
fn reference() -> String {
    let mut text = String::new();
    let mut section = "none";
    for key in Config::keys() {
        let (own, name) = key.path.split_once('.').unwrap_or(("", key.path));
        if own != section {
            section = own;
            let title = if own.is_empty() { "Without a section".to_owned() } else { format!("`[{own}]`") };
            text += &format!("\n### {title}\n\n| key | default | allowed | what it is for |\n|---|---|---|---|\n");
        }
        let default = match (key.get)(&Config::default()) {
            toml::Value::String(text) if text.is_empty() => "none".to_owned(),
            toml::Value::Array(values) if values.is_empty() => "none".to_owned(),
            value => format!("`{value}`"),
        };
        let allowed = (key.allowed)().replace('|', "\\|");
        text += &format!("| `{name}` | {default} | {allowed} | {} |\n", key.help());
    }
    text
}

#[test]
fn the_documentation_lists_every_key_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("writes it again -->\n").unwrap();
    let (table, after) = rest.split_once("\n<!-- end of keys -->").unwrap();
    if std::env::var_os("BLESS").is_some() {
        let new = format!("{before}writes it again -->\n{}\n<!-- end of keys -->{after}", reference());
        std::fs::write(path, new).unwrap();
    } else {
        assert_eq!(table, reference(), "run again with BLESS=1");
    }
}
