//! Who a request is from: nonces without memory, static users, and time-limited credentials (RFC 8489 §9.2).

use super::config::ConfigError;
use crate::FiveTuple;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parlour_stun::attribute::{ChosenPasswordAlgorithm, Nonce, PasswordAlgorithms, Realm, Userhash, Username};
use parlour_stun::{
    AttributeType, HmacSha1, HmacSha256, Integrity, IntegrityKey, LongTermKey, Message, PasswordAlgorithm,
    SecurityFeatures, opaque_string, userhash,
};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Who may use the relay.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    users: HashMap<Arc<str>, Box<str>>,
    secrets: Vec<HmacSha1>,
    errors: Vec<ConfigError>,
}

impl Credentials {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a user with a password.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        let checked = opaque_string(name).and_then(|name| Ok((name, opaque_string(password)?)));
        match checked {
            Ok((name, password)) => {
                self.users.insert(name.into(), password.into());
            }
            Err(error) => self.errors.push(ConfigError::User(name.to_owned(), error)),
        }
        self
    }

    /// Adds a secret for time-limited credentials: the user name is `expiry[:id]` in Unix seconds, the password is
    /// base64(HMAC-SHA1(secret, user name)). Several secrets are good at once, so that they can be changed.
    #[must_use]
    pub fn secret(mut self, secret: &[u8]) -> Self {
        if secret.len() < 16 {
            self.errors.push(ConfigError::ShortSecret(secret.len()));
        }
        self.secrets.push(HmacSha1::new(secret));
        self
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.errors.first() {
            Some(error) => Err(error.clone()),
            None if self.users.is_empty() && self.secrets.is_empty() => Err(ConfigError::NoCredentials),
            None => Ok(()),
        }
    }
}

/// The user name and password of a time-limited credential, for whoever hands them out.
pub fn time_limited(secret: &[u8], id: &str, expires_unix_s: u64) -> (String, String) {
    let username = if id.is_empty() { expires_unix_s.to_string() } else { format!("{expires_unix_s}:{id}") };
    let password = STANDARD.encode(HmacSha1::new(secret).sign(username.as_bytes()));
    (username, password)
}

/// Makes and checks nonces without remembering them: the time, and a MAC over it and over whom it was made for.
///
/// A nonce answers to a client address, or to a user name if it was handed out beforehand by signaling; the second
/// kind spares our own client the round trip of a 401. Neither is bound to a port, so that clients may move.
#[derive(Clone, Debug)]
pub struct Nonces {
    mac: HmacSha256,
    lifetime: Duration,
    prefix: String,
}

/// Whom a nonce is for.
#[derive(Clone, Copy, Debug)]
enum Holder<'a> {
    Address(IpAddr),
    User(&'a str),
}

impl Nonces {
    /// `key` must come from a cryptographic generator; servers that share it take each other's nonces.
    pub fn new(key: &[u8; 32], lifetime: Duration) -> Self {
        Self { mac: HmacSha256::new(key), lifetime, prefix: String::new() }
    }

    /// The same nonces, which say what the server can do (RFC 8489 §9.2.1).
    pub(super) fn with_features(mut self, features: SecurityFeatures) -> Self {
        self.prefix = if features == SecurityFeatures::default() { String::new() } else { features.nonce_prefix() };
        self
    }

    /// The key of mobility tickets: servers that take each other's nonces know each other's tickets too.
    pub(super) fn ticket_key(&self) -> HmacSha256 {
        HmacSha256::new(&self.mac.sign(b"mobility ticket"))
    }

    /// A nonce for a user who has not asked yet.
    pub fn for_user(&self, username: &str, unix_s: u64) -> String {
        self.full(Holder::User(username), unix_s as u32)
    }

    pub(super) fn for_address(&self, address: IpAddr, unix_s: u64) -> String {
        self.full(Holder::Address(address), unix_s as u32)
    }

    /// Twelve characters, for a challenge that must be short. It promises none of the features of RFC 8489.
    pub(super) fn short_for_address(&self, address: IpAddr, unix_s: u64) -> String {
        let stamp = ((unix_s / 16) as u16).to_be_bytes();
        let mac = self.tag(2, &stamp, Holder::Address(address));
        let mut bytes = [0; 9];
        bytes[..2].copy_from_slice(&stamp);
        bytes[2..].copy_from_slice(mac.first_chunk::<7>().unwrap_or(&[0; 7]));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn full(&self, holder: Holder<'_>, unix_s: u32) -> String {
        let kind = match holder {
            Holder::Address(_) => 0,
            Holder::User(_) => 1,
        };
        let stamp = unix_s.to_be_bytes();
        let mac = self.tag(kind, &stamp, holder);
        let mut bytes = [0; 15];
        bytes[0] = kind;
        bytes[1..5].copy_from_slice(&stamp);
        bytes[5..].copy_from_slice(mac.first_chunk::<10>().unwrap_or(&[0; 10]));
        format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(bytes))
    }

