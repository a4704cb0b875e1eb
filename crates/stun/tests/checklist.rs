//! The requirements on a STUN codec, S1 to S17, one test each; and the inputs that break parsers.

use parlour_stun::attribute::*;
use parlour_stun::*;
use std::time::{Duration, Instant};

const ID: TransactionId = TransactionId(*b"abcdefghijkl");

fn build(class: Class, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, class, method, ID);
    fill(&mut writer);
    writer.finish().unwrap();
    out
}

fn binding(fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    build(Class::Request, Method::BINDING, fill)
}

/// A raw attribute, to place where a writer would not.
fn raw(kind: AttributeType, value: &[u8]) -> Vec<u8> {
    let mut bytes = [kind.0.to_be_bytes(), (value.len() as u16).to_be_bytes()].concat();
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn fix_length(bytes: &mut [u8]) {
    let length = (bytes.len() - 20) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
}

#[test]
fn s1_only_a_well_formed_header_is_a_message() {
    let good = binding(|_| {});
    assert_eq!(good.len(), 20);
    assert!(Message::parse(&good).is_ok());
    for (at, value) in [(0, 0x40), (0, 0x80), (0, 0xC0), (4, 0x20), (7, 0x43), (2, 1), (3, 4), (3, 3), (3, 1)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(Message::parse(&bad).is_err(), "byte {at} = {value:#x}");
    }
    let mut trailing = good.clone();
    trailing.extend_from_slice(&[0; 4]);
    assert_eq!(Message::parse(&trailing).unwrap_err(), ParseError::WrongLength { stated: 0, actual: 4 });
}

#[test]
fn s1_class_and_method_bits_interleave() {
    for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
        for method in 0..0x1000 {
            let bytes = build(class, Method(method), |_| {});
            let message = Message::parse(&bytes).unwrap();
            assert_eq!((message.class(), message.method()), (class, Method(method)));
        }
    }
    assert_eq!(build(Class::Success, Method::BINDING, |_| {})[..2], [0x01, 0x01]);
    assert_eq!(build(Class::Error, Method::ALLOCATE, |_| {})[..2], [0x01, 0x13]);
    assert_eq!(build(Class::Indication, Method::SEND, |_| {})[..2], [0x00, 0x16]);
}

#[test]
fn s2_the_first_byte_sorts_packets() {
    let kind = |byte: u8| classify(&[byte]);
    assert_eq!(classify(&[]), None);
    for (range, expected) in [
        (0..=3, Some(PacketKind::Stun)),
        (4..=15, None),
        (16..=19, Some(PacketKind::Zrtp)),
        (20..=63, Some(PacketKind::Dtls)),
        (64..=79, Some(PacketKind::TurnChannel)),
        (80..=127, Some(PacketKind::Quic)),
        (128..=191, Some(PacketKind::Rtp)),
        (192..=255, Some(PacketKind::Quic)),
    ] {
        range.for_each(|byte| assert_eq!(kind(byte), expected, "{byte}"));
    }
}

#[test]
fn s3_transaction_ids_take_all_96_bits_from_the_callers_generator() {
    let mut calls = 0;
    let id = TransactionId::random(&mut |bytes| {
        calls += 1;
        bytes.iter_mut().enumerate().for_each(|(i, byte)| *byte = i as u8 + 1);
    });
    assert_eq!((id.0, calls), ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 1));
}

