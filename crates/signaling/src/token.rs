//! Signed tokens (JWT, RFC 7519): who may enter which room, and as what.
//!
//! The algorithm belongs to the key, not to the token: a token whose header names another one is refused, so neither `none` nor a public
//! key taken for a shared secret gets through (RFC 8725 §3.1). Claims that this module does not know are refused by name, because a
//! mistyped claim would otherwise grant something else than was meant. Nothing here reads a clock.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{Role, RoomId};
use crate::permission::{Permission, Permissions};

/// How far ahead of the server's clock the clock of the token's maker may be, in seconds.
const LEEWAY_S: u64 = 30;

/// Longest token that is looked at, in bytes.
const MAX_BYTES: usize = 8192;

/// Shortest shared secret for HS256, in bytes (RFC 7518 §3.2: as long as the hash).
pub const MIN_SECRET_BYTES: usize = 32;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// HMAC with SHA-256, by a shared secret.
    #[serde(rename = "HS256")]
    Hs256,
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        })
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        match text {
            "HS256" => Ok(Self::Hs256),
            "ES256" => Ok(Self::Es256),
            "EdDSA" => Ok(Self::EdDsa),
            _ => Err(KeyError::Algorithm(text.to_owned())),
        }
    }
}

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not one of the three algorithms.
    #[error("the algorithm {0:?} is not one of HS256, ES256 and EdDSA")]
    Algorithm(String),
    /// A secret that can be guessed.
    #[error("the secret of an HS256 key must have at least {MIN_SECRET_BYTES} bytes; this one has {0}")]
    ShortSecret(usize),
    /// Not a PEM text with the right kind of key.
    #[error("not a {kind} key for {alg} in PEM form (RFC 7468): {reason}")]
    Pem {
        /// `public` or `private`.
        kind: &'static str,
        /// For which algorithm.
        alg: Algorithm,
        /// What the reader of keys said.
        reason: String,
    },
    /// Two keys with the same name.
    #[error("two keys have the kid {0:?}")]
    Twice(String),
}

