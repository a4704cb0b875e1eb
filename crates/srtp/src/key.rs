//! Master keys, and the session keys that are derived from them (RFC 3711 §4.3).

use crate::{KeyError, ProtectionProfile};
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A master key and salt for one direction, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey {
    #[zeroize(skip)]
    profile: ProtectionProfile,
    key: [u8; 32],
    salt: [u8; 14],
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl MasterKey {
    /// A master key for `profile`. Both lengths must be those of the profile.
    pub fn new(profile: ProtectionProfile, key: &[u8], salt: &[u8]) -> Result<Self, KeyError> {
        let mut master = Self { profile, key: [0; 32], salt: [0; 14] };
        match master.key.get_mut(..key.len()) {
            Some(place) if key.len() == profile.key_length() => place.copy_from_slice(key),
            _ => return Err(KeyError::KeyLength { needed: profile.key_length(), got: key.len() }),
        }
        match master.salt.get_mut(..salt.len()) {
            Some(place) if salt.len() == profile.salt_length() => place.copy_from_slice(salt),
            _ => return Err(KeyError::SaltLength { needed: profile.salt_length(), got: salt.len() }),
        }
        Ok(master)
    }

    /// The profile that this key is for.
    pub fn profile(&self) -> ProtectionProfile {
        self.profile
    }

    /// Fills `out` with the key stream for `label` (RFC 3711 §4.3.3; AES-256 by RFC 6188 §3; the 96-bit salt of the AEAD
    /// profiles padded on the right by RFC 7714 §11). The key derivation rate is zero.
    fn derive(&self, label: u8, out: &mut [u8]) {
        let mut input = [0; 16];
        for (place, salt) in input.iter_mut().zip(self.salt) {
            *place = salt;
        }
        input[7] ^= label;
        let mut fill = |encrypt: &dyn Fn(&mut aes::Block)| {
            for (counter, chunk) in (0u16..).zip(out.chunks_mut(16)) {
                let mut block = aes::Block::from(input);
                if let Some(low) = block.last_chunk_mut::<2>() {
                    *low = counter.to_be_bytes();
                }
                encrypt(&mut block);
                for (place, byte) in chunk.iter_mut().zip(block) {
                    *place = byte;
                }
            }
        };
        if self.profile.key_length() == 32 {
            let aes = Aes256::new(&self.key.into());
            fill(&|block| aes.encrypt_block(block));
        } else {
            let mut short = [0; 16];
            for (place, byte) in short.iter_mut().zip(self.key) {
                *place = byte;
            }
            let aes = Aes128::new(&short.into());
            fill(&|block| aes.encrypt_block(block));
            short.zeroize();
        }
    }

    pub(crate) fn rtp_session_keys(&self) -> SessionKeys {
        self.session_keys([0, 1, 2])
    }

    pub(crate) fn rtcp_session_keys(&self) -> SessionKeys {
        self.session_keys([3, 4, 5])
    }

    fn session_keys(&self, [key, authentication, salt]: [u8; 3]) -> SessionKeys {
        let mut session = SessionKeys { key: [0; 32], authentication: [0; 20], salt: [0; 14] };
        let (key_length, salt_length) = (self.profile.key_length(), self.profile.salt_length());
        self.derive(key, session.key.split_at_mut(key_length).0);
        self.derive(authentication, &mut session.authentication);
        self.derive(salt, session.salt.split_at_mut(salt_length).0);
        session
    }
}

/// The keys of one cryptographic context; shorter ones leave the end zero.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SessionKeys {
    pub(crate) key: [u8; 32],
    pub(crate) authentication: [u8; 20],
    pub(crate) salt: [u8; 14],
}

/// The two master keys that a DTLS handshake gives (RFC 5764 §4.2).
#[derive(Clone, Debug)]
pub struct DtlsKeyingMaterial {
    /// What the DTLS client sends with.
    pub client: MasterKey,
    /// What the DTLS server sends with.
    pub server: MasterKey,
}

impl DtlsKeyingMaterial {
    /// Cuts the bytes that DTLS exported under `EXTRACTOR-dtls_srtp`: client key, server key, client salt, server salt.
    pub fn new(profile: ProtectionProfile, material: &[u8]) -> Result<Self, KeyError> {
        let wrong = KeyError::MaterialLength { needed: profile.keying_material_length(), got: material.len() };
        if material.len() < profile.keying_material_length() {
            return Err(wrong);
        }
        let (keys, salts) = material.split_at_checked(2 * profile.key_length()).ok_or(wrong)?;
        let (client_key, server_key) = keys.split_at_checked(profile.key_length()).ok_or(wrong)?;
        let (client_salt, rest) = salts.split_at_checked(profile.salt_length()).ok_or(wrong)?;
        let server_salt = rest.get(..profile.salt_length()).ok_or(wrong)?;
        Ok(Self {
            client: MasterKey::new(profile, client_key, client_salt)?,
            server: MasterKey::new(profile, server_key, server_salt)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::hex;

    #[test]
    fn session_keys_of_counter_mode_match_rfc_3711_b_3() {
        let master = MasterKey::new(
            ProtectionProfile::Aes128CmHmacSha1_80,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        let keys = master.rtp_session_keys();
        assert_eq!(keys.key[..16], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(keys.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        let mut authentication = [0; 94];
        master.derive(1, &mut authentication);
        let wanted = hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
             E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
             6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2");
        assert_eq!(authentication[..], wanted);
        assert_eq!(keys.authentication[..], wanted[..20]);
    }

    #[test]
    fn session_keys_of_gcm_match_rfc_9335_a_2() {
        let master = MasterKey::new(
            ProtectionProfile::AeadAes128Gcm,
            &hex("000102030405060708090a0b0c0d0e0f"),
            &hex("a0a1a2a3a4a5a6a7a8a9aaab"),
        )
        .unwrap();
        let keys = master.rtp_session_keys();
        assert_eq!(keys.key[..16], hex("077c6143cb221bc355ff23d5f984a16e"));
        assert_eq!(keys.salt[..12], hex("9af3e95364ebac9c99c5a7c4"));
    }

    #[test]
    fn keys_of_the_wrong_length_are_refused() {
        let profile = ProtectionProfile::AeadAes256Gcm;
        assert_eq!(
            MasterKey::new(profile, &[0; 16], &[0; 12]).unwrap_err(),
            KeyError::KeyLength { needed: 32, got: 16 }
        );
        assert_eq!(
            MasterKey::new(profile, &[0; 40], &[0; 12]).unwrap_err(),
            KeyError::KeyLength { needed: 32, got: 40 }
        );
        assert_eq!(
            MasterKey::new(profile, &[0; 32], &[0; 14]).unwrap_err(),
            KeyError::SaltLength { needed: 12, got: 14 }
        );
        assert!(DtlsKeyingMaterial::new(profile, &[0; 87]).is_err());
    }

    #[test]
    fn keying_material_is_cut_in_the_order_of_rfc_5764() {
        let material: Vec<u8> = (0..60).collect();
        let cut = DtlsKeyingMaterial::new(ProtectionProfile::Aes128CmHmacSha1_80, &material).unwrap();
        assert_eq!(cut.client.key[..16], material[..16]);
        assert_eq!(cut.server.key[..16], material[16..32]);
        assert_eq!(cut.client.salt[..], material[32..46]);
        assert_eq!(cut.server.salt[..], material[46..60]);
    }
}