#[test]
fn s4_padding_is_zero_when_sent_and_ignored_when_received() {
    let mut bytes = binding(|w| w.put(&Username("abcde")));
    assert_eq!(bytes[20..], [0, 6, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0]);
    bytes[29..32].copy_from_slice(&[0xFF, 0x20, 0x01]);
    assert_eq!(Message::parse(&bytes).unwrap().get::<Username<'_>>().unwrap(), Some(Username("abcde")));
}

#[test]
fn s4_the_first_of_duplicates_wins() {
    let bytes = binding(|w| {
        w.put(&Lifetime(1));
        w.put(&Lifetime(2));
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<Lifetime>().unwrap(), Some(Lifetime(1)));
    assert_eq!(message.get_all::<Lifetime>().count(), 2);
}

#[test]
fn s5_attributes_behind_the_integrity_do_not_count() {
    let key = IntegrityKey::sha1(b"key");
    let mut bytes = binding(|w| {
        w.put(&Username("user"));
        w.integrity(&key);
    });
    bytes.extend_from_slice(&raw(AttributeType::LIFETIME, &[0, 0, 0, 9]));
    bytes.extend_from_slice(&raw(AttributeType(0x7777), &[]));
    bytes.extend_from_slice(&raw(AttributeType::MESSAGE_INTEGRITY, &[0; 20]));
    fix_length(&mut bytes);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<Lifetime>().unwrap(), None);
    assert_eq!(message.unknown_attributes(&[AttributeType::USERNAME]).count(), 0);
    assert_eq!(message.verify(&key), Integrity::Valid);
}

#[test]
fn s5_sha_256_and_fingerprint_count_behind_the_integrity_and_nothing_counts_behind_the_fingerprint() {
    let sha1 = IntegrityKey::sha1(b"key");
    let sha256 = IntegrityKey::sha256(b"key");
    let mut bytes = binding(|w| {
        w.put(&Username("user"));
        w.integrity(&sha1);
        w.integrity(&sha256);
        w.fingerprint();
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.verify(&sha1), message.verify(&sha256)), (Integrity::Valid, Integrity::Valid));
    assert_eq!(message.fingerprint(), Some(true));

    bytes.extend_from_slice(&raw(AttributeType::LIFETIME, &[0, 0, 0, 9]));
    fix_length(&mut bytes);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<Lifetime>().unwrap(), None);
    assert_eq!((message.verify(&sha1), message.fingerprint()), (Integrity::Valid, Some(true)));

    let mut early = binding(|w| w.fingerprint());
    early.extend_from_slice(&raw(AttributeType::MESSAGE_INTEGRITY, &[0; 20]));
    early.extend_from_slice(&raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &[0; 32]));
    fix_length(&mut early);
    let message = Message::parse(&early).unwrap();
    assert_eq!((message.verify(&sha1), message.verify(&sha256)), (Integrity::Missing, Integrity::Missing));
}

#[test]
fn s6_integrity_covers_every_byte_before_it() {
    let keys = [IntegrityKey::sha1(b"key"), IntegrityKey::sha256(b"key")];
    for key in &keys {
        let good = binding(|w| {
            w.put(&Username("a user name of some length, so that several blocks are hashed"));
            w.put(&Realm("example.org"));
            w.integrity(key);
        });
        let covered = Message::parse(&good).unwrap().attributes().count();
        assert_eq!(covered, 2);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x04;
            if let Ok(message) = Message::parse(&bad) {
                assert_ne!(message.verify(key), Integrity::Valid, "byte {at}");
            }
        }
    }
}

#[test]
fn s6_sha_256_may_be_cut_to_16_bytes_in_steps_of_four() {
    let key = IntegrityKey::sha256(b"key");
    let hmac = HmacSha256::new(b"key");
    for length in 0..=36usize {
        let mut bytes = binding(|w| w.put(&Username("user")));
        let total = bytes.len() + 4 + length.next_multiple_of(4) - 20;
        // The MAC covers the length with the attribute's own, unpadded size.
        let stated = (bytes.len() - 20 + 4 + length) as u16;
        bytes[2..4].copy_from_slice(&stated.to_be_bytes());
        let mut mac = hmac.sign(&bytes).to_vec();
        mac.resize(36, 0);
        bytes.extend_from_slice(&raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &mac[..length]));
        bytes[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        let allowed = (16..=32).contains(&length) && length % 4 == 0;
        let verdict = Message::parse(&bytes).unwrap().verify(&key);
        assert_eq!(verdict, if allowed { Integrity::Valid } else { Integrity::Wrong }, "{length} bytes");
    }
}