    fn tag(&self, kind: u8, stamp: &[u8], holder: Holder<'_>) -> [u8; 32] {
        let mut input = vec![kind];
        input.extend_from_slice(stamp);
        match holder {
            Holder::Address(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => input.extend_from_slice(&ip.to_ipv6_mapped().octets()),
                IpAddr::V6(ip) => input.extend_from_slice(&ip.octets()),
            },
            Holder::User(name) => input.extend_from_slice(name.as_bytes()),
        }
        self.mac.sign(&input)
    }

    /// Whether `nonce` is ours, for this client, and young enough.
    pub(super) fn accepts(&self, nonce: &str, client: IpAddr, username: Option<&str>, unix_s: u64) -> bool {
        let lifetime = self.lifetime.as_secs();
        if nonce.len() == 12 {
            let Some(&[a, b, ..]) = URL_SAFE_NO_PAD.decode(nonce).ok().as_deref().and_then(<[u8]>::first_chunk::<2>)
            else {
                return false;
            };
            let age = ((unix_s / 16) as u16).wrapping_sub(u16::from_be_bytes([a, b]));
            let issued = (unix_s / 16).wrapping_sub(u64::from(age)) * 16;
            return u64::from(age) * 16 <= lifetime && same(&self.short_for_address(client, issued), nonce);
        }
        let Some(Ok(bytes)) = nonce.strip_prefix(&self.prefix).map(|tail| URL_SAFE_NO_PAD.decode(tail)) else {
            return false;
        };
        let Some(&[kind, a, b, c, d]) = bytes.first_chunk::<5>() else {
            return false;
        };
        let stamp = u32::from_be_bytes([a, b, c, d]);
        let holder = match (kind, username) {
            (0, _) => Holder::Address(client),
            (1, Some(name)) => Holder::User(name),
            _ => return false,
        };
        let age = (unix_s as u32).wrapping_sub(stamp);
        u64::from(age) <= lifetime && same(&self.full(holder, stamp), nonce)
    }
}

/// Compares two texts of public length in constant time.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// The outcome of looking at the authentication of a request.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is from this user.
    Valid(Identity),
    /// Answer with this code and a fresh nonce: 401 or 438.
    Challenge(u16),
    /// Answer 400 without integrity.
    Malformed,
}

/// A user who has proved the password.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) username: Arc<str>,
    pub(super) key: IntegrityKey,
    pub(super) scheme: Scheme,
    /// Unix seconds, for a time-limited credential.
    pub(super) expires: Option<u64>,
}

/// How the key was made and is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scheme {
    algorithm: PasswordAlgorithm,
    sha256: bool,
}

/// Checks requests.
#[derive(Debug)]
pub(super) struct Authenticator {
    realm: String,
    users: HashMap<Arc<str>, Box<str>>,
    hashes: HashMap<[u8; 32], Arc<str>>,
    secrets: Vec<HmacSha1>,
    pub(super) nonces: Nonces,
    modern: bool,
}

impl Authenticator {
    pub(super) fn new(realm: &str, credentials: Credentials, nonces: Nonces, modern: bool) -> Self {
        // A hash cannot be turned back into the name of a time-limited credential, so it is offered only without those.
        let nonces = nonces.with_features(SecurityFeatures {
            password_algorithms: modern,
            username_anonymity: modern && credentials.secrets.is_empty(),
        });
        let hashes = credentials.users.keys().map(|name| (userhash(name, realm), name.clone())).collect();
        Self { realm: realm.to_owned(), users: credentials.users, hashes, secrets: credentials.secrets, nonces, modern }
    }

    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    /// How long nonces last.
    pub(super) fn nonce_lifetime(&self) -> Duration {
        self.nonces.lifetime
    }

    /// Whether PASSWORD-ALGORITHMS goes into a challenge.
    pub(super) fn is_modern(&self) -> bool {
        self.modern
    }

