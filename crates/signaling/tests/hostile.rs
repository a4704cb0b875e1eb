//! What clients send that no client should.

mod support;

use std::time::Duration;

use parlour_signaling::message::{ErrorCode, PeerId, RoomId};
use parlour_signaling::token::{Algorithm, Claims, KeySet, SigningKey, VerifyingKey, mint};
use parlour_signaling::{Auth, Event, HubConfig, RoomOptions};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{EPOCH_MS, Seen, World, config};

const HELLO: &str = r#"{"t":"hello","v":1,"room":"team","name":"X","caps":["a"],"media":{"mic":true}}"#;

/// One well-formed message of each kind, towards Ben.
fn one_of_each() -> Vec<String> {
    let ben = "ben2222222222222";
    [
        json!({"t": "sdp", "seq": 1, "id": 1, "pc": format!("p:{ben}"), "gen": 0, "kind": "offer", "sdp": "v=0\r\n\u{e9}\"\\"}),
        json!({"t": "ice", "seq": 2, "id": 2, "pc": format!("p:{ben}"), "gen": 4294967295u32, "cand": {"candidate": "x"}}),
        json!({"t": "restart", "seq": 3, "pc": format!("p:{ben}"), "gen": 0}),
        json!({"t": "set", "seq": 4, "name": "Y", "mic": true, "cam": false, "screen": true}),
        json!({"t": "hand", "seq": 5, "on": false, "peer": ben}),
        json!({"t": "reaction", "seq": 6, "emoji": "👋"}),
        json!({"t": "chat", "seq": 7, "text": "hi", "to": ben}),
        json!({"t": "msg", "seq": 8, "to": ben, "topic": "x", "data": [1, {"a": null}]}),
        json!({"t": "admit", "seq": 9, "peer": ben, "ok": true}),
        json!({"t": "lock", "seq": 10, "on": true}),
        json!({"t": "settings", "seq": 11, "waiting_room": false, "chat_history": true}),
        json!({"t": "role", "seq": 12, "peer": ben, "role": "speaker"}),
        json!({"t": "kick", "seq": 13, "peer": ben, "reason": "r"}),
        json!({"t": "ask_mute", "seq": 14, "peer": ben, "source": "mic"}),
        json!({"t": "auth", "seq": 15, "token": "ey.ey.ey"}),
        json!({"t": "stats", "seq": 16, "pairs": [{"peer": ben, "path": "host", "proto": "udp", "rtt_ms": 1, "loss": 0.5, "quality": 99}]}),
        json!({"t": "ping", "ack": 0}),
        json!({"t": "end", "seq": 17}),
        json!({"t": "bye", "seq": 18}),
    ]
    .iter()
    .map(Value::to_string)
    .collect()
}

fn two() -> World {
    let mut world = World::new();
    join(&mut world, "ann");
    join(&mut world, "ben");
    world
}

fn join(world: &mut World, name: &str) -> Vec<(String, Seen)> {
    world.connect(name);
    world.send(name, &HELLO.replace('X', name));
    world.seen()
}

fn texts(seen: &[(String, Seen)], name: &str) -> Vec<Value> {
    let own = seen.iter().filter(|(to, _)| to == name);
    own.filter_map(|(_, seen)| match seen {
        Seen::Text(text) => Some(serde_json::from_str(text).unwrap()),
        Seen::Closed(..) => None,
    })
    .collect()
}

fn closed(seen: &[(String, Seen)], name: &str) -> Option<(u16, &'static str)> {
    seen.iter().find_map(|(to, seen)| match seen {
        Seen::Closed(code, reason) if to == name => Some((*code, *reason)),
        _ => None,
    })
}

/// Ann and Ben can still talk.
fn assert_the_call_goes_on(world: &mut World, seq: u64) {
    world.seen();
    world.send("ann", &json!({"t": "chat", "seq": seq, "text": "still here"}).to_string());
    let seen = world.seen();
    assert!(texts(&seen, "ben").iter().any(|m| m["message"]["text"] == "still here"), "{seen:?}");
}

#[test]
fn a_message_cut_at_any_byte_harms_nobody() {
    for text in one_of_each().into_iter().chain([HELLO.to_owned()]) {
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            let mut world = two();
            join(&mut world, "cem");
            world.send("cem", &text[..end]);
            let seen = world.seen();
            assert_eq!(closed(&seen, "cem"), Some((4000, "bad_message")), "{}", &text[..end]);
            assert_the_call_goes_on(&mut world, 1);
        }
    }
}