#[test]
fn s6_an_integrity_of_the_wrong_size_is_wrong() {
    for length in [0, 4, 16, 19, 21, 24, 32] {
        let bytes = binding(|w| w.put_raw(AttributeType::MESSAGE_INTEGRITY, &vec![0; length]));
        assert_eq!(Message::parse(&bytes).unwrap().verify(&IntegrityKey::sha1(b"")), Integrity::Wrong);
    }
}

#[test]
fn s7_a_fingerprint_shows_any_change_and_may_be_absent() {
    assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
    let good = binding(|w| {
        w.put(&Priority(7));
        w.fingerprint();
    });
    assert_eq!(Message::parse(&good).unwrap().fingerprint(), Some(true));
    for at in 8..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        if let Ok(message) = Message::parse(&bad) {
            assert_ne!(message.fingerprint(), Some(true), "byte {at}");
        }
    }
    assert_eq!(Message::parse(&binding(|_| {})).unwrap().fingerprint(), None);
    let short = binding(|w| w.put_raw(AttributeType::FINGERPRINT, &[1, 2]));
    assert_eq!(Message::parse(&short).unwrap().fingerprint(), Some(false));
}

#[test]
fn s8_unknown_attributes_that_must_be_understood_are_listed() {
    let bytes = binding(|w| {
        w.put_raw(AttributeType(0x7FFF), &[]);
        w.put_raw(AttributeType(0x8000), &[]);
        w.put_raw(AttributeType(0x0030), &[1]);
        w.put(&Username("u"));
    });
    let message = Message::parse(&bytes).unwrap();
    let unknown: Vec<_> = message.unknown_attributes(&[AttributeType::USERNAME]).collect();
    assert_eq!(unknown, [AttributeType(0x7FFF), AttributeType(0x0030)]);
    let list = UnknownAttributes::value_of(unknown.iter().copied());
    let answer = build(Class::Error, Method::BINDING, |w| {
        w.put(&ErrorCode::of(420));
        w.put_raw(AttributeType::UNKNOWN_ATTRIBUTES, &list);
    });
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.get::<UnknownAttributes<'_>>().unwrap().unwrap().iter().collect::<Vec<_>>(), unknown);
}

#[test]
fn s9_keys_of_both_algorithms_differ_and_userhash_hides_the_name() {
    let md5 = LongTermKey::new(PasswordAlgorithm::Md5, "user", "realm", "pass");
    let sha = LongTermKey::new(PasswordAlgorithm::Sha256, "user", "realm", "pass");
    assert_eq!((md5.as_bytes().len(), sha.as_bytes().len()), (16, 32));
    assert!(matches!(IntegrityKey::long_term(&md5), IntegrityKey::Sha1(_)));
    assert!(matches!(IntegrityKey::long_term(&sha), IntegrityKey::Sha256(_)));
    assert_ne!(userhash("user", "realm"), userhash("user", "other"));
    assert_eq!(format!("{sha:?}"), "LongTermKey(Sha256, secret)");
}

#[test]
fn s10_a_removed_algorithm_list_is_noticed() {
    let features = SecurityFeatures { password_algorithms: true, username_anonymity: true };
    let nonce = format!("{}tail", features.nonce_prefix());
    assert!(nonce.starts_with("obMatJos2AAAD"));
    assert_eq!(SecurityFeatures::of_nonce(&nonce), features);
    assert_eq!(SecurityFeatures::choose(&nonce, None), Err(BidDown::AlgorithmsRemoved));
    let both = PasswordAlgorithms::SHA256_MD5;
    assert_eq!(SecurityFeatures::choose(&nonce, Some(both)), Ok(Some(PasswordAlgorithm::Sha256)));
    let strange = PasswordAlgorithms(&[0x12, 0x34, 0, 1, 9, 0, 0, 0]);
    assert_eq!(SecurityFeatures::choose(&nonce, Some(strange)), Err(BidDown::NoneKnown));
    assert_eq!(SecurityFeatures::choose("old-server-nonce", None), Ok(None));
    for odd in ["obMatJos2", "obMatJos2A", "obMatJos2é", "obMatJos2****x"] {
        assert_eq!(SecurityFeatures::of_nonce(odd), SecurityFeatures::default(), "{odd}");
    }
}

