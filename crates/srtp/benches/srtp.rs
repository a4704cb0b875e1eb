//! What protecting and unprotecting one packet costs, by profile and size.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use parlour_srtp::{MasterKey, ProtectionProfile, SrtpReceiver, SrtpSender};
use std::hint::black_box;

fn packet(sequence: u64, size: usize) -> Vec<u8> {
    let mut packet = vec![0x55; size + 20];
    packet[..12].copy_from_slice(&[0x80, 96, (sequence >> 8) as u8, sequence as u8, 0, 0, 0, 0, 0, 0, 0, 7]);
    packet
}

fn benches(c: &mut Criterion) {
    for profile in ProtectionProfile::ALL {
        let key = MasterKey::new(profile, &[7; 32][..profile.key_length()], &[9; 14][..profile.salt_length()])
            .expect("lengths of the profile");
        for size in [160, 1200] {
            let mut group = c.benchmark_group(format!("srtp/{}/{size}", profile.name()));
            group.throughput(Throughput::Bytes(size as u64));
            let mut sender = SrtpSender::new(&key);
            let (mut sequence, mut buffer) = (0u64, packet(0, size));
            group.bench_function("protect", |b| {
                b.iter(|| {
                    buffer[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
                    sequence += 1;
                    sender.protect_rtp(black_box(&mut buffer), size)
                });
            });
            let mut sender = SrtpSender::new(&key);
            let mut receiver = SrtpReceiver::new(&key);
            let mut sequence = 0;
            group.bench_function("unprotect", |b| {
                b.iter_batched_ref(
                    || {
                        let mut buffer = packet(sequence, size);
                        sequence += 1;
                        let length = sender.protect_rtp(&mut buffer, size).expect("a fresh index");
                        buffer.truncate(length);
                        buffer
                    },
                    |buffer| receiver.unprotect_rtp(black_box(buffer)),
                    BatchSize::NumIterations(256),
                );
            });
            group.finish();
        }
    }
}

criterion_group!(group, benches);
criterion_main!(group);
