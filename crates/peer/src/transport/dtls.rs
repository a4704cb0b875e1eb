//! DTLS 1.3 and 1.2: the one place that knows the library which speaks it (RFC 9147, RFC 6347, RFC 5764, RFC 8827 §6.5).
//!
//! The certificate is compared with the fingerprints before anything that the handshake gave is let out, in both roles.

use super::certificate::{self, Certificate};
use crate::error::{Error, ErrorDetail};
use crate::jsep::transport::DtlsRole;
use dimpl::{Config, Dtls, DtlsCertificate, KeyingMaterial, Output, ProtocolVersion, SrtpProfile};
use parlour_sdp::Fingerprint;
use parlour_srtp::{DtlsKeyingMaterial, ProtectionProfile};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Pairs that ICE has checked lose little: a lost flight is sent again soon (RFC 9147 §5.8.2 allows it where the round trip
/// is known to be short); the pauses double.
const FIRST_RETRANSMISSION: Duration = Duration::from_millis(150);
/// A handshake that takes longer has failed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// What fits every path beside a check that carries it (RFC 8261 §5 takes 1200 for the whole packet).
const MTU: usize = 1100;

/// Which versions to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtlsVersions {
    /// 1.3, or 1.2 with peers that do not have it.
    #[default]
    Any,
    /// 1.2 only.
    Only12,
    /// 1.3 only.
    Only13,
}

