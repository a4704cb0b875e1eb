use serde_json::json;

use super::*;

const SECRET: &str = "a secret of at least thirty-two bytes";
const NOW: u64 = 1_800_000_000;

fn claims() -> Claims {
    Claims { room: "team".into(), exp: NOW + 60, ..Claims::default() }
}

fn signing() -> SigningKey {
    SigningKey::new(Some("k1"), Algorithm::Hs256, SECRET).unwrap()
}

fn keys() -> KeySet {
    KeySet::new(vec![VerifyingKey::new(Some("k1"), Algorithm::Hs256, SECRET).unwrap()]).unwrap()
}

/// A token with any claims at all, properly signed.
fn signed(claims: &Value) -> String {
    let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("k1".into());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn verify(claims: &Value) -> Result<Grant, TokenError> {
    keys().verify(&signed(claims), "team", NOW)
}

#[test]
fn what_is_minted_is_granted() {
    let claims = Claims {
        sub: Some("u1".into()),
        name: Some("Ann".into()),
        role: Some(Role::Host),
        meta: Some(json!({"team": 7})),
        nbf: Some(NOW),
        ..claims()
    };
    let grant = keys().verify(&mint(&signing(), &claims).unwrap(), "team", NOW).unwrap();
    let expected =
        Grant { sub: claims.sub, name: claims.name, role: Role::Host, can: None, exp: NOW + 60, meta: claims.meta };
    assert_eq!(grant, expected);
}

#[test]
fn each_algorithm_signs_and_verifies() {
    let pairs = [
        (
            Algorithm::Es256,
            include_str!("../../tests/keys/es256.private.pem"),
            include_str!("../../tests/keys/es256.public.pem"),
        ),
        (
            Algorithm::EdDsa,
            include_str!("../../tests/keys/eddsa.private.pem"),
            include_str!("../../tests/keys/eddsa.public.pem"),
        ),
    ];
    for (alg, private, public) in pairs {
        let token = mint(&SigningKey::new(None, alg, private).unwrap(), &claims()).unwrap();
        let keys = KeySet::new(vec![VerifyingKey::new(None, alg, public).unwrap()]).unwrap();
        assert!(keys.verify(&token, "team", NOW).is_ok(), "{alg}");
        let mut forged = token.clone().into_bytes();
        let at = token.rfind('.').unwrap() + 5;
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(
            keys.verify(&String::from_utf8(forged).unwrap(), "team", NOW),
            Err(TokenError::BadSignature),
            "{alg}"
        );
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    // {"alg":"none","kid":"k1"} . {"room":"team","role":"host","exp":1800000060} .
    let payload = signed(&json!({"room": "team", "role": "host", "exp": NOW + 60}));
    let payload = payload.split('.').nth(1).unwrap();
    let token = format!("eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{payload}.");
    assert_eq!(keys().verify(&token, "team", NOW), Err(TokenError::UnknownAlgorithm));
}

#[test]
fn a_public_key_is_not_taken_for_a_shared_secret() {
    // RFC 8725 §2.1: HS256 with the text of the ES256 public key as secret.
    let public = include_str!("../../tests/keys/es256.public.pem");
    let keys = KeySet::new(vec![VerifyingKey::new(Some("k1"), Algorithm::Es256, public).unwrap()]).unwrap();
    let forged = mint(&SigningKey::new(Some("k1"), Algorithm::Hs256, public).unwrap(), &claims()).unwrap();
    let refused = keys.verify(&forged, "team", NOW);
    assert_eq!(refused, Err(TokenError::WrongAlgorithm { key: Algorithm::Es256, token: "HS256".into() }));
}

#[test]
fn a_key_is_found_by_its_kid_only() {
    let other = "another secret of thirty-two bytes or more";
    let two = KeySet::new(vec![
        VerifyingKey::new(Some("k1"), Algorithm::Hs256, SECRET).unwrap(),
        VerifyingKey::new(Some("k2"), Algorithm::Hs256, other).unwrap(),
    ])
    .unwrap();
    let by = |kid: Option<&str>, secret| {
        let token = mint(&SigningKey::new(kid, Algorithm::Hs256, secret).unwrap(), &claims()).unwrap();
        two.verify(&token, "team", NOW).map(|grant| grant.exp)
    };
    assert_eq!(by(Some("k2"), other), Ok(NOW + 60));
    assert_eq!(by(Some("k1"), other), Err(TokenError::BadSignature));
    assert_eq!(by(Some("k3"), other), Err(TokenError::UnknownKey("k3".into())));
    assert_eq!(by(None, other), Err(TokenError::NoKey));
    assert_eq!(KeySet::default().verify(&signed(&json!({})), "team", NOW), Err(TokenError::UnknownKey("k1".into())));
}

#[test]
fn times_are_kept() {
    let with = |exp: Value, nbf: Value| verify(&json!({"room": "team", "exp": exp, "nbf": nbf}));
    assert_eq!(with(json!(NOW), json!(0)), Err(TokenError::Expired(0)));
    assert_eq!(with(json!(NOW - 5), json!(0)), Err(TokenError::Expired(5)));
    assert_eq!(with(json!(NOW + 600), json!(NOW + 100)), Err(TokenError::NotYetValid(100)));
    assert!(with(json!(NOW + 600), json!(NOW + LEEWAY_S)).is_ok());
    assert!(with(json!(NOW as f64 + 0.5 + 1.0), json!(0)).is_ok());
    assert!(matches!(with(json!("soon"), json!(0)), Err(TokenError::BadClaim { .. })));
    assert!(matches!(with(json!(-1), json!(0)), Err(TokenError::BadClaim { .. })));
    assert_eq!(verify(&json!({"room": "team"})), Err(TokenError::Missing("exp")));
}

#[test]
fn a_token_is_for_its_rooms_only() {
    let in_room = |pattern: &str, room: &str| {
        keys().verify(&signed(&json!({"room": pattern, "exp": NOW + 60})), room, NOW).map(|_| ())
    };
    assert_eq!(in_room("team", "team"), Ok(()));
    assert_eq!(in_room("TEAM", "team"), Ok(()));
    assert_eq!(in_room("team", "team-2"), Err(TokenError::WrongRoom("team".into())));
    assert_eq!(in_room("team-*", "team-2"), Ok(()));
    assert_eq!(in_room("team-*", "team"), Err(TokenError::WrongRoom("team-*".into())));
    assert_eq!(in_room("*", "anything"), Ok(()));
    for bad in ["", "a*b", "a/*", "**"] {
        assert_eq!(in_room(bad, "team"), Err(bad_claim("room", ROOM_PATTERN)), "{bad:?}");
    }
    assert_eq!(verify(&json!({"exp": NOW + 60})), Err(TokenError::Missing("room")));
}

#[test]
fn an_unknown_claim_is_refused_by_name_and_registered_ones_are_not() {
    let with = |claim: &str, value: Value| {
        let mut claims = json!({"room": "team", "exp": NOW + 60});
        claims[claim] = value;
        verify(&claims).map(|_| ())
    };
    assert_eq!(with("rooms", json!("x")), Err(TokenError::UnknownClaim("rooms".into())));
    assert_eq!(with("role", json!("boss")), Err(bad_claim("role", "host, speaker, guest or viewer")));
    assert_eq!(with("can", json!(["chat", "fly"])), Err(TokenError::UnknownClaim("can: fly".into())));
    assert_eq!(with("sub", json!(7)), Err(bad_claim("sub", "a text")));
    for registered in REGISTERED {
        assert_eq!(with(registered, json!("x")), Ok(()), "{registered}");
    }
}

#[test]
fn permissions_by_name_stand_in_place_of_the_roles() {
    let grant = verify(&json!({"room": "team", "exp": NOW + 60, "can": ["subscribe", "publish:mic"]})).unwrap();
    let can = grant.can.unwrap();
    assert!(can.has(Permission::PublishMic) && !can.has(Permission::PublishCam) && !can.has(Permission::Chat));
}

#[test]
fn a_livekit_token_is_understood() {
    let token = json!({
        "iss": "k1", "sub": "u1", "name": "Ann", "exp": NOW + 60, "nbf": 0, "metadata": "x",
        "video": {"room": "team", "roomJoin": true, "canPublish": true, "canPublishSources": ["microphone"], "canSubscribe": true, "canPublishData": false, "hidden": true},
    });
    let grant = verify(&token).unwrap();
    let can = grant.can.unwrap();
    assert_eq!((grant.name.as_deref(), grant.role), (Some("Ann"), Role::Guest));
    assert!(can.has(Permission::PublishMic) && can.has(Permission::Subscribe) && can.has(Permission::Hidden));
    assert!(!can.has(Permission::PublishCam) && !can.has(Permission::Chat));
    let admin =
        verify(&json!({"exp": NOW + 60, "video": {"room": "team", "roomJoin": true, "roomAdmin": true}})).unwrap();
    assert!(admin.role == Role::Host && admin.can.unwrap().has(Permission::Kick));
    let no_join = json!({"exp": NOW + 60, "video": {"room": "team"}});
    assert_eq!(verify(&no_join), Err(TokenError::NoJoin));
    let elsewhere = json!({"exp": NOW + 60, "video": {"room": "other", "roomJoin": true}});
    assert_eq!(verify(&elsewhere), Err(TokenError::WrongRoom("other".into())));
}

#[test]
fn a_livekit_token_names_its_key_as_issuer() {
    let keys = KeySet::new(vec![
        VerifyingKey::new(Some("api1"), Algorithm::Hs256, SECRET).unwrap(),
        VerifyingKey::new(Some("api2"), Algorithm::Hs256, "another secret of thirty-two bytes or more").unwrap(),
    ])
    .unwrap();
    let claims = json!({"iss": "api1", "exp": NOW + 60, "video": {"room": "team", "roomJoin": true}});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), &claims, &key).unwrap();
    assert!(keys.verify(&token, "team", NOW).is_ok());
}

