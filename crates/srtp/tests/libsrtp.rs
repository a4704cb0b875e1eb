//! libsrtp opens what we protect and the reverse, for every profile, through rollovers, loss and reordering.
//!
//! Needs a C compiler and Debian's `libsrtp2-dev`, which the test installs when it runs as root.

use parlour_srtp::{MasterKey, ProtectionProfile, SrtpReceiver, SrtpSender};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// A process that answers with what libsrtp does.
struct Libsrtp {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Libsrtp {
    fn start(profile: ProtectionProfile, key: &[u8], salt: &[u8]) -> Self {
        let hex: String = key.iter().chain(salt).map(|byte| format!("{byte:02x}")).collect();
        let mut child = Command::new(program())
            .args([profile.dtls_id().to_string(), hex])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the compiled program starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output }
    }

    fn ask(&mut self, operation: u8, packet: &[u8]) -> Result<Vec<u8>, u8> {
        let length = (packet.len() as u16).to_be_bytes();
        self.input.write_all(&[&[operation], &length[..], packet].concat()).unwrap();
        let mut head = [0; 3];
        self.output.read_exact(&mut head).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        self.output.read_exact(&mut answer).unwrap();
        if head[0] == 0 { Ok(answer) } else { Err(head[0]) }
    }
}

impl Drop for Libsrtp {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libsrtp");
        if !compile(&program) {
            let installed = Command::new("apt-get")
                .args(["install", "-y", "libsrtp2-dev"])
                .stdout(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
            assert!(
                installed && compile(&program),
                "this test needs a C compiler and libsrtp 2: apt-get install gcc libsrtp2-dev"
            );
        }
        program
    })
}

fn compile(program: &Path) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libsrtp.c");
    Command::new("cc")
        .arg("-O1")
        .arg(source)
        .arg("-lsrtp2")
        .arg("-o")
        .arg(program)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

struct Ends {
    sender: SrtpSender,
    receiver: SrtpReceiver,
    peer: Libsrtp,
}

fn ends(profile: ProtectionProfile) -> Ends {
    let key: Vec<u8> = (0..profile.key_length() as u8).map(|byte| byte.wrapping_mul(37) ^ 0x5a).collect();
    let salt: Vec<u8> = (0..profile.salt_length() as u8).map(|byte| byte.wrapping_mul(91) ^ 0xa5).collect();
    let master = MasterKey::new(profile, &key, &salt).unwrap();
    Ends {
        sender: SrtpSender::new(&master),
        receiver: SrtpReceiver::new(&master),
        peer: Libsrtp::start(profile, &key, &salt),
    }
}

/// An RTP packet with CSRCs, extensions and padding in turn, and a payload that tells it from others.
fn rtp(ssrc: u32, index: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 96, (index >> 8) as u8, index as u8, 1, 2, 3, 4];
    packet.extend(ssrc.to_be_bytes());
    if index.is_multiple_of(3) {
        packet[0] |= 2;
        packet.extend([0, 0, 0, 9, 0, 0, 0, 8]);
    }
    if index.is_multiple_of(2) {
        packet[0] |= 0x10;
        packet.extend([0xbe, 0xde, 0, 1, 0x10, 0x7f, 0, 0]);
    }
    let payload = index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    packet.extend((0..index % 97).map(|at| (payload >> (at % 56)) as u8));
    packet
}

fn rtcp(ssrc: u32, count: u8) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, count]);
    packet
}

fn protect(sender: &mut SrtpSender, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 64, 0);
    let length = sender.protect_rtp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

/// Indices in the order of arrival: three turns of the sequence number, with a tenth lost and the rest displaced by up
/// to 40 packets. Every seventh packet only, so that the turns come soon.
fn disturbed_order() -> Vec<u64> {
    let mut random = 12345u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut indices: Vec<(u64, u64)> = (0..3 * 65536u64)
        .step_by(7)
        .map(|index| (next(), index + 7 * (next() % 40), index))
        .filter(|(fate, ..)| fate % 10 != 0)
        .map(|(_, arrival, index)| (arrival, index))
        .collect();
    indices.sort_unstable();
    indices.into_iter().map(|(_, index)| 65000 + index).collect()
}

#[test]
fn libsrtp_opens_what_we_protect() {
    for profile in ProtectionProfile::ALL {
        let Ends { mut sender, mut peer, .. } = ends(profile);
        for (place, index) in disturbed_order().into_iter().enumerate() {
            let packet = rtp(7, index);
            let protected = protect(&mut sender, &packet);
            assert_eq!(protected.len(), packet.len() + profile.rtp_tag_length());
            assert_eq!(peer.ask(b'u', &protected), Ok(packet), "{profile:?} packet {index}");
            if place % 1000 == 0 {
                let mut forged = protected;
                *forged.last_mut().unwrap() ^= 1;
                assert!(peer.ask(b'u', &forged).is_err());
            }
        }
    }
}

#[test]
fn we_open_what_libsrtp_protects() {
    for profile in ProtectionProfile::ALL {
        let Ends { mut receiver, mut peer, .. } = ends(profile);
        for index in disturbed_order() {
            let packet = rtp(7, index);
            let mut protected = peer.ask(b'p', &packet).unwrap();
            let mut again = protected.clone();
            let length = receiver.unprotect_rtp(&mut protected).unwrap();
            assert_eq!(protected[..length], packet, "{profile:?} packet {index}");
            assert!(receiver.unprotect_rtp(&mut again).is_err(), "a replayed packet");
        }
    }
}

#[test]
fn both_ends_agree_on_srtcp() {
    for profile in ProtectionProfile::ALL {
        let Ends { mut sender, mut receiver, mut peer } = ends(profile);
        for count in 0..200 {
            for ssrc in [1, 0xffff_ffff] {
                let packet = rtcp(ssrc, count);
                let mut buffer = packet.clone();
                buffer.resize(packet.len() + 64, 0);
                let length = sender.protect_rtcp(&mut buffer, packet.len()).unwrap();
                assert_eq!(peer.ask(b'U', &buffer[..length]), Ok(packet.clone()), "{profile:?}");

                let mut protected = peer.ask(b'P', &packet).unwrap();
                let mut again = protected.clone();
                let length = receiver.unprotect_rtcp(&mut protected).unwrap();
                assert_eq!(protected[..length], packet, "{profile:?}");
                assert!(receiver.unprotect_rtcp(&mut again).is_err(), "a replayed packet");
            }
        }
    }
}
