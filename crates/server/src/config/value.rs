//! The types that configuration values have, and how each is read from text and from TOML.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use toml::Value as Toml;

/// A type that a configuration key can have.
///
/// Flags and environment variables give text; a file gives a TOML value. Most types have one reader for both, because
/// text is also what they are in TOML.
pub trait Value: Sized {
    /// What is allowed, as the end of the sentence "allowed: …".
    const ALLOWED: &'static str;
    /// The placeholder in the help of the command line.
    const METAVAR: &'static str;
    /// Whether a flag may be given more than once, each time adding to the list.
    const LIST: bool = false;

    /// Reads a value from text; `Err` says what is wrong with it, or is empty if `ALLOWED` says it all.
    fn from_text(text: &str) -> Result<Self, String>;

    /// Reads a value from TOML.
    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::String(text) => Self::from_text(text),
            _ => Err(String::new()),
        }
    }

    /// The value as TOML that `from_toml` reads back (except secrets, which are masked).
    fn to_toml(&self) -> Toml;
}

fn nothing_more<E>(_: E) -> String {
    String::new()
}

impl Value for bool {
    const ALLOWED: &'static str = "true or false";
    const METAVAR: &'static str = "BOOL";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(String::new()),
        }
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        value.as_bool().ok_or_else(String::new)
    }

    fn to_toml(&self) -> Toml {
        Toml::Boolean(*self)
    }
}

impl Value for u32 {
    const ALLOWED: &'static str = "a whole number";
    const METAVAR: &'static str = "N";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(nothing_more)
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        value.as_integer().and_then(|n| u32::try_from(n).ok()).ok_or_else(String::new)
    }

    fn to_toml(&self) -> Toml {
        Toml::Integer(i64::from(*self))
    }
}

impl Value for String {
    const ALLOWED: &'static str = "text";
    const METAVAR: &'static str = "TEXT";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.clone())
    }
}

impl Value for PathBuf {
    const ALLOWED: &'static str = "a path";
    const METAVAR: &'static str = "PATH";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".into()) } else { Ok(text.into()) }
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.display().to_string())
    }
}

impl Value for IpAddr {
    const ALLOWED: &'static str = "an IP address";
    const METAVAR: &'static str = "IP";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(nothing_more)
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.to_string())
    }
}

impl Value for crate::turn::PortRange {
    const ALLOWED: &'static str = r#"two ports from 1024 to 65535, as in "49152-65535""#;
    const METAVAR: &'static str = "FIRST-LAST";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.to_string())
    }
}

impl Value for parlour_turn::Cidr {
    const ALLOWED: &'static str = r#"an IP address or a range of them, such as "10.0.0.0/8" or "fd00::/8""#;
    const METAVAR: &'static str = "CIDR";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: parlour_turn::CidrError| error.to_string())
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.to_string())
    }
}

/// An optional value; the empty text is "not set".
impl<T: Value> Value for Option<T> {
    const ALLOWED: &'static str = T::ALLOWED;
    const METAVAR: &'static str = T::METAVAR;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::from_text(text).map(Some) }
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        if value.as_str() == Some("") { Ok(None) } else { T::from_toml(value).map(Some) }
    }

    fn to_toml(&self) -> Toml {
        self.as_ref().map_or_else(|| Toml::String(String::new()), T::to_toml)
    }
}

/// A list; in text its elements are separated by commas.
impl<T: Value> Value for Vec<T> {
    const ALLOWED: &'static str = T::ALLOWED;
    const METAVAR: &'static str = T::METAVAR;
    const LIST: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::from_text).collect()
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::Array(values) => values.iter().map(T::from_toml).collect(),
            Toml::String(text) => Self::from_text(text),
            _ => Err("it is not a list".into()),
        }
    }

    fn to_toml(&self) -> Toml {
        Toml::Array(self.iter().map(T::to_toml).collect())
    }
}

/// Something that can be switched off by the word `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch<T> {
    /// Not wanted.
    Off,
    /// Wanted, like this.
    On(T),
}