#[test]
fn a_first_message_cut_at_any_byte_is_refused() {
    for end in 0..HELLO.len() {
        let mut world = two();
        world.connect("cem");
        world.send("cem", &HELLO[..end]);
        assert_eq!(closed(&world.seen(), "cem"), Some((4000, "bad_message")));
        assert_eq!(world.hub.connection_count(), 2);
    }
}

#[test]
fn every_field_of_the_wrong_type_is_answered() {
    for text in one_of_each() {
        let message: Value = serde_json::from_str(&text).unwrap();
        for field in message
            .as_object()
            .unwrap()
            .keys()
            .filter(|field| !["t", "seq", "id", "sdp", "cand", "data"].contains(&field.as_str()))
        {
            for wrong in [
                json!({"x": []}),
                json!(-1),
                json!("\u{0}"),
                json!(1e300),
                json!([[[]]]),
                json!(18446744073709551615u64),
            ] {
                let mut world = two();
                let mut bad = message.clone();
                bad[field] = wrong;
                bad["id"] = json!(77);
                world.send("ann", &bad.to_string());
                let seen = world.seen();
                let replies = texts(&seen, "ann").into_iter().filter(|m| m["re"] == 77).count();
                let gone = closed(&seen, "ann").is_some();
                assert!(replies == 1 || gone, "{bad} was answered {replies} times");
            }
        }
    }
}

