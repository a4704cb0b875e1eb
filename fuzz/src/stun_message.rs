//! Every parser of `parlour-stun`, and the round trip of what parses.

use parlour_stun::attribute::*;
use parlour_stun::*;

/// Runs one input.
pub fn stun_message(bytes: &[u8]) {
    let _ = classify(bytes);
    let _ = frame_length(bytes);
    if let Some(data) = ChannelData::parse(bytes) {
        let mut out = Vec::new();
        assert!(data.write(true, &mut out));
        assert_eq!(ChannelData::parse(&out), Some(data));
    }
    // The four bytes of the header that fuzzing finds hard are mended.
    let mut bytes = bytes.to_vec();
    bytes.truncate(bytes.len() & !3);
    if bytes.len() >= 20 {
        let length = (bytes.len() - 20) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    }
    let Ok(message) = Message::parse(&bytes) else { return };
    macro_rules! read {
        ($($attribute:ty),*) => { $(let _ = message.get::<$attribute>();)* };
    }
    read!(
        MappedAddress,
        XorMappedAddress,
        XorPeerAddress,
        XorRelayedAddress,
        AlternateServer,
        ResponseOrigin,
        OtherAddress,
        RequestedAddressFamily,
        AdditionalAddressFamily,
        Username<'_>,
        Realm<'_>,
        Nonce<'_>,
        Software<'_>,
        AlternateDomain<'_>,
        Userhash,
        ErrorCode<'_>,
        AddressErrorCode<'_>,
        UnknownAttributes<'_>,
        ChosenPasswordAlgorithm,
        Lifetime,
        ReservationToken,
        ConnectionId,
        Priority,
        IceControlled,
        IceControlling,
        Nomination,
        RequestedTransport,
        EvenPort,
        ChannelNumberAttribute,
        ResponsePort,
        ChangeRequest,
        Icmp,
        DontFragment,
        UseCandidate,
        Data<'_>,
        MobilityTicket<'_>
    );
    if let Ok(Some(list)) = message.get::<PasswordAlgorithms<'_>>() {
        let _ = list.iter().count();
    }
    if let Ok(Some(nonce)) = message.get::<Nonce<'_>>() {
        let _ = SecurityFeatures::of_nonce(nonce.0);
    }
    let _ = message.fingerprint();
    let _ = message.verify(&IntegrityKey::sha1(b"key"));
    let _ = message.verify(&IntegrityKey::sha256(b"key"));

    let key = IntegrityKey::sha1(b"key");
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, message.class(), message.method(), message.transaction_id());
    message.attributes().for_each(|attribute| writer.put_raw(attribute.kind, attribute.value));
    writer.integrity(&key);
    writer.fingerprint();
    if writer.finish().is_ok() {
        let again = Message::parse(&out).expect("what is written can be read");
        assert!(again.attributes().eq(message.attributes()));
        assert!(again.verify(&key) == Integrity::Valid && again.fingerprint() == Some(true));
    }
}