#[test]
fn s11_requests_are_sent_seven_times_and_given_up_after_39_5_seconds() {
    let start = Instant::now();
    let mut timer = RetransmitTimer::start(start, RetransmitPolicy::UDP);
    let mut sent = vec![0];
    assert_eq!(timer.handle_timeout(start), TimerAction::Wait);
    loop {
        let due = timer.due();
        match timer.handle_timeout(due) {
            TimerAction::Resend => sent.push((due - start).as_millis()),
            TimerAction::GiveUp => break,
            TimerAction::Wait => panic!("due and yet not due"),
        }
    }
    assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(timer.due() - start, Duration::from_millis(39_500));

    let stream = RetransmitTimer::start(start, RetransmitPolicy::STREAM);
    assert_eq!(stream.due() - start, Duration::from_millis(39_500));
    let mut browser = RetransmitTimer::start(start, RetransmitPolicy::BROWSER);
    while browser.handle_timeout(browser.due()) == TimerAction::Resend {}
    assert_eq!(browser.sends(), 9);
}

#[test]
fn s11_the_timeout_follows_the_round_trips() {
    let mut rtt = RttEstimator::default();
    let default = Duration::from_millis(500);
    assert_eq!(rtt.rto(default, Duration::ZERO), default);
    for _ in 0..50 {
        rtt.sample(Duration::from_millis(40));
    }
    assert_eq!(rtt.rtt(), Some(Duration::from_millis(40)));
    assert!(rtt.rto(default, Duration::ZERO) < Duration::from_millis(42));
    assert_eq!(rtt.rto(default, Duration::from_millis(100)), Duration::from_millis(100));
}

#[test]
fn s12_the_same_response_is_written_for_the_same_request() {
    let request = binding(|_| {});
    let request = Message::parse(&request).unwrap();
    let answer = || {
        let mut out = Vec::new();
        let mut writer = MessageWriter::response(&mut out, Class::Success, &request);
        writer.put(&XorMappedAddress("192.0.2.1:9".parse().unwrap()));
        writer.finish().unwrap();
        out
    };
    assert_eq!(answer(), answer());
}

#[test]
fn s13_a_response_keeps_method_and_transaction_and_appends_to_the_callers_buffer() {
    let request = build(Class::Request, Method::REFRESH, |_| {});
    let mut out = b"before".to_vec();
    let length = MessageWriter::response(&mut out, Class::Error, &Message::parse(&request).unwrap()).finish().unwrap();
    assert_eq!((&out[..6], length), (&b"before"[..], 20));
    let answer = Message::parse(&out[6..]).unwrap();
    assert_eq!((answer.class(), answer.method(), answer.transaction_id()), (Class::Error, Method::REFRESH, ID));
}

#[test]
fn s14_texts_have_limits_and_must_be_utf_8() {
    fn reads<'a, A: Attribute<'a>>(value: &[u8]) -> bool {
        let bytes = binding(|w| w.put_raw(A::KIND, value));
        // The attribute borrows from `bytes`: only its verdict leaves this function.
        let leaked: &'a [u8] = Box::leak(bytes.into_boxed_slice());
        Message::parse(leaked).unwrap().get::<A>().is_ok()
    }
    assert!(reads::<Username<'_>>(&[b'u'; 508]) && !reads::<Username<'_>>(&[b'u'; 509]));
    assert!(reads::<Realm<'_>>(&[b'r'; 127]) && !reads::<Realm<'_>>(&[b'r'; 128]));
    assert!(reads::<Nonce<'_>>("\u{10348}".repeat(127).as_bytes()) && !reads::<Nonce<'_>>(&[b'n'; 764]));
    assert!(reads::<Software<'_>>(&[b's'; 127]) && !reads::<Software<'_>>(&[b's'; 128]));
    assert!(!reads::<Username<'_>>(&[0xFF, 0xFE]) && reads::<Username<'_>>(b"nul\0inside"));
}

