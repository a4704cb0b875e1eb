//! The keys of tokens: those of the configuration, or one that the server makes for itself.

use std::path::{Path, PathBuf};

use parlour_signaling::token::{Algorithm, KeyError, KeySet, SigningKey, VerifyingKey};

use crate::config::{Config, JwtAlgorithm, JwtKey};
use crate::tls::TlsError;
use crate::tls::store::{self, Access};

/// The file of the server's own key in the data directory: an HS256 secret.
const FILE: &str = "token-key";
/// The `kid` of that key.
const OWN_KID: &str = "local";

/// Why tokens cannot be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// The file of the server's own key cannot be used.
    #[error(transparent)]
    File(#[from] TlsError),
    /// A key of the configuration cannot be used.
    #[error("the key {kid:?} of auth.jwt cannot be used: {source}")]
    Key {
        /// Which one.
        kid: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Two keys cannot be told apart.
    #[error("the keys of auth.jwt cannot be used together: {0}")]
    Set(KeyError),
    /// There is no key to sign with by this name.
    #[error("there is no key with the kid {0:?}; there are: {1}")]
    NoSuchKey(String, String),
    /// The key can only check.
    #[error("the key {0:?} is a public key, which cannot sign")]
    PublicOnly(String),
}

/// The keys that tokens are checked with. Makes the server's own key if the configuration has none.
pub fn verifying(config: &Config) -> Result<KeySet, TokenKeyError> {
    let keys = keys(config)?;
    let verifying = keys.iter().map(|key| {
        let public = public_part(key);
        let public = public.as_deref().unwrap_or(key.key.expose());
        VerifyingKey::new(Some(&key.kid), algorithm(key.alg), public).map_err(|source| key_error(key, source))
    });
    KeySet::new(verifying.collect::<Result<_, _>>()?).map_err(TokenKeyError::Set)
}

/// The key to sign a token with: the one named, or the first that can sign.
pub fn signing(config: &Config, kid: Option<&str>) -> Result<SigningKey, TokenKeyError> {
    let keys = keys(config)?;
    let key = match kid {
        Some(kid) => keys.iter().find(|key| key.kid == kid),
        None => keys.iter().find(|key| can_sign(key)).or(keys.first()),
    };
    let Some(key) = key else {
        let kids: Vec<&str> = keys.iter().map(|key| key.kid.as_str()).collect();
        return Err(TokenKeyError::NoSuchKey(kid.unwrap_or_default().to_owned(), kids.join(", ")));
    };
    if !can_sign(key) {
        return Err(TokenKeyError::PublicOnly(key.kid.clone()));
    }
    SigningKey::new(Some(&key.kid), algorithm(key.alg), key.key.expose()).map_err(|source| key_error(key, source))
}

fn keys(config: &Config) -> Result<Vec<JwtKey>, TokenKeyError> {
    if !config.auth.jwt.is_empty() {
        return Ok(config.auth.jwt.clone());
    }
    let key = crate::config::Secret::new(own_secret(&config.data)?);
    Ok(vec![JwtKey { kid: OWN_KID.into(), alg: JwtAlgorithm::Hs256, key }])
}

fn own_secret(data: &Path) -> Result<String, TokenKeyError> {
    let path: PathBuf = data.join(FILE);
    if let Some(text) = store::read(&path)? {
        let secret = text.trim();
        if secret.len() < parlour_signaling::token::MIN_SECRET_BYTES {
            return Err(TlsError::Damaged { path, reason: "it is too short for a key".into() }.into());
        }
        return Ok(secret.to_owned());
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| TlsError::Crypto(error.to_string()))?;
    let secret = crate::tls::hex(&bytes);
    store::create_dir(data)?;
    store::write(&path, &format!("{secret}\n"), Access::Private)?;
    Ok(secret)
}

fn can_sign(key: &JwtKey) -> bool {
    key.alg == JwtAlgorithm::Hs256 || key.key.expose().contains("PRIVATE KEY-----")
}

/// The public key of a key pair, in PEM; `None` if it is a public key or a secret already.
fn public_part(key: &JwtKey) -> Option<String> {
    if key.alg == JwtAlgorithm::Hs256 || !can_sign(key) {
        return None;
    }
    rcgen::KeyPair::from_pem(key.key.expose()).ok().map(|pair| pair.public_key_pem())
}

fn algorithm(alg: JwtAlgorithm) -> Algorithm {
    match alg {
        JwtAlgorithm::Hs256 => Algorithm::Hs256,
        JwtAlgorithm::Es256 => Algorithm::Es256,
        JwtAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}

fn key_error(key: &JwtKey, source: KeyError) -> TokenKeyError {
    TokenKeyError::Key { kid: key.kid.clone(), source }
}

#[cfg(test)]
mod tests {
    use parlour_signaling::token::{Claims, mint};

    use super::*;
    use crate::config::Secret;

    fn config(data: &Path, jwt: Vec<JwtKey>) -> Config {
        let mut config = Config { data: data.to_owned(), ..Config::default() };
        config.auth.jwt = jwt;
        config
    }

    fn key(kid: &str, alg: JwtAlgorithm, key: &str) -> JwtKey {
        JwtKey { kid: kid.into(), alg, key: Secret::new(key) }
    }

    fn round_trip(config: &Config, kid: Option<&str>) {
        let claims = Claims { room: "team".into(), exp: 2_000, ..Claims::default() };
        let token = mint(&signing(config, kid).unwrap(), &claims).unwrap();
        assert_eq!(verifying(config).unwrap().verify(&token, "team", 1_000).unwrap().exp, 2_000);
    }

    #[test]
    fn without_keys_the_server_makes_one_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(&dir.path().join("data"), Vec::new());
        round_trip(&config, None);
        let secret = std::fs::read(config.data.join(FILE)).unwrap();
        round_trip(&config, Some("local"));
        assert_eq!(std::fs::read(config.data.join(FILE)).unwrap(), secret);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(config.data.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(config.data.join(FILE), "short").unwrap();
        assert!(verifying(&config).unwrap_err().to_string().contains("is damaged"));
    }

    #[test]
    fn a_private_key_both_signs_and_checks() {
        let dir = tempfile::tempdir().unwrap();
        let es = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let ed = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let keys = vec![
            key("es", JwtAlgorithm::Es256, &es.serialize_pem()),
            key("ed", JwtAlgorithm::EdDsa, &ed.serialize_pem()),
            key("hs", JwtAlgorithm::Hs256, &"s".repeat(32)),
        ];
        let config = config(dir.path(), keys);
        for kid in ["es", "ed", "hs"] {
            round_trip(&config, Some(kid));
        }
        assert!(!dir.path().join(FILE).exists());
        assert!(signing(&config, Some("no")).unwrap_err().to_string().contains("there are: es, ed, hs"));
    }

    #[test]
    fn a_public_key_checks_only() {
        let dir = tempfile::tempdir().unwrap();
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let config = config(dir.path(), vec![key("es", JwtAlgorithm::Es256, &pair.public_key_pem())]);
        assert!(verifying(&config).is_ok());
        assert!(matches!(signing(&config, None), Err(TokenKeyError::PublicOnly(kid)) if kid == "es"));
    }
}
