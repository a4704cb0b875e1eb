//! What building and checking one connectivity check costs: `cargo bench -p parlour-stun`.

use criterion::{Criterion, criterion_group, criterion_main};
use parlour_stun::attribute::{IceControlling, Priority, UseCandidate, Username};
use parlour_stun::{Class, Integrity, IntegrityKey, Message, MessageWriter, Method, TransactionId};
use std::hint::black_box;

fn check(out: &mut Vec<u8>, key: &IntegrityKey) {
    let mut writer = MessageWriter::new(out, Class::Request, Method::BINDING, TransactionId([7; 12]));
    writer.put(&Username("evtj:h6vY"));
    writer.put(&Priority(0x6E00_01FF));
    writer.put(&IceControlling(0x1234_5678_9ABC_DEF0));
    writer.put(&UseCandidate);
    writer.integrity(key);
    writer.fingerprint();
    writer.finish().unwrap();
}

fn bench(c: &mut Criterion) {
    let key = IntegrityKey::sha1(b"VOkJxbRl1RmTxUk/WvJxBt");
    let mut out = Vec::with_capacity(256);
    c.bench_function("stun/build with integrity and fingerprint", |b| {
        b.iter(|| {
            out.clear();
            check(black_box(&mut out), &key);
        });
    });
    out.clear();
    check(&mut out, &key);
    c.bench_function("stun/parse and verify integrity and fingerprint", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&out)).unwrap();
            assert!(message.fingerprint() == Some(true) && message.verify(&key) == Integrity::Valid);
        });
    });
    c.bench_function("stun/parse", |b| b.iter(|| Message::parse(black_box(&out)).unwrap().method()));
    c.bench_function("stun/key from password", |b| b.iter(|| IntegrityKey::sha1(black_box(b"VOkJxbRl1RmTxUk/WvJxBt"))));

    let theirs = stun_types::message::Message::from_bytes(&out).unwrap();
    let credentials: stun_types::message::MessageIntegrityCredentials =
        stun_types::message::ShortTermCredentials::new("VOkJxbRl1RmTxUk/WvJxBt".to_owned()).into();
    c.bench_function("stun-types/verify integrity", |b| {
        b.iter(|| theirs.validate_integrity(black_box(&credentials)).is_ok());
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