/// Why a token is refused. The texts continue "The token is not valid: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not in the form of a token.
    #[error("it is not in the form of a JWT")]
    Malformed,
    /// The header names no algorithm that is supported, for example `none`.
    #[error("its algorithm is not one of HS256, ES256 and EdDSA")]
    UnknownAlgorithm,
    /// The header names no key that the server knows.
    #[error("the server has no key with its kid {0:?}")]
    UnknownKey(String),
    /// The header names no key, and the server has several.
    #[error("it has no kid, and the server has more than one key")]
    NoKey,
    /// The key is for another algorithm.
    #[error("its key is for {key}, but it says {token}")]
    WrongAlgorithm {
        /// What the key is for.
        key: Algorithm,
        /// What the token says.
        token: String,
    },
    /// The signature is not by that key.
    #[error("its signature is wrong")]
    BadSignature,
    /// It has ended.
    #[error("it expired {0} s ago; get a new one")]
    Expired(u64),
    /// It has not begun.
    #[error("it is valid only in {0} s; check the clocks")]
    NotYetValid(u64),
    /// A claim that must be there is not.
    #[error("the claim {0:?} is missing")]
    Missing(&'static str),
    /// A claim that this version does not know.
    #[error("the claim {0:?} is unknown")]
    UnknownClaim(String),
    /// A claim with a value that makes no sense.
    #[error("the claim {claim:?} must be {expected}")]
    BadClaim {
        /// Which.
        claim: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It is for another room.
    #[error("it is for the room {0:?}")]
    WrongRoom(String),
    /// A LiveKit grant that does not allow joining.
    #[error("its grant does not allow joining: \"roomJoin\" is not true")]
    NoJoin,
    /// The token could not be signed.
    #[error("it could not be signed: {0}")]
    Sign(String),
}

/// A key whose signatures the server believes.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    alg: Algorithm,
    key: DecodingKey,
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

impl VerifyingKey {
    /// A key for one algorithm. `key` is the shared secret for HS256, otherwise the public key in PEM form. `kid` names it in the headers of tokens.
    pub fn new(kid: Option<&str>, alg: Algorithm, key: &str) -> Result<Self, KeyError> {
        let pem = |error: jsonwebtoken::errors::Error| KeyError::Pem { kind: "public", alg, reason: error.to_string() };
        let decoding = match alg {
            Algorithm::Hs256 if key.len() < MIN_SECRET_BYTES => return Err(KeyError::ShortSecret(key.len())),
            Algorithm::Hs256 => DecodingKey::from_secret(key.as_bytes()),
            Algorithm::Es256 => DecodingKey::from_ec_pem(key.as_bytes()).map_err(pem)?,
            Algorithm::EdDsa => DecodingKey::from_ed_pem(key.as_bytes()).map_err(pem)?,
        };
        Ok(Self { kid: kid.map(str::to_owned), alg, key: decoding })
    }
}

/// A key that signs.
pub struct SigningKey {
    kid: Option<String>,
    alg: Algorithm,
    key: EncodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).field("alg", &self.alg).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A key for one algorithm. `key` is the shared secret for HS256, otherwise the private key in PEM form (PKCS #8).
    pub fn new(kid: Option<&str>, alg: Algorithm, key: &str) -> Result<Self, KeyError> {
        let pem =
            |error: jsonwebtoken::errors::Error| KeyError::Pem { kind: "private", alg, reason: error.to_string() };
        let encoding = match alg {
            Algorithm::Hs256 if key.len() < MIN_SECRET_BYTES => return Err(KeyError::ShortSecret(key.len())),
            Algorithm::Hs256 => EncodingKey::from_secret(key.as_bytes()),
            Algorithm::Es256 => EncodingKey::from_ec_pem(key.as_bytes()).map_err(pem)?,
            Algorithm::EdDsa => EncodingKey::from_ed_pem(key.as_bytes()).map_err(pem)?,
        };
        Ok(Self { kid: kid.map(str::to_owned), alg, key: encoding })
    }
}

/// What to put into a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who it is, for the application. Somebody with a `sub` who is put out of a room stays out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The room, or with a `*` at the end all rooms whose names begin so.
    pub room: String,
    /// The role; guest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Permissions by name ([`Permissions::names`]), in place of those of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub can: Option<Vec<String>>,
    /// When it ends, in seconds since the Unix epoch.
    pub exp: u64,
    /// When it begins, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Anything, for the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
}

/// Makes a token, after a check that a server would accept its claims.
pub fn mint(key: &SigningKey, claims: &Claims) -> Result<String, TokenError> {
    let Ok(Value::Object(map)) = serde_json::to_value(claims) else { return Err(TokenError::Malformed) };
    read_own(&map)?;
    if !is_room_pattern(&claims.room) {
        return Err(bad_claim("room", ROOM_PATTERN));
    }
    let mut header = Header::new(key.alg.jwt());
    header.kid.clone_from(&key.kid);
    jsonwebtoken::encode(&header, claims, &key.key).map_err(|error| TokenError::Sign(error.to_string()))
}

/// What a valid token gives to its bearer.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Who it is, for the application.
    pub sub: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// Its role.
    pub role: Role,
    /// What it may do, where the token says so one by one.
    pub can: Option<Permissions>,
    /// When the token ends, in seconds since the Unix epoch.
    pub exp: u64,
    /// Anything, for the application.
    pub meta: Option<Value>,
}