/// What comes out of an association.
#[derive(Debug)]
pub(crate) enum DtlsOutput<'a> {
    /// A datagram to send.
    Packet(&'a [u8]),
    /// The other side is who it said it is. Comes once, before any data; the keys for SRTP, if it was negotiated.
    Connected(Option<Box<DtlsKeyingMaterial>>),
    /// A message of the other side.
    Data(&'a [u8]),
    /// The other side has ended the association.
    Closed,
}

/// One DTLS association.
pub(crate) struct DtlsAssociation {
    dtls: Dtls,
    fingerprints: Vec<Fingerprint>,
    verified: bool,
    finished: bool,
    announced: bool,
    keys: Option<(KeyingMaterial, SrtpProfile)>,
    peer_certificate: Vec<u8>,
    profile: Option<ProtectionProfile>,
    deadline: Option<Instant>,
    buffer: Vec<u8>,
}

fn config() -> Result<Arc<Config>, Error> {
    static CONFIG: OnceLock<Option<Arc<Config>>> = OnceLock::new();
    let make = || {
        let builder = Config::builder()
            .mtu(MTU)
            // ICE has shown that the other side is where its packets come from.
            .use_server_cookie(false)
            .flight_start_rto(FIRST_RETRANSMISSION)
            .handshake_timeout(HANDSHAKE_TIMEOUT);
        builder.build().ok().map(Arc::new)
    };
    CONFIG.get_or_init(make).clone().ok_or_else(|| Error::Operation("DTLS cannot be set up".into()))
}

impl DtlsAssociation {
    /// Begins an association in this role, with a peer that may show a certificate of one of the fingerprints.
    pub(crate) fn new(
        now: Instant,
        role: DtlsRole,
        versions: DtlsVersions,
        certificate: &Certificate,
        fingerprints: Vec<Fingerprint>,
    ) -> Result<Self, Error> {
        let own =
            DtlsCertificate { certificate: certificate.der().to_vec(), private_key: certificate.key_der().to_vec() };
        let config = config()?;
        let mut dtls = match versions {
            DtlsVersions::Any => Dtls::new_auto(config, own, now),
            DtlsVersions::Only12 => Dtls::new_12(config, own, now),
            DtlsVersions::Only13 => Dtls::new_13(config, own, now),
        };
        dtls.set_active(role == DtlsRole::Client);
        Ok(Self {
            dtls,
            fingerprints,
            verified: false,
            finished: false,
            announced: false,
            keys: None,
            peer_certificate: Vec::new(),
            profile: None,
            deadline: Some(now),
            buffer: vec![0; 2048],
        })
    }

    /// A datagram of the other side. An error ends the association.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        out: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), Error> {
        self.dtls.handle_timeout(now).map_err(failed)?;
        match self.dtls.handle_packet(datagram) {
            // What is no answer to the first flight is somebody else's.
            Err(dimpl::Error::UnexpectedMessage(dimpl::UnexpectedMessageError::UnrecognizedAutoServerResponse)) => {}
            result => result.map_err(failed)?,
        }
        self.pump(out)
    }

    /// Sends what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<(), Error> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.dtls.handle_timeout(now).map_err(failed)?;
            self.pump(out)?;
        }
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Sends a message. Messages before the end of the handshake are dropped, as there is nobody to trust yet.
    pub(crate) fn send(&mut self, now: Instant, data: &[u8], out: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<(), Error> {
        if !self.announced {
            return Ok(());
        }
        self.dtls.handle_timeout(now).map_err(failed)?;
        self.dtls.send_application_data(data).map_err(failed)?;
        self.pump(out)
    }

    /// Ends the association and tells the other side.
    pub(crate) fn close(&mut self, out: &mut dyn FnMut(DtlsOutput<'_>)) {
        if self.dtls.close().is_ok() {
            // The end is the end, whatever else would have come of it.
            let _ = self.pump(out);
        }
    }

    /// The version, once agreed on, as `getStats()` tells it (`FEFC` for 1.3).
    pub(crate) fn version(&self) -> Option<&'static str> {
        match self.dtls.protocol_version()? {
            ProtocolVersion::DTLS1_2 => Some("FEFD"),
            ProtocolVersion::DTLS1_3 => Some("FEFC"),
            _ => None,
        }
    }

    /// The profile of SRTP, once agreed on.
    pub(crate) fn profile(&self) -> Option<ProtectionProfile> {
        self.profile
    }

    /// The certificate of the other side as DER; empty before it came and was found right.
    pub(crate) fn peer_certificate(&self) -> &[u8] {
        &self.peer_certificate
    }

    fn pump(&mut self, out: &mut dyn FnMut(DtlsOutput<'_>)) -> Result<(), Error> {
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(packet) => out(DtlsOutput::Packet(packet)),
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::PeerCert(der) => {
                    if !certificate::matches(der, &self.fingerprints) {
                        return Err(stranger());
                    }
                    self.verified = true;
                    self.peer_certificate = der.to_vec();
                }
                Output::KeyingMaterial(material, profile) => self.keys = Some((material, profile)),
                Output::Connected => self.finished = true,
                Output::ApplicationData(data) => {
                    if self.announced {
                        out(DtlsOutput::Data(data));
                    } else if self.finished && self.verified {
                        // The keys come before the data, or there are none.
                        self.announced = true;
                        let keys = take_keys(&mut self.keys, &mut self.profile);
                        out(DtlsOutput::Connected(keys));
                        out(DtlsOutput::Data(data));
                    }
                }
                Output::CloseNotify => out(DtlsOutput::Closed),
                Output::Timeout(deadline) => {
                    self.deadline = Some(deadline);
                    break;
                }
                // What later versions of the library may tell beside.
                _ => {}
            }
        }
        if self.finished && !self.verified {
            return Err(stranger());
        }
        if self.finished && !self.announced {
            self.announced = true;
            let keys = take_keys(&mut self.keys, &mut self.profile);
            out(DtlsOutput::Connected(keys));
        }
        Ok(())
    }
}

fn take_keys(
    keys: &mut Option<(KeyingMaterial, SrtpProfile)>,
    agreed: &mut Option<ProtectionProfile>,
) -> Option<Box<DtlsKeyingMaterial>> {
    let (material, profile) = keys.take()?;
    let profile = match profile {
        SrtpProfile::AEAD_AES_128_GCM => ProtectionProfile::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => ProtectionProfile::AeadAes256Gcm,
        SrtpProfile::AES128_CM_SHA1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        _ => return None,
    };
    *agreed = Some(profile);
    DtlsKeyingMaterial::new(profile, &material).ok().map(Box::new)
}

fn failed(error: dimpl::Error) -> Error {
    Error::Rtc { detail: ErrorDetail::DtlsFailure, sdp_line_number: None, message: error.to_string() }
}