impl<T> Switch<T> {
    /// The value, unless off.
    pub fn on(&self) -> Option<&T> {
        match self {
            Switch::On(value) => Some(value),
            Switch::Off => None,
        }
    }
}

macro_rules! switch {
    ($ty:ty, $allowed:literal) => {
        impl Value for Switch<$ty> {
            const ALLOWED: &'static str = $allowed;
            const METAVAR: &'static str = <$ty>::METAVAR;

            fn from_text(text: &str) -> Result<Self, String> {
                if text == "off" { Ok(Switch::Off) } else { <$ty>::from_text(text).map(Switch::On) }
            }

            fn from_toml(value: &Toml) -> Result<Self, String> {
                match value {
                    Toml::Boolean(false) => Ok(Switch::Off),
                    Toml::String(text) => Self::from_text(text),
                    other => <$ty>::from_toml(other).map(Switch::On),
                }
            }

            fn to_toml(&self) -> Toml {
                self.on().map_or_else(|| Toml::String("off".into()), Value::to_toml)
            }
        }
    };
}
switch!(Listen, r#"an address and port ("[::]:8443", "192.0.2.2:8443"), ":8443" or 8443 for all addresses, or "off""#);
switch!(Duration, r#"a time such as "30s", "5m", "4h" or "7d", or "off""#);

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address and port; port 0 lets the system choose.
    ///
    /// The address `[::]` means all addresses of both families.
    pub addr: SocketAddr,
    /// Whether somebody asked for exactly this port. If not (a default), another free port does as well.
    pub exact: bool,
}

impl Listen {
    /// All addresses of both families at a default port.
    pub const fn by_default(port: u16) -> Self {
        Listen { addr: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port), exact: false }
    }

    /// Exactly this address and port.
    pub const fn at(addr: SocketAddr) -> Self {
        Listen { addr, exact: true }
    }

    /// Whether this is every address of both families.
    pub fn is_any(&self) -> bool {
        self.addr.ip().is_unspecified()
    }
}

impl Value for Listen {
    const ALLOWED: &'static str =
        r#"an address and port ("[::]:8443", "192.0.2.2:8443"), ":8443" or 8443 for all addresses"#;
    const METAVAR: &'static str = "ADDR";

    fn from_text(text: &str) -> Result<Self, String> {
        let port = |port: &str| match port.parse::<u16>() {
            Ok(port) => Ok(port),
            Err(_) if port.bytes().all(|b| b.is_ascii_digit()) && !port.is_empty() => {
                Err("a port is a number from 0 to 65535".to_owned())
            }
            Err(_) => Err(String::new()),
        };
        let any = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(Listen::at(addr));
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err("the port is missing".into());
        }
        let (host, port_text) = text.rsplit_once(':').unwrap_or(("", text));
        let host = match host {
            "" | "*" => any,
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => match host.trim_start_matches('[').trim_end_matches(']').parse() {
                Ok(ip) => ip,
                Err(_) => return Err("the address must be an IP address, not a name".into()),
            },
        };
        Ok(Listen::at(SocketAddr::new(host, port(port_text)?)))
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        match value {
            Toml::Integer(port) => Self::from_text(&port.to_string()),
            Toml::String(text) => Self::from_text(text),
            _ => Err(String::new()),
        }
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.addr.to_string())
    }
}

impl Value for Duration {
    const ALLOWED: &'static str = r#"a time such as "500ms", "30s", "5m", "4h", "7d" or "1h30m""#;
    const METAVAR: &'static str = "TIME";

    fn from_text(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let mut total = Duration::ZERO;
        if rest == "0" {
            return Ok(total);
        }
        if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(r#"the unit is missing; did you mean "{rest}s"?"#));
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(String::new)?;
            let (number, tail) = rest.split_at(digits);
            let number: u64 = number.parse().map_err(nothing_more)?;
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let millis = match unit.trim() {
                "ms" => 1,
                "s" => 1_000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(String::new()),
            };
            let part = number.checked_mul(millis).ok_or("it is too long")?;
            total = total.checked_add(Duration::from_millis(part)).ok_or("it is too long")?;
            rest = tail;
        }
        if text.trim().is_empty() { Err(String::new()) } else { Ok(total) }
    }

