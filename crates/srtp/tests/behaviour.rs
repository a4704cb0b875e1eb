//! What contexts promise beyond the ciphers: replay, rollover, late joiners, limits, cryptex, hostile lengths.

use parlour_srtp::{
    Cryptex, MasterKey, ProtectError, ProtectionProfile, ReceiverConfig, SenderConfig, SrtpReceiver, SrtpSender,
    UnprotectError,
};
use proptest::prelude::*;

fn key(profile: ProtectionProfile) -> MasterKey {
    MasterKey::new(profile, &[7; 32][..profile.key_length()], &[9; 14][..profile.salt_length()]).unwrap()
}

fn pair(profile: ProtectionProfile) -> (SrtpSender, SrtpReceiver) {
    (SrtpSender::new(&key(profile)), SrtpReceiver::new(&key(profile)))
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xab; 40]);
    packet
}

fn protect(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    let length = sender.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn protect_rtcp(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    let length = sender.protect_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn a_forged_packet_moves_no_window_and_makes_no_state() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let good = protect(&mut sender, &packet(1, 100));
        for forged_sequence in [100u16, 30_000, 101] {
            let mut forged = good.clone();
            forged[2..4].copy_from_slice(&forged_sequence.to_be_bytes());
            *forged.last_mut().unwrap() ^= 0x80;
            assert_eq!(receiver.unprotect_rtp(&mut forged), Err(UnprotectError::Unauthentic));
        }
        assert_eq!(receiver.rollover_counter(parlour_rtp::Ssrc(1)), None);
        assert!(receiver.unprotect_rtp(&mut good.clone()).is_ok(), "{profile:?}");
        assert_eq!(receiver.unprotect_rtp(&mut good.clone()), Err(UnprotectError::Replayed));
        assert_eq!((receiver.stats().unauthentic, receiver.stats().replayed), (3, 1));
    }
}

#[test]
fn every_changed_bit_is_noticed() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let good = protect(&mut sender, &packet(1, 100));
        for bit in 0..good.len() * 8 {
            let mut forged = good.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(receiver.unprotect_rtp(&mut forged).is_err(), "{profile:?} bit {bit}");
        }
        let report = protect_rtcp(&mut sender, &[0x80, 201, 0, 1, 0, 0, 0, 1]);
        for bit in 0..report.len() * 8 {
            let mut forged = report.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(receiver.unprotect_rtcp(&mut forged).is_err(), "{profile:?} RTCP bit {bit}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let good = protect(&mut sender, &packet(1, 100));
        let report = protect_rtcp(&mut sender, &[0x80, 201, 0, 1, 0, 0, 0, 1]);
        for length in 0..good.len() {
            assert!(receiver.unprotect_rtp(&mut good[..length].to_vec()).is_err());
        }
        for length in 0..report.len() {
            assert!(receiver.unprotect_rtcp(&mut report[..length].to_vec()).is_err());
        }
    }
}

#[test]
fn an_index_is_never_used_twice() {
    let (mut sender, _) = pair(ProtectionProfile::AeadAes128Gcm);
    for sequence in [65_534, 65_535, 0, 2] {
        protect(&mut sender, &packet(1, sequence));
    }
    let mut buffer = packet(1, 65_535);
    buffer.resize(100, 0);
    assert!(matches!(
        sender.protect_rtp(&mut buffer, 52),
        Err(ProtectError::IndexReused { sequence_number: 65_535, .. })
    ));
    protect(&mut sender, &packet(1, 1));
    protect(&mut sender, &packet(1, 2000));
    let mut old = packet(1, 3);
    old.resize(100, 0);
    assert!(matches!(sender.protect_rtp(&mut old, 52), Err(ProtectError::IndexReused { .. })), "beyond the window");
    assert_eq!(sender.rollover_counter(parlour_rtp::Ssrc(1)), Some(1));
}