#[test]
fn deep_nesting_and_huge_numbers_are_refused_or_passed_over() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    for text in [
        format!(r#"{{"t":"msg","seq":1,"id":1,"topic":"x","data":{deep}}}"#),
        format!(r#"{{"t":"sdp","seq":1,"id":1,"pc":{deep},"gen":0,"kind":"offer","sdp":""}}"#),
        format!(r#"{{"t":"ice","seq":1,"id":1,"pc":"p:ben2222222222222","gen":0,"cand":{{"x":{deep}}}}}"#),
        r#"{"t":"sdp","seq":1,"id":1,"pc":"p:ben2222222222222","gen":99999999999,"kind":"offer","sdp":""}"#.to_owned(),
        r#"{"t":"msg","seq":1,"id":1,"topic":"x","data":"\udfff"}"#.to_owned(),
        r#"{"t":"chat","seq":1,"id":1,"text":"\ud800"}"#.to_owned(),
    ] {
        let mut world = two();
        world.send("ann", &text);
        let seen = world.seen();
        assert_eq!(texts(&seen, "ann")[0]["code"], "bad_message", "{}", &text[..80]);
        assert!(texts(&seen, "ben").is_empty());
    }
    // An unknown field may hold anything; nobody looks at it.
    let mut world = two();
    world.send("ann", &format!(r#"{{"t":"chat","seq":1,"text":"hi","x":{deep},"y":1e999}}"#));
    assert_the_call_goes_on(&mut world, 2);
}

#[test]
fn a_message_that_is_too_long_costs_the_connection() {
    let mut world = two();
    join(&mut world, "cem");
    world.send("cem", &format!(r#"{{"t":"msg","topic":"x","data":"{}"}}"#, "x".repeat(64 << 10)));
    let seen = world.seen();
    assert_eq!(closed(&seen, "cem"), Some((1009, "too_large")));
    assert!(texts(&seen, "ann").iter().any(|m| m["op"] == "del" && m["why"] == "misbehaved"));
    assert_the_call_goes_on(&mut world, 1);
    // Also before hello, and when the socket found it.
    world.connect("eve");
    world.send("eve", &"x".repeat(70_000));
    assert_eq!(closed(&world.seen(), "eve"), Some((1009, "too_large")));
    join(&mut world, "fay");
    let (now, conn) = (world.now(), world.conn("fay"));
    world.hub.refuse_and_close(now, conn, ErrorCode::TooLarge);
    assert_eq!(closed(&world.seen(), "fay"), Some((1009, "too_large")));
}

#[test]
fn a_client_that_talks_too_fast_is_cut_off_only_after_ten_seconds_of_it() {
    let mut world = two();
    join(&mut world, "cem");
    let mut cut_off = None;
    for ms in 0..20_000 {
        // A thousand messages a second, twenty times what is allowed.
        world.send("cem", r#"{"t":"reaction","emoji":"x"}"#);
        if let Some(how) = closed(&world.seen(), "cem") {
            cut_off = Some((ms, how));
            break;
        }
        world.pass(Duration::from_millis(1));
    }
    let (ms, how) = cut_off.expect("it is cut off in the end");
    assert_eq!(how, (4000, "rate"));
    assert!((10_000..11_000).contains(&ms), "after {ms} ms");
    assert_the_call_goes_on(&mut world, 1);
}

#[test]
fn a_flood_is_cut_off_while_the_call_goes_on() {
    let mut world = two();
    join(&mut world, "cem");
    let mut sent = 0;
    let mut heard = 0;
    let cut_off = loop {
        world.send("cem", r#"{"t":"reaction","emoji":"x"}"#);
        sent += 1;
        let seen = world.seen();
        heard += texts(&seen, "ann").iter().filter(|m| m["t"] == "reaction").count();
        if let Some(how) = closed(&seen, "cem") {
            break how;
        }
        assert!(sent < 100_000, "nobody stops the flood");
    };
    assert_eq!(cut_off, (4000, "rate"));
    assert_eq!(heard, 200, "only the burst got through");
    assert_the_call_goes_on(&mut world, 1);
}

#[test]
fn numbers_seen_before_are_dropped_and_huge_ones_do_not_wrap() {
    let mut world = two();
    for _ in 0..3 {
        world.send("ann", r#"{"t":"chat","seq":5,"id":1,"text":"once"}"#);
    }
    world.send("ann", r#"{"t":"chat","seq":4,"id":1,"text":"late"}"#);
    let seen = world.seen();
    assert_eq!(texts(&seen, "ben").iter().filter(|m| m["t"] == "chat").count(), 1);
    assert_eq!(texts(&seen, "ann").iter().filter(|m| m["t"] == "ok").count(), 1);
    world.send("ann", r#"{"t":"chat","seq":9007199254740991,"text":"last"}"#);
    world.send("ann", r#"{"t":"ping","ack":18446744073709551615}"#);
    assert_eq!(texts(&world.seen(), "ben").len(), 1);
    assert_eq!(closed(&world.seen(), "ann"), None);
}

#[test]
fn ids_of_other_rooms_and_of_ones_own_reach_nobody() {
    let mut world = two();
    world.connect("eve");
    world.send("eve", &HELLO.replace("team", "elsewhere"));
    world.seen();
    let mut seq = 0;
    for peer in ["ann2222222222222", "ben2222222222222", "eve2222222222222", "", "x", "sessionofann2222", "\u{0}"] {
        for kind in [
            json!({"t": "sdp", "pc": format!("p:{peer}"), "gen": 0, "kind": "offer", "sdp": ""}),
            json!({"t": "chat", "text": "x", "to": peer}),
            json!({"t": "msg", "topic": "x", "data": 1, "to": peer}),
            json!({"t": "kick", "peer": peer}),
            json!({"t": "admit", "peer": peer, "ok": true}),
            json!({"t": "ask_mute", "peer": peer, "source": "mic"}),
        ] {
            seq += 1;
            let mut message = kind;
            message["seq"] = json!(seq);
            message["id"] = json!(seq);
            world.send("eve", &message.to_string());
            let seen = world.seen();
            assert_eq!(texts(&seen, "eve")[0]["code"], "no_such_peer", "{message}");
            assert_eq!(seen.len(), 1);
        }
    }
}

#[test]
fn a_session_is_taken_up_by_nobody_else() {
    let mut world = two();
    let resume = |sid: &str, secret: &str, room: &str| {
        json!({"t": "hello", "v": 1, "room": room, "resume": {"sid": sid, "secret": secret, "last": 0}}).to_string()
    };
    let right = "secretofann222222222222222222222";
    for (sid, secret, room) in [
        ("sessionofann2222", "", "team"),
        ("sessionofann2222", "secretofben222222222222222222222", "team"),
        ("sessionofann2222", right, "another"),
        ("ann2222222222222", right, "team"),
        ("", right, "team"),
    ] {
        world.connect("eve");
        world.send("eve", &resume(sid, secret, room));
        let seen = world.seen();
        let welcome = &texts(&seen, "eve")[0];
        assert_eq!(welcome["resumed"], false);
        assert_ne!(welcome["sid"], "sessionofann2222");
        assert_eq!(closed(&seen, "ann"), None);
        world.cut("eve");
        world.seen();
    }
    // A `last` that the server never sent gets a snapshot and breaks nothing.
    world.connect("anna");
    world.send(
        "anna",
        &resume("sessionofann2222", right, "team").replace("\"last\":0", "\"last\":18446744073709551615"),
    );
    let seen = world.seen();
    assert_eq!(texts(&seen, "anna")[0]["resumed"], false);
    assert_eq!(closed(&seen, "ann"), Some((4001, "replaced")));
    world.send("ben", r#"{"t":"chat","seq":1,"text":"hi"}"#);
    assert_eq!(texts(&world.seen(), "anna").len(), 1);
}

const SECRET: &str = "a secret of at least thirty-two bytes";

fn with_tokens() -> HubConfig {
    let key = VerifyingKey::new(None, Algorithm::Hs256, SECRET).unwrap();
    HubConfig { auth: Auth::Token(KeySet::new(vec![key]).unwrap()), ..config() }
}

fn token(claims: Claims) -> String {
    mint(&SigningKey::new(None, Algorithm::Hs256, SECRET).unwrap(), &claims).unwrap()
}

fn claims(sub: &str, seconds: u64) -> Claims {
    Claims {
        sub: Some(sub.into()),
        name: Some(sub.into()),
        room: "team".into(),
        exp: EPOCH_MS / 1000 + seconds,
        ..Claims::default()
    }
}

fn join_by_token(world: &mut World, name: &str, token: &str) -> Vec<(String, Seen)> {
    world.connect(name);
    world.send(name, &json!({"t": "hello", "v": 1, "room": "team", "name": "Fake", "token": token}).to_string());
    world.seen()
}

#[test]
fn tokens_decide_who_enters_and_as_what() {
    let mut world = World::with(with_tokens());
    assert_eq!(closed(&join(&mut world, "ann"), "ann"), Some((4000, "token_required")));
    assert_eq!(closed(&join_by_token(&mut world, "ann", "ey.ey.ey"), "ann"), Some((4000, "bad_token")));
    let guest = join_by_token(&mut world, "ben", &token(claims("ben", 600)));
    let you = &texts(&guest, "ben")[0]["snapshot"]["you"];
    assert_eq!(
        (&you["role"], &you["name"]),
        (&json!("guest"), &json!("ben")),
        "the first is not host, and the name is the token's"
    );
    let host = Claims { role: Some(parlour_signaling::message::Role::Host), ..claims("ann", 600) };
    join_by_token(&mut world, "ann", &token(host.clone()));
    // The host leaves; nobody inherits the role.
    world.send("ann", r#"{"t":"bye","seq":1}"#);
    world.pass(Duration::from_secs(20));
    assert!(texts(&world.seen(), "ben").iter().all(|m| m["peer"]["role"] != "host" || m["op"] == "del"));
    // A host enters a locked room, and puts Ben out; he does not get in again with his token.
    let now = world.now();
    world.hub.lock(now, &RoomId("team".into()), true);
    assert_eq!(
        closed(&join_by_token(&mut world, "cem", &token(claims("cem", 600))), "cem"),
        Some((4000, "room_locked"))
    );
    assert_eq!(closed(&join_by_token(&mut world, "ann", &token(host)), "ann"), None);
    world.send("ann", r#"{"t":"kick","seq":1,"peer":"ben2222222222222"}"#);
    world.send("ann", r#"{"t":"lock","seq":2,"on":false}"#);
    world.seen();
    assert_eq!(
        closed(&join_by_token(&mut world, "ben", &token(claims("ben", 600))), "ben"),
        Some((4000, "not_permitted"))
    );
}

#[test]
fn a_token_ends_and_can_be_exchanged_for_a_newer_one() {
    let mut world = World::with(with_tokens());
    join_by_token(&mut world, "ann", &token(claims("ann", 20)));
    join_by_token(&mut world, "ben", &token(claims("ben", 20)));
    let auth = |seq: u64, token: &str| json!({"t": "auth", "seq": seq, "id": seq, "token": token}).to_string();
    world.send("ann", &auth(1, &token(claims("ben", 600))));
    assert_eq!(texts(&world.seen(), "ann")[0]["code"], "bad_token", "somebody else's");
    world.send("ann", &auth(2, &token(claims("ann", 600))));
    assert!(texts(&world.seen(), "ann").iter().any(|m| m["re"] == 2 && m["t"] == "ok"));
    world.pass(Duration::from_secs(19));
    assert_eq!(closed(&world.seen(), "ben"), None);
    world.pass(Duration::from_secs(1));
    let seen = world.seen();
    assert_eq!(closed(&seen, "ben"), Some((4001, "expired")));
    assert_eq!(closed(&seen, "ann"), None);
    assert!(texts(&seen, "ann").iter().any(|m| m["op"] == "del" && m["why"] == "expired"));
}

#[test]
fn hidden_ones_are_not_seen_and_cannot_speak() {
    let mut world = World::with(with_tokens());
    join_by_token(&mut world, "ann", &token(claims("ann", 600)));
    let can = Some(vec!["subscribe".to_owned(), "hidden".to_owned(), "data".to_owned(), "chat".to_owned()]);
    let seen = join_by_token(&mut world, "rec", &token(Claims { can, ..claims("rec", 600) }));
    assert!(texts(&seen, "ann").is_empty());
    world.send("rec", r#"{"t":"chat","seq":1,"id":1,"text":"boo"}"#);
    let seen = world.seen();
    assert_eq!(texts(&seen, "rec")[0]["code"], "not_permitted");
    world.send("ann", r#"{"t":"sdp","seq":1,"id":1,"pc":"p:rec2222222222222","gen":0,"kind":"offer","sdp":""}"#);
    assert_eq!(texts(&world.seen(), "ann")[0]["code"], "no_such_peer");
    world.send("rec", r#"{"t":"bye","seq":2}"#);
    assert!(texts(&world.seen(), "ann").is_empty());
}

#[test]
fn the_owner_of_the_server_can_do_what_hosts_can() {
    let mut world = two();
    let (now, room) = (world.now(), RoomId("team".into()));
    assert_eq!(world.hub.rooms().len(), 1);
    assert_eq!(world.hub.peers(&room).unwrap().len(), 2);
    assert!(world.hub.put_room(now, &room, RoomOptions { waiting_room: Some(true), ..RoomOptions::default() }));
    join(&mut world, "cem");
    assert!(world.hub.admit(now, &room, &PeerId("cem2222222222222".into())));
    assert!(!world.hub.admit(now, &room, &PeerId("cem2222222222222".into())));
    assert!(world.hub.kick(now, &room, &PeerId("ben2222222222222".into()), Some("Enough")));
    let seen = world.seen();
    assert_eq!(closed(&seen, "ben"), Some((4001, "kicked")));
    assert!(world.hub.end(now, &room));
    assert_eq!(closed(&world.seen(), "ann"), Some((4001, "ended")));
    assert!(world.room("team").is_none() && !world.hub.end(now, &room));
}

#[test]
fn refusals_and_joins_are_told_to_the_owner() {
    let mut world = two();
    world.connect("eve");
    world.send("eve", "{}");
    world.seen();
    let refused = |e: &Event| matches!(e, Event::Refused { code: ErrorCode::BadMessage, fatal: true, addr: Some(_) });
    assert_eq!(world.events.iter().filter(|e| refused(e)).count(), 1);
    assert_eq!(world.events.iter().filter(|e| matches!(e, Event::Joined { .. })).count(), 2);
    assert_eq!(world.events.iter().filter(|e| matches!(e, Event::SessionChanged { .. })).count(), 2);
}

proptest! {
    #[test]
    fn random_text_never_breaks_the_hub(texts in prop::collection::vec("\\PC{0,60}", 1..10)) {
        let mut world = two();
        for text in texts {
            join(&mut world, "cem");
            world.send("cem", &text);
            world.seen();
        }
        assert_the_call_goes_on(&mut world, 1);
    }

    #[test]
    fn messages_with_changed_bytes_never_break_the_hub(which in 0usize..19, at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut world = two();
        join(&mut world, "cem");
        let text = one_of_each().remove(which);
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            world.send("cem", text);
        }
        world.pass(Duration::from_secs(120));
        world.seen();
        world.pass(Duration::from_secs(3600));
        prop_assert_eq!((world.hub.room_count(), world.hub.session_count(), world.hub.connection_count()), (0, 0, 0));
        prop_assert_eq!(world.hub.poll_timeout(), None);
    }
}
