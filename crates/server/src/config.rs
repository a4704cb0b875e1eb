//! The configuration: one table of keys, from which the TOML file, the flags, the environment variables, the help and
//! the documentation all come.
//!
//! A key is added by one entry in the table below. Precedence: flag, then environment, then file, then default.

mod load;
#[cfg(test)]
mod tests;
mod value;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use load::{ConfigError, Inputs, Loaded, Origin as Source, Problem, env_name, flag_name, load};
pub use value::{
    AuthMode, Cidr, Domain, HttpsUrl, IceServer, JwtAlgorithm, JwtKey, Listen, LogLevel, MetricsAccess, Origin, Secret,
    Switch, Value, duration_text,
};

use crate::turn::PortRange;

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// One configuration key: its names, its help, and how to set and read it.
pub struct Key {
    /// The name in the file, with its section: `room.max_peers`.
    pub path: &'static str,
    /// The placeholder for the value in the help of the flag.
    pub metavar: &'static str,
    /// Whether several values may be given.
    pub list: bool,
    /// Whether it is true or false, so that the bare flag means true.
    pub switch: bool,
    /// Whether the value must not be shown.
    pub secret: bool,
    /// What values are allowed.
    pub allowed: fn() -> String,
    /// The value in a configuration, as TOML; secrets masked.
    pub get: fn(&Config) -> toml::Value,
    set: fn(&mut Config, Given<'_>) -> Result<(), String>,
    doc: &'static str,
}

impl Key {
    /// What it is for.
    pub fn help(&self) -> &'static str {
        self.doc.trim()
    }
}

