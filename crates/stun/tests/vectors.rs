//! The published test vectors: RFC 5769 §2 and RFC 8489 appendix B.1.

use parlour_stun::attribute::{Nonce, Priority, Realm, Software, Userhash, Username, XorMappedAddress};
use parlour_stun::{
    Class, Integrity, IntegrityKey, LongTermKey, Message, Method, PasswordAlgorithm, SecurityFeatures, TransactionId,
    opaque_string, userhash,
};

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const MATRIX: &str = "マトリックス";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const SHORT_TERM_ID: TransactionId =
    TransactionId([0xB7, 0xE7, 0xA7, 0x01, 0xBC, 0x34, 0xD6, 0x86, 0xFA, 0x87, 0xDF, 0xAE]);

#[test]
fn rfc_5769_2_1_request_is_read_and_verified() {
    let bytes =
        hex("00010058 2112a442 b7e7a701bc34d686fa87dfae 80220010 5354554e207465737420636c69656e74 00240004 6e0001ff
         80290008 932ff9b151263b36 00060009 6576746a3a68367659202020 00080014
         9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.transaction_id(), SHORT_TERM_ID);
    assert_eq!(message.get::<Software<'_>>().unwrap().unwrap().0, "STUN test client");
    assert_eq!(message.get::<Priority>().unwrap().unwrap().0, 0x6E00_01FF);
    assert_eq!(message.get::<Username<'_>>().unwrap().unwrap().0, "evtj:h6vY");
    assert_eq!(message.verify(&IntegrityKey::short_term(PASSWORD).unwrap()), Integrity::Valid);
    assert_eq!(message.verify(&IntegrityKey::short_term("another").unwrap()), Integrity::Wrong);
    assert_eq!(message.fingerprint(), Some(true));
}

#[test]
fn rfc_5769_2_2_ipv4_response_is_read_and_verified() {
    let bytes =
        hex("0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147 e112a643
         00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
    assert_eq!(message.get::<Software<'_>>().unwrap().unwrap().0, "test vector");
    assert_eq!(message.get::<XorMappedAddress>().unwrap().unwrap().0, "192.0.2.1:32853".parse().unwrap());
    assert_eq!(message.verify(&IntegrityKey::short_term(PASSWORD).unwrap()), Integrity::Valid);
    assert_eq!(message.fingerprint(), Some(true));
}

#[test]
fn rfc_5769_2_3_ipv6_response_is_read_and_verified() {
    let bytes = hex("01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200014 0002a147
         0113a9faa5d3f179bc25f4b5bed2b9d9 00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c");
    let message = Message::parse(&bytes).unwrap();
    let mapped = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(message.get::<XorMappedAddress>().unwrap().unwrap().0, mapped);
    assert_eq!(message.verify(&IntegrityKey::short_term(PASSWORD).unwrap()), Integrity::Valid);
    assert_eq!(message.fingerprint(), Some(true));
}

#[test]
fn rfc_5769_2_4_long_term_request_is_read_and_verified() {
    let bytes =
        hex("00010060 2112a442 78ad3433c6ad72c029da412e 00060012 e3839ee38388e383aae38383e382afe382b90000 0015001c
         662f2f3439396b39353464364f4c33346f4c39465354767936347341 0014000b 6578616d706c652e6f726700 00080014
         f67024656dd64a3e02b8e0712e85c9a28ca89666");
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<Username<'_>>().unwrap().unwrap().0, MATRIX);
    assert_eq!(message.get::<Nonce<'_>>().unwrap().unwrap().0, "f//499k954d6OL34oL9FSTvy64sA");
    assert_eq!(message.get::<Realm<'_>>().unwrap().unwrap().0, "example.org");
    let key = LongTermKey::new(PasswordAlgorithm::Md5, MATRIX, "example.org", "TheMatrIX");
    assert_eq!(message.verify(&IntegrityKey::long_term(&key)), Integrity::Valid);
    assert_eq!(message.fingerprint(), None);
}

/// The appendix prints a length of 0x9c where its attributes take 0x88, and its HMAC covers the header as printed. So the message cannot be read whole; with
/// the right length it can, and the key that we derive gives the printed HMAC over the printed bytes.
#[test]
fn rfc_8489_b_1_request_with_userhash_is_read_and_its_key_is_ours() {
    let mut bytes = hex("0001009c 2112a442 78ad3433c6ad72c029da412e 001e0020
         4a3cf38fef6992bda952c67804 17da0f2481941556 9e60b205c46e41407f1704 00150029
         6f624d61744a6f7332414141 43662f2f3439396b39353464364f4c33346f4c39465354767936347341 000000 0014000b
         6578616d706c652e6f726700 001c0020 e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01");
    assert!(Message::parse(&bytes).is_err(), "the printed length is not that of the message");
    let key = LongTermKey::new(PasswordAlgorithm::Sha256, MATRIX, "example.org", "TheMatrIX");
    let (signed, printed) = bytes.split_at(bytes.len() - 36);
    assert_eq!(hmac_sha256(key.as_bytes(), signed), printed[4..]);

    bytes[3] = 0x88;
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.get::<Userhash>().unwrap().unwrap().0, userhash(MATRIX, "example.org"));
    let nonce = message.get::<Nonce<'_>>().unwrap().unwrap().0;
    assert_eq!(nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    let features = SecurityFeatures::of_nonce(nonce);
    assert!(features.username_anonymity && !features.password_algorithms);
    assert!(message.has_integrity_sha256() && !message.has_integrity());
}

/// RFC 2104, written out, so that it does not share code with what it checks.
fn hmac_sha256(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let pad = |with: u8| (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[test]
fn rfc_8489_9_2_2_long_term_key_example() {
    let key = LongTermKey::new(PasswordAlgorithm::Md5, "user", "realm", "pass");
    assert_eq!(key.as_bytes(), hex("8493fbc53ba582fb4c044c456bdc40eb"));
}

#[test]
fn opaque_string_maps_spaces_composes_and_refuses_what_cannot_be_seen() {
    assert_eq!(opaque_string("plain").unwrap(), "plain");
    assert_eq!(opaque_string("a\u{2003}b").unwrap(), "a b");
    assert_eq!(opaque_string("e\u{301}").unwrap(), "é");
    assert_eq!(opaque_string(MATRIX).unwrap(), MATRIX);
    for bad in ["", "a\0b", "a\nb", "a\u{AD}b", "\u{202E}b"] {
        assert!(opaque_string(bad).is_err(), "{bad:?}");
    }
}