#[test]
fn s15_nat_behaviour_discovery_attributes_round_trip() {
    let address = "192.0.2.7:3479".parse().unwrap();
    let bytes = binding(|w| {
        w.put(&ChangeRequest { change_ip: true, change_port: false });
        w.put(&ResponsePort(9));
        w.put(&Padding(&[0; 5]));
        w.put(&OtherAddress(address));
        w.put(&ResponseOrigin(address));
    });
    let message = Message::parse(&bytes).unwrap();
    let change = message.get::<ChangeRequest>().unwrap().unwrap();
    assert!(change.change_ip && !change.change_port);
    assert_eq!(message.get::<ResponsePort>().unwrap(), Some(ResponsePort(9)));
    assert_eq!(message.get::<Padding<'_>>().unwrap(), Some(Padding(&[0; 5])));
    assert_eq!(message.get::<OtherAddress>().unwrap(), Some(OtherAddress(address)));
    assert_eq!(message.get::<ResponseOrigin>().unwrap(), Some(ResponseOrigin(address)));
}

#[test]
fn s16_a_redirect_round_trips() {
    let address = "[2001:db8::5]:443".parse().unwrap();
    let bytes = build(Class::Error, Method::ALLOCATE, |w| {
        w.put(&ErrorCode::of(300));
        w.put(&AlternateServer(address));
        w.put(&AlternateDomain("turn.example.org"));
    });
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<ErrorCode<'_>>().unwrap().unwrap(), ErrorCode { code: 300, reason: "Try Alternate" });
    assert_eq!(message.get::<AlternateServer>().unwrap().unwrap().0, address);
    assert_eq!(message.get::<AlternateDomain<'_>>().unwrap().unwrap().0, "turn.example.org");
}

#[test]
fn s17_token_attributes_are_known_by_name() {
    let bytes = binding(|w| w.put(&AccessToken(b"token")));
    assert_eq!(Message::parse(&bytes).unwrap().get::<AccessToken<'_>>().unwrap(), Some(AccessToken(b"token")));
    assert_eq!(AttributeType::THIRD_PARTY_AUTHORIZATION.to_string(), "THIRD-PARTY-AUTHORIZATION");
    assert_eq!(AttributeType(0x7777).to_string(), "0x7777");
}

#[test]
fn channel_data_reads_only_channels_and_only_whole_messages() {
    let parse = |bytes: &[u8]| ChannelData::parse(bytes).map(|c| (c.channel.get(), c.data.to_vec()));
    assert_eq!(parse(&[0x40, 0, 0, 2, 7, 8]), Some((0x4000, vec![7, 8])));
    assert_eq!(parse(&[0x4F, 0xFF, 0, 0]), Some((0x4FFF, vec![])));
    assert_eq!(parse(&[0x40, 0, 0, 2, 7, 8, 0, 0]), Some((0x4000, vec![7, 8])), "padding is dropped");
    for bad in [&[0x3F, 0xFF, 0, 0][..], &[0x50, 0, 0, 0], &[0x40, 0, 0xFF, 0xFF, 1], &[0x40, 0, 0], &[]] {
        assert_eq!(parse(bad), None, "{bad:x?}");
    }
    let mut out = Vec::new();
    let message = ChannelData { channel: ChannelNumber::MIN, data: &[1, 2, 3] };
    assert!(message.write(true, &mut out));
    assert_eq!(out, [0x40, 0, 0, 3, 1, 2, 3, 0]);
    assert!(!ChannelData { channel: ChannelNumber::MIN, data: &vec![0; 65_536] }.write(false, &mut out));
}

#[test]
fn streams_are_cut_into_messages_byte_by_byte() {
    let mut stream = binding(|w| w.put(&Username("u")));
    let first = stream.len();
    assert!(ChannelData { channel: ChannelNumber::MIN, data: &[1, 2, 3] }.write(true, &mut stream));
    for end in 0..stream.len() {
        match frame_length(&stream[..end]).unwrap() {
            FrameLength::NeedAtLeast(more) => assert!(end < more && more <= 8),
            FrameLength::Message(length) => assert_eq!(length, first),
        }
    }
    assert_eq!(frame_length(&stream[first..]), Ok(FrameLength::Message(8)));
    assert_eq!(frame_length(&[0x40, 0, 0xFF, 0xFF]), Ok(FrameLength::Message(4 + 65_536)));
    assert!(frame_length(&[0x16, 0x03, 0x01, 0x02, 0x00]).is_err(), "a TLS ClientHello");
    assert!(frame_length(&[0, 1, 0, 3, 0x21, 0x12, 0xA4, 0x42]).is_err(), "length not a multiple of four");
    assert!(frame_length(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x43]).is_err(), "wrong cookie");
}

#[test]
fn every_truncation_is_refused() {
    let key = IntegrityKey::sha1(b"key");
    let good = binding(|w| {
        w.put(&Username("user"));
        w.put(&XorPeerAddress("[2001:db8::1]:5".parse().unwrap()));
        w.integrity(&key);
        w.fingerprint();
    });
    for end in 0..good.len() {
        assert!(Message::parse(&good[..end]).is_err(), "{end} bytes");
        let mut patched = good[..end].to_vec();
        if end >= 20 {
            fix_length(&mut patched);
            // A cut between attributes is a shorter message; then its integrity or fingerprint is gone.
            if let Ok(message) = Message::parse(&patched) {
                assert!(message.fingerprint() != Some(true));
            }
        }
    }
}

#[test]
fn every_attribute_length_may_lie() {
    let good = binding(|w| {
        w.put(&Username("user"));
        w.put(&XorMappedAddress("192.0.2.1:5".parse().unwrap()));
        w.put(&ErrorCode::of(401));
    });
    let offsets: Vec<usize> = {
        let mut at = 20;
        Message::parse(&good)
            .unwrap()
            .attributes()
            .map(|a| {
                let here = at;
                at += 4 + a.value.len().next_multiple_of(4);
                here
            })
            .collect()
    };
    for at in offsets {
        for lie in [0u16, 1, 3, 5, 7, 9, 0x7FFF, 0xFFFC, 0xFFFF] {
            let mut bad = good.clone();
            bad[at + 2..at + 4].copy_from_slice(&lie.to_be_bytes());
            if let Ok(message) = Message::parse(&bad) {
                let _ = message.get::<Username<'_>>();
                let _ = message.get::<XorMappedAddress>();
                let _ = message.get::<ErrorCode<'_>>();
            }
        }
    }
}

#[test]
fn short_and_strange_addresses_are_malformed() {
    for value in
        [&[][..], &[0, 1], &[0, 1, 0, 0], &[0, 1, 0, 0, 1, 2, 3], &[0, 2, 0, 0, 1, 2, 3, 4], &[0, 3, 0, 0, 1, 2, 3, 4]]
    {
        let bytes = binding(|w| w.put_raw(AttributeType::XOR_MAPPED_ADDRESS, value));
        let got = Message::parse(&bytes).unwrap().get::<XorMappedAddress>();
        assert_eq!(got, Err(MalformedAttribute(AttributeType::XOR_MAPPED_ADDRESS)), "{value:x?}");
    }
}

#[test]
fn a_thousand_attributes_are_walked_once() {
    let bytes = binding(|w| (0..10_000).for_each(|_| w.put_raw(AttributeType(0x7000), &[])));
    assert_eq!(Message::parse(&bytes).unwrap().unknown_attributes(&[]).count(), 10_000);
}

#[test]
fn a_message_too_long_for_its_length_field_is_not_written() {
    let mut out = b"kept".to_vec();
    let mut writer = MessageWriter::new(&mut out, Class::Indication, Method::DATA, ID);
    writer.put(&Data(&vec![0; 65_507]));
    writer.put(&XorPeerAddress("[2001:db8::1]:5".parse().unwrap()));
    writer.integrity(&IntegrityKey::sha1(b"k"));
    assert_eq!(writer.finish(), Err(MessageTooLong));
    assert_eq!(out, b"kept");
}