/// A value as its source gives it.
#[derive(Clone, Copy)]
enum Given<'a> {
    /// From the environment.
    Text(&'a str),
    /// From flags: each time that the flag was given.
    Texts(&'a [String]),
    /// From a file.
    Toml(&'a toml::Value),
}

fn read<T: Value>(given: Given<'_>) -> Result<T, String> {
    match given {
        Given::Text(text) => T::from_text(text),
        Given::Texts([text]) => T::from_text(text),
        Given::Texts(texts) => T::from_text(&texts.join(",")),
        Given::Toml(value) => T::from_toml(value),
    }
}

fn in_range<T: Value + PartialOrd>(value: T, lowest: T, highest: T) -> Result<T, String> {
    if value < lowest || value > highest { Err(String::new()) } else { Ok(value) }
}

macro_rules! keys {
    (
        root { $($root:tt)* }
        $($(#[doc = $section_doc:literal])+ $section:ident: $Section:ident { $($body:tt)* })*
    ) => {
        keys!(@root [$($(#[doc = $section_doc])+ $section: $Section;)*] $($root)*);
        $(keys!(@section [$(#[doc = $section_doc])+ $section: $Section] $($body)*);)*

        /// Every key, in the order of the documentation.
        pub static KEYS: &[&[Key]] = &[ROOT_KEYS $(, $Section::KEYS)*];
    };
    (@root [$($(#[doc = $section_doc:literal])+ $section:ident: $Section:ident;)*]
        $($(#[doc = $doc:literal])+ $field:ident: $ty:ty = $default:expr
          $(=> $low:literal..=$high:literal)? $(, $secret:ident)?;)*) => {
        /// The server's whole configuration; `Config::default()` serves everybody on the network.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Config {
            $($(#[doc = $doc])+ pub $field: $ty,)*
            $($(#[doc = $section_doc])+ pub $section: $Section,)*
        }

        impl Default for Config {
            fn default() -> Self {
                Config { $($field: $default,)* $($section: $Section::default(),)* }
            }
        }

        static ROOT_KEYS: &[Key] = &[$(keys!(@key [stringify!($field)] [config => config.$field]
            $ty, [$($doc)+] [$($low, $high)?] [$($secret)?])),*];
    };
    (@section [$(#[doc = $section_doc:literal])+ $section:ident: $Section:ident]
        $($(#[doc = $doc:literal])+ $field:ident: $ty:ty = $default:expr
          $(=> $low:literal..=$high:literal)? $(, $secret:ident)?;)*) => {
        $(#[doc = $section_doc])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $Section { $($(#[doc = $doc])+ pub $field: $ty,)* }

        impl Default for $Section {
            fn default() -> Self {
                $Section { $($field: $default,)* }
            }
        }

        impl $Section {
            const KEYS: &'static [Key] =
                &[$(keys!(@key [concat!(stringify!($section), ".", stringify!($field))]
                    [config => config.$section.$field] $ty, [$($doc)+] [$($low, $high)?] [$($secret)?])),*];
        }
    };
    (@key [$path:expr] [$config:ident => $place:expr] $ty:ty,
        [$($doc:literal)+] [$($low:literal, $high:literal)?] [$($secret:ident)?]) => {
        Key {
            path: $path,
            doc: concat!($($doc),+),
            metavar: <$ty as Value>::METAVAR,
            list: <$ty as Value>::LIST,
            switch: matches!(<$ty as Value>::METAVAR.as_bytes(), b"BOOL"),
            secret: keys!(@secret $($secret)?),
            allowed: || {
                let allowed = <$ty as Value>::ALLOWED.to_owned();
                $(let allowed = format!("{allowed} from {} to {}", $low, $high);)?
                if <$ty as Value>::LIST { format!("a list; each: {allowed}") } else { allowed }
            },
            get: |$config| Value::to_toml(&$place),
            set: |$config, given| {
                let value = read::<$ty>(given)?;
                $(let value = in_range(value, $low, $high)?;)?
                $place = value;
                Ok(())
            },
        }
    };
    (@secret) => { false };
    (@secret secret) => { true };
}

keys! {
    root {
        /// Address and port of HTTPS. 8443 unless a domain is set, then 443. `off` if a reverse proxy does HTTPS.
        listen: Switch<Listen> = Switch::On(Listen::by_default(8443));
        /// Address and port of HTTP. 8080 unless a domain is set, then 80. Other machines get a receive-only app and a
        /// link to HTTPS, unless HTTPS is off.
        http: Switch<Listen> = Switch::On(Listen::by_default(8080));
        /// Address and port of STUN and TURN, by UDP and TCP. TURN by TCP and TLS is on the HTTPS port as well.
        turn: Switch<Listen> = Switch::On(Listen::by_default(3478));
        /// Directory for certificates, keys and the database. Made if missing.
        data: PathBuf = PathBuf::from("parlour-data");
        /// The server's public name. When set, a certificate is got by ACME and HTTPS moves to port 443.
        domain: Option<Domain> = None;
        /// Certificate chain in PEM, instead of the built-in authority's. Read again when the file changes.
        cert: Option<PathBuf> = None;
        /// Private key of `cert` in PEM.
        key: Option<PathBuf> = None;
        /// URL of the ACME directory.
        acme_directory: HttpsUrl = HttpsUrl::known(LETS_ENCRYPT);
        /// Use Let's Encrypt's staging directory: for trying out, browsers do not trust its certificates.
        acme_staging: bool = false;
        /// E-mail address that the ACME authority may write to.
        acme_contact: Option<String> = None;
        /// Certificate in PEM that the ACME directory's own HTTPS is checked against, for private authorities.
        acme_root: Option<PathBuf> = None;
        /// Serve the web app from this directory instead of the built-in one.
        web_dir: Option<PathBuf> = None;
        /// What the server calls itself.
        name: String = "Parlour".into();
        /// Origins of other sites whose pages may connect. The server's own addresses always may.
        origins: Vec<Origin> = Vec::new();
        /// Reverse proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.
        trust_proxy: Vec<Cidr> = Vec::new();
        /// STUN and TURN servers of others that browsers are told about.
        ice_servers: Vec<IceServer> = Vec::new();
        /// How long a stopping server gives its connections to move away.
        drain: Duration = Duration::from_secs(5);
    }
    /// Who may join and who may administer.
    auth: Auth {
        /// Who may join: everybody with the link, with a password, or with a token.
        mode: AuthMode = AuthMode::Open;
        /// The password of the server, when mode is password.
        password: Option<Secret> = None, secret;
        /// The keys of tokens. None in token mode: a key is made in the data directory.
        jwt: Vec<JwtKey> = Vec::new(), secret;
        /// The bearer token of the administration interface. None: one is made in the data directory.
        admin_token: Option<Secret> = None, secret;
    }
    /// What new rooms are like.
    room: Room {
        /// Whether joining a room that does not exist makes it.
        auto_create: bool = true;
        /// People in one room.
        max_peers: u32 = 100 => 1..=10_000;
        /// People in a peer-to-peer call, each connected with each other.
        p2p_max: u32 = 6 => 2..=32;
        /// How long an empty room is remembered.
        empty_timeout: Duration = Duration::from_secs(300);
        /// How long somebody whose connection broke keeps the place in the room.
        resume_window: Duration = Duration::from_secs(30);
        /// Whether people wait until a host lets them in.
        waiting_room: bool = false;
        /// How long chat is kept for those who come later.
        chat_history: Switch<Duration> = Switch::On(Duration::from_secs(4 * 3600));
        /// The password of rooms that have none of their own.
        password: Option<Secret> = None, secret;
    }
    /// What one client, and all together, may use.
    limits: Limits {
        /// Connections from one IP address.
        conns_per_ip: u32 = 50 => 1..=1_000_000;
        /// Joins in a minute from one IP address.
        joins_per_min_per_ip: u32 = 60 => 1..=1_000_000;
        /// The longest signaling message, in KiB.
        message_kib: u32 = 64 => 4..=1024;
        /// Signaling messages in a second from one client.
        messages_per_s: u32 = 50 => 1..=10_000;
        /// Signaling messages at once, before messages_per_s counts.
        burst: u32 = 200 => 1..=100_000;
        /// Rooms at a time.
        max_rooms: u32 = 10_000 => 1..=10_000_000;
        /// People in all rooms together.
        max_peers_total: u32 = 50_000 => 1..=10_000_000;
    }
    /// Clients of other systems: Socket.IO and PeerJS.
    compat: Compat {
        /// One more address and port of HTTP, for apps that expect their signaling server there: 5000 in most Socket.IO tutorials, 9000 in
        /// PeerJS's.
        port: Switch<Listen> = Switch::Off;
        /// Serve Socket.IO clients at `/socket.io/`. Only while `auth.mode` is open: they have no way to show a password or a token.
        socketio: bool = true;
        /// Serve PeerJS clients at `/peerjs`. Only while `auth.mode` is open.
        peerjs: bool = true;
        /// Relay events that Parlour does not know, too, to whom or to which room they name.
        relay_any: bool = false;
        /// The key that PeerJS clients must give.
        peerjs_key: String = "peerjs".into();
        /// Tell everybody who asks the ids of all PeerJS clients.
        peerjs_discovery: bool = false;
    }
    /// The TURN relay, which carries calls where no direct way leads from one to the other.
    relay: Relay {
        /// Addresses of this computer that relays use, one for IPv4 and one for IPv6. None: those by which it reaches the Internet.
        address: Vec<IpAddr> = Vec::new();
        /// Those addresses as the Internet sees them, if a router translates them one to one.
        external_address: Vec<IpAddr> = Vec::new();
        /// UDP ports of relays.
        port_range: PortRange = PortRange(49_152..=65_535);
        /// Name or address by which clients reach the relay. None: the one by which they have reached this server.
        host: Option<String> = None;
        /// The realm of credentials. With up to eight characters the first answer to strangers stays short.
        realm: String = "parlour".into();
        /// The secret that credentials are made with, to be shared with other TURN servers. None: a new one at each start.
        secret: Option<Secret> = None, secret;
        /// How long a credential is good for making new relayed connections.
        credential_ttl: Duration = Duration::from_secs(12 * 3600);
        /// Peers that relays may reach although they are private or special addresses.
        allow_peer: Vec<parlour_turn::Cidr> = Vec::new();
        /// Peers that relays may never reach.
        deny_peer: Vec<parlour_turn::Cidr> = Vec::new();
        /// Relay TCP connections too (RFC 6062). Browsers do not use it.
        tcp: bool = false;
        /// Let a client keep its relay when its address changes (RFC 8016). Browsers do not use it.
        mobility: bool = false;
        /// Allocations at a time.
        max_allocations: u32 = 10_000 => 1..=10_000_000;
        /// Allocations of one participant.
        allocations_per_user: u32 = 12 => 1..=1_000_000;
        /// Allocations from one IP address.
        allocations_per_address: u32 = 256 => 1..=10_000_000;
        /// Kilobits per second of one allocation, each way. None: no limit.
        kbps_per_allocation: Option<u32> = None;
        /// Kilobits per second of one participant, both ways. None: no limit.
        kbps_per_user: Option<u32> = None;
        /// Kilobits per second of all relays together, both ways. None: no limit.
        kbps_total: Option<u32> = None;
    }
    /// Figures for Prometheus.
    metrics: Metrics {
        /// Who may read `/metrics`.
        access: MetricsAccess = MetricsAccess::Loopback;
    }
    /// What is logged, to standard error.
    log: Log {
        /// How much.
        level: LogLevel = LogLevel::Info;
        /// One JSON object per line, for machines.
        json: bool = false;
    }
}

impl Config {
    /// Every key with its section's others.
    pub fn keys() -> impl Iterator<Item = &'static Key> {
        KEYS.iter().flat_map(|section| section.iter())
    }

    /// Settles the defaults that depend on other keys.
    fn settle(&mut self) {
        if self.domain.is_some() {
            for (listen, port) in [(&mut self.listen, 443), (&mut self.http, 80)] {
                if let Switch::On(listen) = listen
                    && !listen.exact
                {
                    // ACME needs the port itself, another one would not do.
                    *listen = Listen { exact: true, ..Listen::by_default(port) };
                }
            }
        }
        if self.acme_staging && self.acme_directory.as_str() == LETS_ENCRYPT {
            self.acme_directory = HttpsUrl::known(LETS_ENCRYPT_STAGING);
        }
    }

    /// Finds keys that contradict each other: the key to blame, and why.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if self.cert.is_some() != self.key.is_some() {
            let missing = if self.cert.is_some() { "key" } else { "cert" };
            return Some((missing, "cert and key belong together: give both or none"));
        }
        if self.domain.is_some() && self.cert.is_some() {
            return Some(("domain", "domain gets a certificate by ACME, cert brings one: give only one of them"));
        }
        if self.acme_staging && self.acme_directory.as_str() != LETS_ENCRYPT_STAGING {
            return Some((
                "acme_staging",
                "acme_staging chooses a directory, acme_directory another one: give only one",
            ));
        }
        if self.domain.is_some() && self.listen == Switch::Off {
            return Some(("listen", "domain gets a certificate for HTTPS, so HTTPS cannot be off"));
        }
        if self.listen == Switch::Off && self.http == Switch::Off {
            return Some(("listen", "listen and http are both off: nothing would be served"));
        }
        let key = &self.compat.peerjs_key;
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        {
            return Some(("compat.peerjs_key", "the key is a part of URLs: letters, digits, and - _ . only"));
        }
        if self.relay.secret.as_ref().is_some_and(|secret| secret.expose().len() < 16) {
            return Some(("relay.secret", "relay.secret can be guessed: use at least 16 random characters"));
        }
        if self.auth.mode == AuthMode::Password && self.auth.password.is_none() && self.room.password.is_none() {
            return Some(("auth.password", "auth.mode is password, so auth.password or room.password must be set"));
        }
        let mut kids: Vec<_> = self.auth.jwt.iter().map(|key| key.kid.as_str()).collect();
        kids.sort_unstable();
        if kids.windows(2).any(|pair| pair.first() == pair.last()) {
            return Some(("auth.jwt", "two keys have the same kid"));
        }
        None
    }
}
