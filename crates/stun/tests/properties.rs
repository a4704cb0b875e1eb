//! Properties over generated messages, and agreement with an independent codec.

use parlour_stun::attribute::*;
use parlour_stun::*;
use proptest::prelude::*;
use std::net::SocketAddr;
use stun_types::prelude::*;

fn class() -> impl Strategy<Value = Class> {
    prop_oneof![Just(Class::Request), Just(Class::Indication), Just(Class::Success), Just(Class::Error)]
}

fn attributes() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
    let kind = any::<u16>().prop_filter("ordinary", |k| ![0x0008, 0x001C, 0x8028].contains(k));
    prop::collection::vec((kind, prop::collection::vec(any::<u8>(), 0..40)), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// RFC 8489 §5, §14: what is written is read.
    #[test]
    fn messages_round_trip(
        class in class(), method in 0u16..0x1000, id in any::<[u8; 12]>(), list in attributes(), secret in any::<[u8; 16]>(),
    ) {
        let key = IntegrityKey::sha256(&secret);
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(&mut out, class, Method(method), TransactionId(id));
        list.iter().for_each(|(kind, value)| writer.put_raw(AttributeType(*kind), value));
        writer.integrity(&key);
        writer.fingerprint();
        writer.finish().unwrap();
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!((message.class(), message.method(), message.transaction_id()), (class, Method(method), TransactionId(id)));
        let read: Vec<_> = message.attributes().map(|a| (a.kind.0, a.value.to_vec())).collect();
        prop_assert_eq!(read, list);
        prop_assert_eq!(message.verify(&key), Integrity::Valid);
        prop_assert_eq!(message.fingerprint(), Some(true));
    }

    /// RFC 8489 §14.2: XOR hides an address and shows it again, for both families.
    #[test]
    fn addresses_round_trip(address in any::<SocketAddr>(), id in any::<[u8; 12]>()) {
        let address = SocketAddr::new(address.ip(), address.port());
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(&mut out, Class::Success, Method::BINDING, TransactionId(id));
        writer.put(&XorMappedAddress(address));
        writer.put(&MappedAddress(address));
        writer.finish().unwrap();
        let message = Message::parse(&out).unwrap();
        prop_assert_eq!(message.get::<XorMappedAddress>().unwrap().unwrap().0, address);
        prop_assert_eq!(message.get::<MappedAddress>().unwrap().unwrap().0, address);
    }

    /// No bytes make the parsers panic.
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), repair in any::<bool>()) {
        if repair && bytes.len() >= 20 {
            let length = bytes.len() & !3;
            bytes.truncate(length);
            bytes[0] &= 0x3F;
            bytes[2..4].copy_from_slice(&((length - 20) as u16).to_be_bytes());
            bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        }
        let _ = ChannelData::parse(&bytes);
        let _ = frame_length(&bytes);
        let _ = classify(&bytes);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = message.verify(&IntegrityKey::sha1(b"k"));
            let _ = message.verify(&IntegrityKey::sha256(b"k"));
            let _ = message.fingerprint();
            let _ = message.get::<PasswordAlgorithms<'_>>().map(|list| list.map(|list| list.iter().count()));
            let _ = message.get::<UnknownAttributes<'_>>();
        }
    }

    /// An independent implementation reads and verifies what we write, and we read what it writes.
    #[test]
    fn an_independent_codec_agrees(name in "[a-z]{1,20}", password in "[a-zA-Z0-9]{1,70}", priority in any::<u32>()) {
        let key = IntegrityKey::short_term(&password).unwrap();
        let mut ours = Vec::new();
        let mut writer = MessageWriter::new(&mut ours, Class::Request, Method::BINDING, TransactionId([9; 12]));
        writer.put(&Username(&name));
        writer.put(&Priority(priority));
        writer.integrity(&key);
        writer.fingerprint();
        writer.finish().unwrap();
        let theirs = stun_types::message::Message::from_bytes(&ours).unwrap();
        let credentials: stun_types::message::MessageIntegrityCredentials =
            stun_types::message::ShortTermCredentials::new(password.clone()).into();
        prop_assert!(theirs.validate_integrity(&credentials).is_ok());
        let username = theirs.attribute::<stun_types::attribute::Username>().unwrap();
        prop_assert_eq!(username.username(), &name);

        let mut builder = stun_types::message::Message::builder(
            stun_types::message::MessageType::from_class_method(
                stun_types::message::MessageClass::Request, stun_types::message::BINDING),
            42u128.into(),
            stun_types::message::MessageWriteVec::new(),
        );
        builder.add_attribute(&stun_types::attribute::Username::new(&name).unwrap()).unwrap();
        builder.add_message_integrity(&credentials, stun_types::message::IntegrityAlgorithm::Sha1).unwrap();
        builder.add_fingerprint().unwrap();
        let bytes = builder.finish();
        let message = Message::parse(&bytes).unwrap();
        prop_assert_eq!(message.get::<Username<'_>>().unwrap().unwrap().0, name.as_str());
        prop_assert_eq!(message.verify(&key), Integrity::Valid);
        prop_assert_eq!(message.fingerprint(), Some(true));
    }
}