#[test]
fn a_receiver_that_missed_rollovers_at_the_start_finds_its_place() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        for sequence in (0..2 * 65_536u32 + 10).step_by(1000) {
            protect(&mut sender, &packet(1, sequence as u16));
        }
        let late = protect(&mut sender, &packet(1, 500));
        assert!(receiver.unprotect_rtp(&mut late.clone()).is_ok(), "{profile:?}");
        assert_eq!(receiver.rollover_counter(parlour_rtp::Ssrc(1)), Some(2));
    }
}

#[test]
fn a_receiver_that_is_told_the_rollover_counter_joins_at_any_time() {
    let (mut sender, mut receiver) = pair(ProtectionProfile::AeadAes128Gcm);
    assert!(sender.set_rollover_counter(parlour_rtp::Ssrc(1), 77, 4000));
    let late = protect(&mut sender, &packet(1, 4001));
    assert_eq!(receiver.unprotect_rtp(&mut late.clone()), Err(UnprotectError::Unauthentic));
    assert!(receiver.set_rollover_counter(parlour_rtp::Ssrc(1), 77, 4100));
    assert!(receiver.unprotect_rtp(&mut late.clone()).is_ok());
    assert!(!receiver.set_rollover_counter(parlour_rtp::Ssrc(1), 77, 4100), "that would allow a replay");
}

#[test]
fn a_receiver_recovers_after_it_missed_half_a_turn() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let first = protect(&mut sender, &packet(1, 10));
        assert!(receiver.unprotect_rtp(&mut first.clone()).is_ok());
        for index in (4000..65_536u32).step_by(4000) {
            protect(&mut sender, &packet(1, index as u16 + 10));
        }
        // 2^16 packets later the guess of RFC 3711 §3.3.1 is a turn behind.
        let accepted = (100..110u16)
            .filter(|sequence| {
                let mut protected = protect(&mut sender, &packet(1, *sequence));
                receiver.unprotect_rtp(&mut protected).is_ok()
            })
            .count();
        assert_eq!(accepted, 6, "{profile:?}: all but the first four");
    }
}

#[test]
fn sources_are_bounded_without_harm_to_known_ones() {
    let master = key(ProtectionProfile::AeadAes128Gcm);
    let mut sender = SrtpSender::new(&master);
    let mut receiver =
        SrtpReceiver::with_config(&master, ReceiverConfig { max_sources: 3, ..ReceiverConfig::default() });
    for ssrc in [5, 1, 9] {
        assert!(receiver.unprotect_rtp(&mut protect(&mut sender, &packet(ssrc, 1))).is_ok());
    }
    assert_eq!(receiver.unprotect_rtp(&mut protect(&mut sender, &packet(4, 1))), Err(UnprotectError::TooManySources));
    for ssrc in [9, 5, 1] {
        assert!(receiver.unprotect_rtp(&mut protect(&mut sender, &packet(ssrc, 2))).is_ok());
    }
    let mut sender = SrtpSender::with_config(&master, SenderConfig { max_sources: 1, ..SenderConfig::default() });
    protect(&mut sender, &packet(1, 1));
    assert!(matches!(
        sender.protect_rtp(&mut [&packet(2, 1)[..], &[0; 16]].concat(), 52),
        Err(ProtectError::TooManySources { .. })
    ));
}

#[test]
fn a_buffer_without_room_is_refused_and_unchanged() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, _) = pair(profile);
        let plain = packet(1, 1);
        let mut buffer = plain.clone();
        buffer.resize(plain.len() + profile.rtp_tag_length() - 1, 0);
        let needed = plain.len() + profile.rtp_tag_length();
        assert_eq!(sender.protect_rtp(&mut buffer, plain.len()), Err(ProtectError::BufferTooSmall { needed }));
        assert_eq!(buffer[..plain.len()], plain);
        buffer.push(0);
        assert_eq!(sender.protect_rtp(&mut buffer, plain.len()), Ok(needed));
    }
}

fn cryptex_pair(profile: ProtectionProfile, key: &str, salt: &str) -> (SrtpSender, SrtpReceiver) {
    let master = MasterKey::new(profile, &hex(key), &hex(salt)).unwrap();
    (
        SrtpSender::with_config(&master, SenderConfig { cryptex: Cryptex::On, ..SenderConfig::default() }),
        SrtpReceiver::with_config(&master, ReceiverConfig { cryptex: Cryptex::Required, ..ReceiverConfig::default() }),
    )
}