    /// Checks `request`. `known` is who made the allocation of this 5-tuple: its key is ready.
    pub(super) fn check(
        &self,
        request: &Message<'_>,
        tuple: &FiveTuple,
        known: Option<&Identity>,
        unix_s: u64,
    ) -> Verdict {
        if !request.has_integrity() && !request.has_integrity_sha256() {
            return Verdict::Challenge(401);
        }
        let (Ok(name), Ok(hash), Ok(Some(realm)), Ok(Some(nonce))) = (
            request.get::<Username<'_>>(),
            request.get::<Userhash>(),
            request.get::<Realm<'_>>(),
            request.get::<Nonce<'_>>(),
        ) else {
            return Verdict::Malformed;
        };
        if name.is_none() && hash.is_none() {
            return Verdict::Malformed;
        }
        let name = match hash {
            Some(hash) => self.hashes.get(&hash.0).map(|name| &**name).or(name.map(|name| name.0)),
            None => name.map(|name| name.0),
        };
        if !self.nonces.accepts(nonce.0, tuple.client.ip(), name, unix_s) {
            return Verdict::Challenge(438);
        }
        let Some(algorithm) = self.algorithm(request, nonce.0) else {
            return Verdict::Malformed;
        };
        let scheme = Scheme { algorithm, sha256: request.has_integrity_sha256() };
        if let (Some(known), Some(name)) = (known, name)
            && *known.username == *name
            && known.scheme == scheme
            && realm.0 == self.realm
        {
            return match request.verify(&known.key) {
                Integrity::Valid => Verdict::Valid(known.clone()),
                _ => Verdict::Challenge(401),
            };
        }
        match self.identify(request, name.unwrap_or(""), realm.0, scheme, unix_s) {
            Some(identity) => Verdict::Valid(identity),
            None => Verdict::Challenge(401),
        }
    }

    /// The password algorithm that the request must be checked by; `None` if it breaks RFC 8489 §9.2.4.
    fn algorithm(&self, request: &Message<'_>, nonce: &str) -> Option<PasswordAlgorithm> {
        if !SecurityFeatures::of_nonce(nonce).password_algorithms {
            return Some(PasswordAlgorithm::Md5);
        }
        let offered = request.value(AttributeType::PASSWORD_ALGORITHMS);
        let chosen = request.get::<ChosenPasswordAlgorithm>().ok()?;
        match (offered, chosen) {
            (None, None) => Some(PasswordAlgorithm::Md5),
            (Some(list), Some(chosen)) if list == PasswordAlgorithms::SHA256_MD5.0 => {
                PasswordAlgorithm::from_number(chosen.0)
            }
            _ => None,
        }
    }

    /// Finds the password and checks the integrity. An unknown user costs the same work as a wrong password.
    fn identify(
        &self,
        request: &Message<'_>,
        name: &str,
        realm: &str,
        scheme: Scheme,
        unix_s: u64,
    ) -> Option<Identity> {
        let try_password = |password: &str| {
            let raw = LongTermKey::new(scheme.algorithm, name, &self.realm, password);
            let key =
                if scheme.sha256 { IntegrityKey::sha256(raw.as_bytes()) } else { IntegrityKey::sha1(raw.as_bytes()) };
            let valid = request.verify(&key) == Integrity::Valid;
            valid.then_some(key)
        };
        let usable = realm == self.realm;
        if let Some((username, password)) = self.users.get_key_value(name) {
            let key = try_password(password).filter(|_| usable)?;
            return Some(Identity { username: username.clone(), key, scheme, expires: None });
        }
        let expires = expiry_of(name);
        let alive = usable && expires.is_some_and(|expires| expires > unix_s);
        if self.secrets.is_empty() {
            let _ = try_password("no such user");
            return None;
        }
        for secret in &self.secrets {
            let password = STANDARD.encode(secret.sign(name.as_bytes()));
            if let Some(key) = try_password(&password).filter(|_| alive) {
                return Some(Identity { username: name.into(), key, scheme, expires });
            }
        }
        None
    }
}

/// The expiry in the user name of a time-limited credential.
fn expiry_of(username: &str) -> Option<u64> {
    let digits = username.split_once(':').map_or(username, |(expiry, _)| expiry);
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

/// Whom quotas count: the id of a time-limited credential whatever its expiry, else the user name.
pub(super) fn quota_holder(identity: &Identity) -> &str {
    match (identity.expires, identity.username.split_once(':')) {
        (Some(_), Some((_, id))) if !id.is_empty() => id,
        _ => &identity.username,
    }
}
