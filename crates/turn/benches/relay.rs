//! What one relayed packet costs, both ways, and one allocation: `cargo bench -p parlour-turn`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use parlour_stun::attribute::{
    ChannelNumberAttribute, Lifetime, Nonce, Realm, RequestedTransport, Username, XorPeerAddress,
};
use parlour_stun::{Class, IntegrityKey, LongTermKey, MessageWriter, Method, PasswordAlgorithm, TransactionId};
use parlour_turn::server::{Config, Credentials, IoRequest, Nonces, Quotas, RelayAddress, RelayId, Server, Via};
use parlour_turn::{Ecn, FiveTuple, Outbox, Transport};
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

struct Bench {
    server: Server,
    now: Instant,
    out: Outbox<Via>,
    key: IntegrityKey,
    nonce: String,
}

fn tuple(n: u32) -> FiveTuple {
    FiveTuple {
        transport: Transport::Udp,
        client: SocketAddr::new((0x0808_0000 + (n >> 8)).to_be_bytes().into(), 1024 + (n & 0xFF) as u16),
        server: ([198, 51, 100, 1], 3478).into(),
    }
}

impl Bench {
    fn new() -> Self {
        let quotas = Quotas { allocations_per_user: u32::MAX, ..Quotas::default() };
        let relays = vec![RelayAddress { local: [198, 51, 100, 1].into(), external: None }];
        let mut config = Config { relays, quotas, ports: 1024..=65_535, ..Config::default() };
        config.peers.allow = vec!["203.0.113.0/24".parse().unwrap()];
        let now = Instant::now();
        let mut state = 1u64;
        let rng = Box::new(move |bytes: &mut [u8]| {
            for byte in bytes {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 33) as u8;
            }
        });
        let nonces = Nonces::new(&[1; 32], Duration::from_secs(3600));
        let credentials = Credentials::new().user("ann", "secret");
        let server = Server::new(now, Duration::from_secs(1_000_000), config, credentials, nonces, rng).unwrap();
        let raw = LongTermKey::new(PasswordAlgorithm::Md5, "ann", "parlour", "secret");
        let nonce = server.nonces().for_user("ann", 1_000_000);
        Self { server, now, out: Outbox::default(), key: IntegrityKey::sha1(raw.as_bytes()), nonce }
    }

    fn request(&self, n: u32, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut id = [0; 12];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let mut writer = MessageWriter::new(&mut bytes, Class::Request, method, TransactionId(id));
        fill(&mut writer);
        writer.put(&Username("ann"));
        writer.put(&Realm("parlour"));
        writer.put(&Nonce(&self.nonce));
        writer.integrity(&self.key);
        writer.finish().unwrap();
        bytes
    }

    fn take(&mut self, n: u32, bytes: &[u8]) {
        self.server.handle_client(self.now, tuple(n), Ecn::NotCapable, bytes, &mut self.out);
        while let Some(request) = self.server.poll_request() {
            if let IoRequest::BindRelay { relay, .. } = request {
                self.server.handle_relay_bound(self.now, relay, true, &mut self.out);
            }
        }
        while self.server.poll_event().is_some() {}
        self.out.clear();
    }
}

fn bench(c: &mut Criterion) {
    let mut b = Bench::new();
    let peer: SocketAddr = "203.0.113.5:4000".parse().unwrap();
    // Ten thousand allocations, so that the tables are of a real size.
    for n in 0..10_000 {
        let allocate = b.request(n, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
        b.take(n, &allocate);
        let bind = b.request(n, Method::CHANNEL_BIND, |w| {
            w.put(&ChannelNumberAttribute(0x4000));
            w.put(&XorPeerAddress(peer));
        });
        b.take(n, &bind);
    }
    assert_eq!(b.server.len(), 10_000);
    for size in [160usize, 1200] {
        let mut group = c.benchmark_group(format!("turn/relay {size} B, train of 32"));
        group.throughput(Throughput::Elements(32));
        let mut channel = vec![0x40, 0];
        channel.extend_from_slice(&(size as u16).to_be_bytes());
        channel.resize(4 + size, 7);
        let mut n = 0;
        group.bench_function("client to peer", |bench| {
            bench.iter(|| {
                n = (n + 7919) % 10_000;
                let tuple = tuple(n);
                for _ in 0..32 {
                    b.server.handle_client(b.now, tuple, Ecn::NotCapable, black_box(&channel), &mut b.out);
                }
                assert_eq!(b.out.transmits().len(), 1);
                b.out.clear();
            });
        });
        let data = vec![7; size];
        group.bench_function("peer to client", |bench| {
            bench.iter(|| {
                n = (n + 7919) % 10_000;
                for _ in 0..32 {
                    b.server.handle_peer(b.now, RelayId(n), peer, Ecn::NotCapable, black_box(&data), &mut b.out);
                }
                assert_eq!(b.out.transmits().len(), 1);
                b.out.clear();
            });
        });
        group.finish();
    }
    let refresh = b.request(77, Method::REFRESH, |w| w.put(&Lifetime(600)));
    c.bench_function("turn/authenticated refresh", |bench| bench.iter(|| b.take(77, black_box(&refresh))));
    let allocate = b.request(20_000, Method::ALLOCATE, |w| w.put(&RequestedTransport::UDP));
    let delete = b.request(20_000, Method::REFRESH, |w| w.put(&Lifetime(0)));
    c.bench_function("turn/allocate and delete", |bench| {
        bench.iter(|| {
            b.take(20_000, black_box(&allocate));
            b.take(20_000, black_box(&delete));
        });
    });
    let mut binding = Vec::new();
    MessageWriter::new(&mut binding, Class::Request, Method::BINDING, TransactionId([1; 12])).finish().unwrap();
    c.bench_function("turn/binding", |bench| bench.iter(|| b.take(20_001, black_box(&binding))));
}

criterion_group!(benches, bench);
criterion_main!(benches);