const PAYLOAD: &str = "abababab abababab abababab abababab";
const CRYPTEX_PLAIN: [&str; 6] = [
    "900f1235 decafbad cafebabe bede0001 51000200",
    "900f1236 decafbad cafebabe 10000001 05020002",
    "920f1238 decafbad cafebabe 0001e240 0000b26e bede0001 51000200",
    "920f1239 decafbad cafebabe 0001e240 0000b26e 10000001 05020002",
    "920f123a decafbad cafebabe 0001e240 0000b26e bede0000",
    "920f123b decafbad cafebabe 0001e240 0000b26e 10000000",
];

fn cryptex_matches(pair: (SrtpSender, SrtpReceiver), protected: [&str; 6]) {
    let (mut sender, mut receiver) = pair;
    for (plain, protected) in CRYPTEX_PLAIN.iter().zip(protected) {
        let plain = hex(&format!("{plain} {PAYLOAD}"));
        let mut made = protect(&mut sender, &plain);
        assert_eq!(made, hex(protected));
        let length = receiver.unprotect_rtp(&mut made).unwrap();
        assert_eq!(made[..length], plain);
    }
}

#[test]
fn cryptex_in_counter_mode_matches_rfc_9335_a_1() {
    cryptex_matches(
        cryptex_pair(
            ProtectionProfile::Aes128CmHmacSha1_80,
            "e1f97a0d3e018be0d64fa32c06de4139",
            "0ec675ad498afeebb6960b3aabe6",
        ),
        [
            "900f1235 decafbad cafebabe c0de0001 eb923652 51c3e036 f8de27e9 c27ee3e0 b4651d9f bc4218a7 0244522f 34a5",
            "900f1236 decafbad cafebabe c2de0001 4ed9cc4e 6a712b30 96c5ca77 339d4204 ce0d7739 6cab6958 5fbce381 94a5",
            "920f1238 decafbad cafebabe 8bb6e12b 5cff16dd c0de0001 92838c8c 09e58393 e1de3a9a 74734d67 45671338 c3acf11d
             a2df8423 bee0",
            "920f1239 decafbad cafebabe f70e513e b90b9b25 c2de0001 bbed4848 faa64466 5f3d7f34 125914e9 f4d0ae92 3c6f479b
             95a0f7b5 3133",
            "920f123a decafbad cafebabe 7130b6ab fe2ab0e3 c0de0000 e3d9f64b 25c9e74c b4cf8e43 fb92e378 1c2c0cea b6b3a499
             a14c",
            "920f123b decafbad cafebabe cbf24c12 4330e1c8 c2de0000 599dd45b c9d687b6 03e8b59d 771fd38e 88b170e0 cd31e125
             eabe",
        ],
    );
}

#[test]
fn cryptex_in_gcm_matches_rfc_9335_a_2() {
    cryptex_matches(
        cryptex_pair(
            ProtectionProfile::AeadAes128Gcm,
            "000102030405060708090a0b0c0d0e0f",
            "a0a1a2a3a4a5a6a7a8a9aaab",
        ),
        [
            "900f1235 decafbad cafebabe c0de0001 39972dc9 572c4d99 e8fc355d e743fb2e 94f9d8ff 54e72f41 93bbc5c7 4ffab0fa
             9fa0fbeb",
            "900f1236 decafbad cafebabe c2de0001 bb75a4c5 45cd1f41 3bdb7daa 2b1e3263 de313667 c9632490 81b35a65 f5cb6c88
             b394235f",
            "920f1238 decafbad cafebabe 63bbccc4 a7f695c4 c0de0001 8ad7c71f ac70a80c 92866b4c 6ba98546 ef913586 e95ffaaf
             fe956885 bb0647a8 bc094ac8",
            "920f1239 decafbad cafebabe 3680524f 8d312b00 c2de0001 c78d1200 38422bc1 11a7187a 18246f98 0c059cc6 bc9df8b6
             26394eca 344e4b05 d80fea83",
            "920f123a decafbad cafebabe 15b6bb43 37906fff c0de0000 b7b96453 7a2b03ab 7ba5389c e9331712 6b5d974d f30c6884
             dcb651c5 e120c1da",
            "920f123b decafbad cafebabe dcb38c9e 48bf95f4 c2de0000 61ee432c f9203170 76613258 d3ce4236 c06ac429 681ad084
             13512dc9 8b5207d8",
        ],
    );
}