/// The keys whose signatures the server believes.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of keys; their kids must differ.
    pub fn new(keys: Vec<VerifyingKey>) -> Result<Self, KeyError> {
        let mut seen = HashSet::new();
        for key in &keys {
            if !seen.insert(key.kid.as_deref()) {
                return Err(KeyError::Twice(key.kid.clone().unwrap_or_default()));
            }
        }
        Ok(Self { keys })
    }

    /// Whether there is no key, so that no token is ever valid.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Verifies a token for a room, at a time in seconds since the Unix epoch.
    pub fn verify(&self, token: &str, room: &str, unix_s: u64) -> Result<Grant, TokenError> {
        if token.len() > MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        let key = self.key_of(token)?;
        let mut validation = Validation::new(key.alg.jwt());
        // The clock is the caller's, and claims are read one by one below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims: Map<String, Value> = match jsonwebtoken::decode(token, &key.key, &validation) {
            Ok(data) => data.claims,
            Err(error) => {
                return Err(match error.kind() {
                    ErrorKind::InvalidSignature => TokenError::BadSignature,
                    _ => TokenError::Malformed,
                });
            }
        };
        let (pattern, grant) = match claims.contains_key("video") {
            true => read_livekit(&claims)?,
            false => read_own(&claims)?,
        };
        check_times(&claims, grant.exp, unix_s)?;
        match covers(&pattern, room) {
            true => Ok(grant),
            false => Err(TokenError::WrongRoom(pattern)),
        }
    }

    /// The key that a token's header names, if the header's algorithm is the key's.
    fn key_of(&self, token: &str) -> Result<&VerifyingKey, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| match is_jwt(token) {
            true => TokenError::UnknownAlgorithm,
            false => TokenError::Malformed,
        })?;
        let named = |kid: &str| self.keys.iter().find(|key| key.kid.as_deref() == Some(kid));
        let key = match (&header.kid, &self.keys[..]) {
            (Some(kid), _) => named(kid).ok_or_else(|| TokenError::UnknownKey(kid.clone()))?,
            (None, [only]) => only,
            // LiveKit's tokens name their key as the issuer.
            (None, _) => issuer(token).as_deref().and_then(named).ok_or(TokenError::NoKey)?,
        };
        match header.alg == key.alg.jwt() {
            true => Ok(key),
            false => Err(TokenError::WrongAlgorithm { key: key.alg, token: format!("{:?}", header.alg) }),
        }
    }
}

/// Whether a token has the three parts of a JWT, the first of them a JSON object in base64url: then it is the algorithm that was not understood.
fn is_jwt(token: &str) -> bool {
    // `{"` in base64url begins with `ey`.
    token.starts_with("ey") && token.split('.').count() == 3
}

/// The issuer that a token claims, not verified: good only for choosing the key that verifies it.
fn issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    jsonwebtoken::dangerous::insecure_decode_claims::<Issuer>(token).ok().map(|claims| claims.iss)
}

fn bad_claim(claim: &str, expected: &'static str) -> TokenError {
    TokenError::BadClaim { claim: claim.to_owned(), expected }
}

const ROOM_PATTERN: &str = "a room's name, or the beginning of one and `*`";

fn is_room_pattern(pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("") => true,
        Some(prefix) => RoomId::parse(&format!("{prefix}x")).is_some(),
        None => RoomId::parse(pattern).is_some(),
    }
}

fn covers(pattern: &str, room: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_suffix('*') {
        Some(prefix) => room.starts_with(prefix),
        None => room == pattern,
    }
}

fn check_times(claims: &Map<String, Value>, exp: u64, unix_s: u64) -> Result<(), TokenError> {
    if exp <= unix_s {
        return Err(TokenError::Expired(unix_s - exp));
    }
    match seconds(claims, "nbf")? {
        Some(nbf) if nbf > unix_s + LEEWAY_S => Err(TokenError::NotYetValid(nbf - unix_s)),
        _ => Ok(()),
    }
}

/// A time: a number of seconds, which may have a fraction (RFC 7519 §2).
fn seconds(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<u64>, TokenError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::Number(number)) => {
            let whole =
                number.as_u64().or_else(|| number.as_f64().filter(|s| (0.0..1e15).contains(s)).map(|s| s as u64));
            whole.map(Some).ok_or_else(|| bad_claim(claim, "a time in seconds since 1970"))
        }
        Some(_) => Err(bad_claim(claim, "a time in seconds since 1970")),
    }
}

fn text(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<String>, TokenError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad_claim(claim, "a text")),
    }
}

/// Claims of RFC 7519 §4.1 that say nothing to this server and do no harm.
const REGISTERED: [&str; 4] = ["iss", "aud", "iat", "jti"];

