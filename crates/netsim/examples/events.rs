//! How fast the simulator is: packet events a second on one core. `cargo run --release -p parlour-netsim --example events`

use parlour_netsim::{Event, Firewall, LinkSpec, Loss, NatSpec, Network, Packet};
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

fn main() {
    let ip = |last: u8| IpAddr::from([203, 0, 113, last]);
    let mut net = Network::new(1);
    let internet = net.segment();
    let link = LinkSpec::bottleneck(1000, Duration::from_millis(10), 20).with_loss(Loss::Random(0.01));
    let server = net.host();
    net.attach(server, internet, &[ip(1)], link.clone());
    let clients: Vec<_> = (0..50u8)
        .map(|n| {
            let home = net.segment();
            let host = net.host();
            let inner = IpAddr::from([10, n, 0, 2]);
            net.attach(host, home, &[inner], LinkSpec::default());
            net.nat(
                NatSpec::port_restricted(),
                Firewall::open(),
                (home, IpAddr::from([10, n, 0, 1])),
                (internet, &[ip(10 + n)]),
                link.clone(),
            );
            (host, inner)
        })
        .collect();
    let to = SocketAddr::new(ip(1), 3478);
    let (start, mut turn) = (Instant::now(), 0u64);
    while net.events() < 10_000_000 {
        for (host, inner) in &clients {
            net.send(*host, Packet::udp(SocketAddr::new(*inner, 5000), to, vec![0; 200]));
        }
        turn += 1;
        let until = net.now() + Duration::from_millis(1);
        while let Some((host, event)) = net.poll(until) {
            if let (true, Event::Udp(packet)) = (host == server, event) {
                net.send(server, Packet::udp(packet.dst, packet.src, packet.payload));
            }
        }
    }
    let took = start.elapsed();
    println!(
        "{} packet events in {:.2} s ({turn} virtual milliseconds): {:.0} ns each",
        net.events(),
        took.as_secs_f64(),
        took.as_nanos() as f64 / net.events() as f64
    );
}