fn stranger() -> Error {
    let message = "the certificate has none of the fingerprints of the description".to_owned();
    Error::Rtc { detail: ErrorDetail::FingerprintFailure, sdp_line_number: None, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const UNIX: Duration = Duration::from_secs(1_800_000_000);

    struct End {
        association: DtlsAssociation,
        outbox: VecDeque<Vec<u8>>,
        connected: usize,
        keys: Option<Box<DtlsKeyingMaterial>>,
        data: Vec<Vec<u8>>,
        closed: bool,
        failed: Option<Error>,
    }

    impl End {
        fn drive(
            &mut self,
            step: impl FnOnce(&mut DtlsAssociation, &mut dyn FnMut(DtlsOutput<'_>)) -> Result<(), Error>,
        ) {
            if self.failed.is_some() {
                return;
            }
            let Self { association, outbox, connected, keys, data, closed, .. } = self;
            let result = step(association, &mut |output| match output {
                DtlsOutput::Packet(packet) => outbox.push_back(packet.to_vec()),
                DtlsOutput::Connected(material) => {
                    *connected += 1;
                    *keys = material;
                }
                DtlsOutput::Data(bytes) => data.push(bytes.to_vec()),
                DtlsOutput::Closed => *closed = true,
            });
            self.failed = result.err();
        }
    }

    struct Pair {
        now: Instant,
        ends: [End; 2],
        sent: usize,
    }

    impl Pair {
        /// The first is the client. Each expects the certificate of the other, or of a stranger.
        fn new(versions: [DtlsVersions; 2], strangers: [bool; 2]) -> Self {
            let certificates = [Certificate::generate(UNIX).unwrap(), Certificate::generate(UNIX).unwrap()];
            let stranger = Certificate::generate(UNIX).unwrap().fingerprint();
            let now = Instant::now();
            let end = |nth: usize, role| {
                let expected = if strangers[nth] { stranger.clone() } else { certificates[1 - nth].fingerprint() };
                let association =
                    DtlsAssociation::new(now, role, versions[nth], &certificates[nth], vec![expected]).unwrap();
                End {
                    association,
                    outbox: VecDeque::new(),
                    connected: 0,
                    keys: None,
                    data: Vec::new(),
                    closed: false,
                    failed: None,
                }
            };
            Self { now, ends: [end(0, DtlsRole::Client), end(1, DtlsRole::Server)], sent: 0 }
        }

        /// Runs for so long, and loses what `loses` says of the n-th datagram.
        fn run(&mut self, time: Duration, loses: impl Fn(usize) -> bool) {
            let end = self.now + time;
            loop {
                let now = self.now;
                for from in [0, 1] {
                    self.ends[from].drive(|association, out| association.handle_timeout(now, out));
                    while let Some(packet) = self.ends[from].outbox.pop_front() {
                        self.sent += 1;
                        if !loses(self.sent) {
                            self.ends[1 - from]
                                .drive(|association, out| association.handle_datagram(now, &packet, out));
                        }
                    }
                }
                if self.ends.iter().any(|end| !end.outbox.is_empty()) {
                    continue;
                }
                let next = self.ends.iter().filter(|end| end.failed.is_none());
                let next = next.filter_map(|end| end.association.poll_timeout()).min();
                match next.filter(|next| *next <= end) {
                    Some(next) => self.now = next.max(now + Duration::from_micros(1)),
                    None => break,
                }
            }
            self.now = end;
        }
    }

    const ALL: [([DtlsVersions; 2], &str); 5] = [
        ([DtlsVersions::Any, DtlsVersions::Any], "FEFC"),
        ([DtlsVersions::Only13, DtlsVersions::Any], "FEFC"),
        ([DtlsVersions::Any, DtlsVersions::Only12], "FEFD"),
        ([DtlsVersions::Only12, DtlsVersions::Any], "FEFD"),
        ([DtlsVersions::Only12, DtlsVersions::Only12], "FEFD"),
    ];

    /// RFC 9147, RFC 6347; RFC 5764 §4.2: both sides get the same keys.
    #[test]
    fn both_versions_connect_and_agree_on_keys() {
        for (versions, version) in ALL {
            let mut pair = Pair::new(versions, [false, false]);
            pair.run(Duration::from_secs(1), |_| false);
            for end in &pair.ends {
                assert_eq!((end.connected, &end.failed), (1, &None), "{versions:?}");
                assert_eq!(end.association.version(), Some(version), "{versions:?}");
            }
            let [client, server] = &mut pair.ends;
            let (ours, theirs) = (client.keys.take().unwrap(), server.keys.take().unwrap());
            let mut sender = parlour_srtp::SrtpSender::new(&ours.client);
            let mut receiver = parlour_srtp::SrtpReceiver::new(&theirs.client);
            let mut packet = vec![0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3];
            let plain = packet.clone();
            packet.resize(64, 0);
            let length = sender.protect_rtp(&mut packet, plain.len()).unwrap();
            let opened = receiver.unprotect_rtp(&mut packet[..length]).unwrap();
            assert_eq!(packet[..opened], plain);
        }
    }

    #[test]
    fn messages_go_both_ways_and_the_end_is_told() {
        for (versions, _) in ALL {
            let mut pair = Pair::new(versions, [false, false]);
            let now = pair.now;
            pair.ends[0].drive(|association, out| association.send(now, b"too early", out));
            pair.run(Duration::from_secs(1), |_| false);
            let now = pair.now;
            for (nth, message) in [&b"ping"[..], b"pong"].into_iter().enumerate() {
                pair.ends[nth].drive(|association, out| association.send(now, message, out));
            }
            pair.run(Duration::from_secs(1), |_| false);
            assert_eq!((&pair.ends[1].data, &pair.ends[0].data), (&vec![b"ping".to_vec()], &vec![b"pong".to_vec()]));
            pair.ends[0].drive(|association, out| {
                association.close(out);
                Ok(())
            });
            pair.run(Duration::from_secs(1), |_| false);
            assert!(pair.ends[1].closed, "{versions:?}");
        }
    }

    /// RFC 8827 §6.5, RFC 8122 §6.2: a man in the middle has another certificate. Nothing is let out, in either role.
    #[test]
    fn the_wrong_certificate_is_found_out_in_both_roles() {
        for (versions, _) in ALL {
            for deceived in [0, 1] {
                let mut strangers = [false, false];
                strangers[deceived] = true;
                let mut pair = Pair::new(versions, strangers);
                pair.run(Duration::from_secs(2), |_| false);
                let end = &pair.ends[deceived];
                assert!(
                    matches!(end.failed, Some(Error::Rtc { detail: ErrorDetail::FingerprintFailure, .. })),
                    "{versions:?} {deceived}: {:?}",
                    end.failed
                );
                assert_eq!((end.connected, end.keys.is_some(), end.data.len()), (0, false, 0));
                assert!(end.association.peer_certificate().is_empty());
            }
        }
    }

    /// RFC 9147 §5.8: lost flights are sent again, in time that passes only here.
    #[test]
    fn lost_flights_are_sent_again() {
        for (versions, _) in ALL {
            for lost in 1..8 {
                let mut pair = Pair::new(versions, [false, false]);
                pair.run(Duration::from_secs(8), |nth| nth == lost);
                assert!(pair.ends.iter().all(|end| end.connected == 1), "{versions:?}, without datagram {lost}");
            }
        }
    }

    /// A handshake that nobody answers ends.
    #[test]
    fn a_handshake_without_an_answer_fails() {
        let mut pair = Pair::new([DtlsVersions::Any; 2], [false, false]);
        pair.run(Duration::from_secs(60), |_| true);
        assert!(matches!(pair.ends[0].failed, Some(Error::Rtc { detail: ErrorDetail::DtlsFailure, .. })));
    }

    /// What is malformed is dropped, before and after the handshake.
    #[test]
    fn noise_does_not_hurt() {
        let mut pair = Pair::new([DtlsVersions::Any; 2], [false, false]);
        let noise: [&[u8]; 4] = [&[22], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255], &[20; 60], &[63; 1500]];
        for round in 0..2 {
            let now = pair.now;
            for end in &mut pair.ends {
                for noise in noise {
                    end.drive(|association, out| association.handle_datagram(now, noise, out));
                }
            }
            pair.run(Duration::from_secs(2), |_| false);
            assert!(pair.ends.iter().all(|end| end.connected == 1 && end.failed.is_none()), "round {round}");
        }
    }
}