/// Reads the claims of our own tokens; with them, the rooms that they are for.
fn read_own(claims: &Map<String, Value>) -> Result<(String, Grant), TokenError> {
    const OWN: [&str; 8] = ["sub", "name", "room", "role", "can", "exp", "nbf", "meta"];
    for claim in claims.keys() {
        if !OWN.contains(&claim.as_str()) && !REGISTERED.contains(&claim.as_str()) {
            return Err(TokenError::UnknownClaim(claim.clone()));
        }
    }
    let room = text(claims, "room")?.ok_or(TokenError::Missing("room"))?;
    if !is_room_pattern(&room) {
        return Err(bad_claim("room", ROOM_PATTERN));
    }
    let role = match claims.get("role") {
        None => Role::Guest,
        Some(role) => Role::deserialize(role).map_err(|_| bad_claim("role", "host, speaker, guest or viewer"))?,
    };
    let can = match claims.get("can") {
        None => None,
        Some(names) => Some(read_can(names)?),
    };
    let exp = seconds(claims, "exp")?.ok_or(TokenError::Missing("exp"))?;
    let (sub, name) = (text(claims, "sub")?, text(claims, "name")?);
    Ok((room, Grant { sub, name, role, can, exp, meta: claims.get("meta").cloned() }))
}

fn read_can(names: &Value) -> Result<Permissions, TokenError> {
    let expected = "a list of permissions";
    let names = names.as_array().ok_or_else(|| bad_claim("can", expected))?;
    let mut can = Permissions::NONE;
    for name in names {
        let name = name.as_str().ok_or_else(|| bad_claim("can", expected))?;
        if !can.add(name) {
            return Err(TokenError::UnknownClaim(format!("can: {name}")));
        }
    }
    Ok(can)
}

/// LiveKit's `video` grant, as its token servers make it. What it can say and we cannot do is no reason to refuse it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VideoGrant {
    #[serde(default)]
    room: Option<String>,
    #[serde(default)]
    room_join: bool,
    #[serde(default)]
    room_admin: bool,
    #[serde(default = "yes")]
    can_publish: bool,
    #[serde(default = "yes")]
    can_subscribe: bool,
    #[serde(default = "yes")]
    can_publish_data: bool,
    #[serde(default)]
    can_publish_sources: Option<Vec<String>>,
    #[serde(default)]
    hidden: bool,
}

fn yes() -> bool {
    true
}

fn read_livekit(claims: &Map<String, Value>) -> Result<(String, Grant), TokenError> {
    const KNOWN: [&str; 9] = ["sub", "name", "exp", "nbf", "video", "metadata", "attributes", "kind", "sha256"];
    for claim in claims.keys() {
        if !KNOWN.contains(&claim.as_str()) && !REGISTERED.contains(&claim.as_str()) {
            return Err(TokenError::UnknownClaim(claim.clone()));
        }
    }
    let video = claims.get("video").ok_or(TokenError::Missing("video"))?;
    let video = VideoGrant::deserialize(video).map_err(|_| bad_claim("video", "a LiveKit grant"))?;
    if !video.room_join {
        return Err(TokenError::NoJoin);
    }
    let room = video.room.clone().filter(|room| RoomId::parse(room).is_some());
    let room = room.ok_or_else(|| bad_claim("video.room", "a room's name"))?;
    let role = if video.room_admin { Role::Host } else { Role::Guest };
    let exp = seconds(claims, "exp")?.ok_or(TokenError::Missing("exp"))?;
    let (sub, name) = (text(claims, "sub")?, text(claims, "name")?);
    let can = Some(livekit_permissions(&video, role));
    let meta = claims.get("metadata").cloned();
    Ok((room, Grant { name: name.or_else(|| sub.clone()), sub, role, can, exp, meta }))
}

fn livekit_permissions(video: &VideoGrant, role: Role) -> Permissions {
    let mut can = Permissions::of_role(role, Permissions::GUEST);
    let source = |name: &str| match &video.can_publish_sources {
        Some(sources) if !sources.is_empty() => sources.iter().any(|source| source.eq_ignore_ascii_case(name)),
        _ => true,
    };
    let rules = [
        (Permission::PublishMic, video.can_publish && source("microphone")),
        (Permission::PublishCam, video.can_publish && source("camera")),
        (Permission::PublishScreen, video.can_publish && source("screen_share")),
        (Permission::Subscribe, video.can_subscribe),
        (Permission::Data, video.can_publish_data),
        (Permission::Chat, video.can_publish_data),
        (Permission::File, video.can_publish_data),
        (Permission::Hidden, video.hidden),
    ];
    for (permission, given) in rules {
        can = if given { can.with(permission) } else { can.without(permission) };
    }
    can
}

#[cfg(test)]
mod tests;