    fn to_toml(&self) -> Toml {
        Toml::String(duration_text(*self))
    }
}

/// A duration as `from_text` reads it, in as few units as possible.
pub fn duration_text(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= size {
            text += &format!("{}{unit}", millis / size);
            millis %= size;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

/// A text that is never shown: passwords and keys.
///
/// Written as `@FILE` it is read from that file (without the end of the line); `@@…` is a text that starts with `@`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret, as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The secret itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Value for Secret {
    const ALLOWED: &'static str = "text, or @FILE to read it from a file";
    const METAVAR: &'static str = "TEXT|@FILE";

    fn from_text(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            None => Ok(Secret(text.to_owned())),
            Some(plain) if plain.starts_with('@') => Ok(Secret(plain.to_owned())),
            Some(path) => {
                let content = std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?;
                let content = content.trim_end_matches(['\r', '\n']);
                if content.is_empty() { Err(format!("{path} is empty")) } else { Ok(Secret(content.to_owned())) }
            }
        }
    }

    fn to_toml(&self) -> Toml {
        Toml::String("********".into())
    }
}

/// A host name in the public DNS, in lower case, such as `meet.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl std::ops::Deref for Domain {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Value for Domain {
    const ALLOWED: &'static str = r#"a domain name such as "meet.example.org""#;
    const METAVAR: &'static str = "NAME";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.parse::<IpAddr>().is_ok() {
            return Err("it is an address, not a name".into());
        }
        if text.contains("://") || text.contains('/') {
            return Err("give the name alone, without https:// and path".into());
        }
        if !text.is_ascii() {
            return Err("write it in its ASCII form, with xn--".into());
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if name.len() > 253 || !name.contains('.') || !name.split('.').all(is_label) {
            return Err(String::new());
        }
        Ok(Domain(name))
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.0.clone())
    }
}

/// The URL of a service that is spoken to by HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsUrl(String);

impl HttpsUrl {
    /// An URL that is known to be one of HTTPS.
    pub(crate) fn known(url: &'static str) -> Self {
        HttpsUrl(url.to_owned())
    }

    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for HttpsUrl {
    const ALLOWED: &'static str = "a URL that starts with https://";
    const METAVAR: &'static str = "URL";

    fn from_text(text: &str) -> Result<Self, String> {
        match text.strip_prefix("https://") {
            Some(rest) if !rest.is_empty() && !rest.contains(char::is_whitespace) => Ok(HttpsUrl(text.to_owned())),
            _ => Err(String::new()),
        }
    }

    fn to_toml(&self) -> Toml {
        Toml::String(self.0.clone())
    }
}

/// A range of IP addresses (RFC 4632), such as `10.0.0.0/8` or `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// Whether `ip` lies in the range. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.network, ip.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (u32::from(network) ^ u32::from(ip)) & mask == 0
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (u128::from(network) ^ u128::from(ip)) & mask == 0
            }
            _ => false,
        }
    }
}

impl Value for Cidr {
    const ALLOWED: &'static str = r#"an IP address or a range of them, such as "10.0.0.0/8" or "fd00::/8""#;
    const METAVAR: &'static str = "CIDR";

    fn from_text(text: &str) -> Result<Self, String> {
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let network: IpAddr = ip.parse().map_err(nothing_more)?;
        let longest = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(prefix) => match prefix.parse() {
                Ok(prefix) if prefix <= longest => prefix,
                _ => return Err(format!("the prefix must be a number from 0 to {longest}")),
            },
        };
        Ok(Cidr { network, prefix })
    }

    fn to_toml(&self) -> Toml {
        Toml::String(format!("{}/{}", self.network, self.prefix))
    }
}

/// An origin (RFC 6454 §7) that may open the WebSocket besides the server's own, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `*`: every origin.
    Any,
    /// One origin in its serialised form, in lower case, such as `https://example.org`.
    Exact(String),
}

