//! Packets of any content protected and unprotected, and bytes of any content refused.

use parlour_srtp::{Cryptex, MasterKey, ProtectionProfile, SrtpReceiver, SrtpSender};

/// Runs one input.
pub fn srtp(bytes: &[u8]) {
    let Some((choice, packet)) = bytes.split_first() else { return };
    let profile = ProtectionProfile::ALL[usize::from(choice & 3)];
    let cryptex = if choice & 4 == 0 { Cryptex::Off } else { Cryptex::On };
    let key =
        MasterKey::new(profile, &[1; 32][..profile.key_length()], &[2; 14][..profile.salt_length()]).expect("key");
    let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
    sender.set_cryptex(cryptex);
    receiver.set_cryptex(cryptex);
    assert!(receiver.unprotect_rtp(&mut packet.to_vec()).is_err());
    assert!(receiver.unprotect_rtcp(&mut packet.to_vec()).is_err());
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    if let Ok(length) = sender.protect_rtp(&mut buffer, packet.len()) {
        let cryptic =
            matches!(packet.get(12..), Some(rest) if rest.windows(2).any(|mark| matches!(mark, [0xc0 | 0xc2, 0xde])));
        let opened = receiver.unprotect_rtp(&mut buffer[..length]);
        // A packet that already bears the mark of cryptex is not one that may be sent with it.
        assert!(opened.is_ok() || (cryptic && cryptex == Cryptex::On));
    }
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    if let Ok(length) = sender.protect_rtcp(&mut buffer, packet.len()) {
        let length = receiver.unprotect_rtcp(&mut buffer[..length]).expect("what was protected is unprotected");
        assert_eq!(&buffer[..length], packet);
    }
}