#[test]
fn cryptex_adds_an_empty_extension_to_a_packet_with_csrcs() {
    for profile in ProtectionProfile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        sender.set_cryptex(Cryptex::On);
        receiver.set_cryptex(Cryptex::Required);
        let plain = hex(&format!("820f1235 decafbad cafebabe 0001e240 0000b26e {PAYLOAD}"));
        let mut made = protect(&mut sender, &plain);
        assert_eq!(made.len(), plain.len() + 4 + profile.rtp_tag_length());
        assert_eq!((made[0], &made[20..24]), (0x92, &[0xc0, 0xde, 0, 0][..]), "{profile:?}");
        let length = receiver.unprotect_rtp(&mut made).unwrap();
        assert_eq!(made[..length], hex(&format!("920f1235 decafbad cafebabe 0001e240 0000b26e bede0000 {PAYLOAD}")));
    }
}

#[test]
fn required_cryptex_refuses_extensions_in_the_clear() {
    let (mut sender, mut receiver) = pair(ProtectionProfile::AeadAes128Gcm);
    receiver.set_cryptex(Cryptex::Required);
    let mut open = protect(&mut sender, &hex(&format!("900f1235 decafbad cafebabe bede0001 51000200 {PAYLOAD}")));
    assert_eq!(receiver.unprotect_rtp(&mut open), Err(UnprotectError::CryptexRequired));
    let mut bare = protect(&mut sender, &packet(1, 1));
    assert!(receiver.unprotect_rtp(&mut bare).is_ok(), "nothing to hide");
}

proptest! {
    #[test]
    fn any_packet_comes_back_as_it_was(
        profile in prop::sample::select(&ProtectionProfile::ALL[..]),
        cryptex: bool,
        csrcs in 0u8..16,
        extension in prop::option::of((prop::sample::select(&[0xbedeu16, 0x1000, 0x1234][..]), 0usize..20)),
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        sequence: u16,
        ssrc: u32,
    ) {
        let (mut sender, mut receiver) = pair(profile);
        if cryptex {
            sender.set_cryptex(Cryptex::On);
            receiver.set_cryptex(Cryptex::On);
        }
        let mut packet = vec![0x80 | csrcs, 96];
        packet.extend(sequence.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(ssrc.to_be_bytes());
        packet.extend((0..csrcs * 4).map(|byte| byte ^ 0x33));
        if let Some((profile, words)) = extension {
            packet[0] |= 0x10;
            packet.extend(profile.to_be_bytes());
            packet.extend((words as u16).to_be_bytes());
            packet.extend((0..words * 4).map(|byte| byte as u8));
        }
        packet.extend(&payload);
        let mut protected = protect(&mut sender, &packet);
        let length = receiver.unprotect_rtp(&mut protected).unwrap();
        if cryptex && csrcs > 0 && extension.is_none() {
            packet[0] |= 0x10;
            let at = 12 + usize::from(csrcs) * 4;
            packet.splice(at..at, [0xbe, 0xde, 0, 0]);
        }
        prop_assert_eq!(&protected[..length], &packet[..]);
    }

    #[test]
    fn arbitrary_bytes_are_refused_quietly(
        profile in prop::sample::select(&ProtectionProfile::ALL[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let (mut sender, mut receiver) = pair(profile);
        receiver.set_cryptex(Cryptex::On);
        sender.set_cryptex(Cryptex::On);
        prop_assert!(receiver.unprotect_rtp(&mut bytes.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
        let mut buffer = bytes.clone();
        buffer.resize(bytes.len() + 64, 0);
        sender.protect_rtp(&mut buffer, bytes.len()).ok();
        sender.protect_rtcp(&mut buffer, bytes.len()).ok();
    }
}