impl Value for Origin {
    const ALLOWED: &'static str = r#"an origin such as "https://example.org", or "*" for every one"#;
    const METAVAR: &'static str = "ORIGIN";

    fn from_text(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Origin::Any);
        }
        let lower = text.to_ascii_lowercase();
        let host = lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://"));
        match host {
            None => Err("it must start with https:// or http://".into()),
            Some("") => Err("the host is missing".into()),
            Some(host) if host.contains(['/', '?', '#', ' ']) => {
                Err("an origin ends after the host and port, without a path".into())
            }
            Some(_) => Ok(Origin::Exact(lower)),
        }
    }

    fn to_toml(&self) -> Toml {
        match self {
            Origin::Any => Toml::String("*".into()),
            Origin::Exact(origin) => Toml::String(origin.clone()),
        }
    }
}

/// A STUN or TURN server of somebody else that browsers are told about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// User name, for TURN.
    pub username: Option<String>,
    /// Password, for TURN.
    pub credential: Option<Secret>,
}

impl IceServer {
    fn checked(self) -> Result<Self, String> {
        let scheme = |url: &str| url.split_once(':').map(|(scheme, host)| (scheme.to_owned(), !host.is_empty()));
        let mut turn = false;
        for url in &self.urls {
            match scheme(url) {
                Some((scheme, true)) if scheme == "stun" || scheme == "stuns" => {}
                Some((scheme, true)) if scheme == "turn" || scheme == "turns" => turn = true,
                _ => return Err(format!(r#""{url}" does not start with stun:, stuns:, turn: or turns:"#)),
            }
        }
        match (self.urls.is_empty(), turn, self.username.is_some() && self.credential.is_some()) {
            (true, _, _) => Err("urls is missing".into()),
            (_, true, false) => Err("a TURN server needs a user name and a credential".into()),
            _ => Ok(self),
        }
    }
}

impl Value for IceServer {
    const ALLOWED: &'static str =
        r#""stun:HOST:PORT", "turn:HOST:PORT USER CREDENTIAL", or {urls = […], username = "…", credential = "…"}"#;
    const METAVAR: &'static str = "URL";

    fn from_text(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let urls = words.next().map(str::to_owned).into_iter().collect();
        let username = words.next().map(str::to_owned);
        let credential = words.next().map(Secret::from_text).transpose()?;
        match words.next() {
            Some(_) => Err(String::new()),
            None => IceServer { urls, username, credential }.checked(),
        }
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Some(table) = value.as_table() else {
            return Self::from_text(value.as_str().unwrap_or_default());
        };
        let (mut urls, mut username, mut credential) = (Vec::new(), None, None);
        for (key, value) in table {
            match key.as_str() {
                "urls" => urls = Vec::<String>::from_toml(value)?,
                "username" => username = Some(String::from_toml(value)?),
                "credential" => credential = Some(Secret::from_toml(value)?),
                other => return Err(format!("it has the unknown field {other}")),
            }
        }
        IceServer { urls, username, credential }.checked()
    }

    fn to_toml(&self) -> Toml {
        let mut table = toml::Table::new();
        table.insert("urls".into(), self.urls.to_toml());
        if let Some(username) = &self.username {
            table.insert("username".into(), username.to_toml());
        }
        if let Some(credential) = &self.credential {
            table.insert("credential".into(), credential.to_toml());
        }
        Toml::Table(table)
    }
}

/// Declares an enum whose values are words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $allowed:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// The word in the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl Value for $name {
            const ALLOWED: &'static str = $allowed;
            const METAVAR: &'static str = "WORD";

            fn from_text(text: &str) -> Result<Self, String> {
                match text { $($word => Ok($name::$variant),)+ _ => Err(String::new()) }
            }

            fn to_toml(&self) -> Toml {
                Toml::String(self.as_str().into())
            }
        }
    };
}

words! {
    /// Who may join.
    AuthMode, "open, password or token" {
        /// Everybody who knows the link.
        Open = "open",
        /// Everybody who knows the password of the server or of the room.
        Password = "password",
        /// Holders of a token (a JWT).
        Token = "token",
    }
}