#[test]
fn keys_that_cannot_work_say_why() {
    assert_eq!(VerifyingKey::new(None, Algorithm::Hs256, "short").unwrap_err(), KeyError::ShortSecret(5));
    assert!(matches!(VerifyingKey::new(None, Algorithm::Es256, "no PEM").unwrap_err(), KeyError::Pem { .. }));
    assert!(matches!(SigningKey::new(None, Algorithm::EdDsa, "no PEM").unwrap_err(), KeyError::Pem { .. }));
    assert_eq!("RS256".parse::<Algorithm>(), Err(KeyError::Algorithm("RS256".into())));
    let key = || VerifyingKey::new(Some("k"), Algorithm::Hs256, SECRET).unwrap();
    assert_eq!(KeySet::new(vec![key(), key()]).unwrap_err(), KeyError::Twice("k".into()));
}

#[test]
fn rubbish_is_not_a_token() {
    for rubbish in ["", ".", "..", "a.b.c", "ey.ey.ey", &"x".repeat(9000), "é.é.é"] {
        assert!(keys().verify(rubbish, "team", NOW).is_err(), "{rubbish:?}");
    }
    let token = mint(&signing(), &claims()).unwrap();
    for end in 0..token.len() {
        assert!(keys().verify(&token[..end], "team", NOW).is_err());
    }
}

#[test]
fn a_token_that_no_server_would_take_is_not_minted() {
    let with_room = |room: &str| mint(&signing(), &Claims { room: room.into(), ..claims() });
    assert!(with_room("a/b").is_err());
    let can = Some(vec!["fly".to_owned()]);
    assert_eq!(mint(&signing(), &Claims { can, ..claims() }), Err(TokenError::UnknownClaim("can: fly".into())));
}