words! {
    /// The signature algorithm of a token key (RFC 7518 §3.1, RFC 8037 §3.1).
    JwtAlgorithm, "HS256, ES256 or EdDSA" {
        /// HMAC with SHA-256: one secret signs and verifies.
        Hs256 = "HS256",
        /// ECDSA with P-256 and SHA-256.
        Es256 = "ES256",
        /// Ed25519.
        EdDsa = "EdDSA",
    }
}

words! {
    /// Who may read `/metrics`.
    MetricsAccess, "off, loopback, admin or public" {
        /// Nobody.
        Off = "off",
        /// Requests from this machine, and those with the administrator's token.
        Loopback = "loopback",
        /// Requests with the administrator's token.
        Admin = "admin",
        /// Everybody.
        Public = "public",
    }
}

words! {
    /// How much is logged.
    LogLevel, "error, warn, info, debug or trace" {
        /// Only what is broken.
        Error = "error",
        /// Also what will need attention.
        Warn = "warn",
        /// Also what happens.
        Info = "info",
        /// Also how.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

/// A key that signs or verifies tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtKey {
    /// Which key it is: the `kid` in a token's header (RFC 7515 §4.1.4).
    pub kid: String,
    /// The only algorithm that this key is used with.
    pub alg: JwtAlgorithm,
    /// HS256: the secret. ES256 and EdDSA: the public key in PEM, or the private one if this server mints tokens, too.
    pub key: Secret,
}

impl JwtKey {
    fn checked(self) -> Result<Self, String> {
        if self.kid.is_empty() {
            return Err("kid is missing".into());
        }
        match self.alg {
            JwtAlgorithm::Hs256 if self.key.expose().len() < 32 => {
                Err("an HS256 key needs at least 32 characters (RFC 7518 §3.2)".into())
            }
            JwtAlgorithm::Es256 | JwtAlgorithm::EdDsa if !self.key.expose().contains("-----BEGIN ") => {
                Err(format!("an {} key must be in PEM", self.alg.as_str()))
            }
            _ => Ok(self),
        }
    }
}

impl Value for JwtKey {
    const ALLOWED: &'static str =
        r#""KID:HS256:SECRET", "KID:ES256:@FILE.pem", "KID:EdDSA:@FILE.pem", or {kid = "…", alg = "…", key = "…"}"#;
    const METAVAR: &'static str = "KID:ALG:KEY";

    fn from_text(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(kid), Some(alg), Some(key)) => {
                let alg = JwtAlgorithm::from_text(alg)
                    .map_err(|_| format!("the algorithm must be {}", JwtAlgorithm::ALLOWED))?;
                JwtKey { kid: kid.to_owned(), alg, key: Secret::from_text(key)? }.checked()
            }
            _ => Err(String::new()),
        }
    }

    fn from_toml(value: &Toml) -> Result<Self, String> {
        let Some(table) = value.as_table() else {
            return Self::from_text(value.as_str().unwrap_or_default());
        };
        let (mut kid, mut alg, mut secret) = (String::new(), None, None);
        for (key, value) in table {
            match key.as_str() {
                "kid" => kid = String::from_toml(value)?,
                "alg" => {
                    alg = Some(
                        JwtAlgorithm::from_toml(value).map_err(|_| format!("alg must be {}", JwtAlgorithm::ALLOWED))?,
                    )
                }
                "key" => secret = Some(Secret::from_toml(value)?),
                other => return Err(format!("it has the unknown field {other}")),
            }
        }
        let alg = alg.ok_or("alg is missing")?;
        JwtKey { kid, alg, key: secret.ok_or("key is missing")? }.checked()
    }

    fn to_toml(&self) -> Toml {
        let mut table = toml::Table::new();
        table.insert("kid".into(), self.kid.to_toml());
        table.insert("alg".into(), self.alg.to_toml());
        table.insert("key".into(), self.key.to_toml());
        Toml::Table(table)
    }
}
