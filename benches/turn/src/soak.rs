//! Thousands of allocations for a long time: every refresh must succeed and no packet may be lost.

use crate::Error;
use crate::contender::{Contender, Server};
use crate::load::{TurnClient, drain, open, raise_open_files, send};
use mio::{Events, Interest, Poll, Token};
use parlour_net::udp::UdpIo;
use parlour_turn::client::Event;
use std::time::{Duration, Instant};

/// How often each client sends a packet to the peer, which sends it back.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long an answer may take before its packet counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn run(seconds: usize, allocations: usize) -> Result<(), Error> {
    raise_open_files();
    let mut io = UdpIo::new();
    let server = Server::start(Contender::Parlour, (0, 0))?;
    let peer = open(0)?;
    let mut poll = Poll::new()?;
    let mut clients = Vec::with_capacity(allocations);
    let began = Instant::now();
    for n in 0..allocations {
        let mut client = TurnClient::allocate(&mut io, server.at)?;
        client.bind(&mut io, peer.local())?;
        poll.registry().register(client.socket.source(), Token(n), Interest::READABLE)?;
        clients.push(client);
    }
    let memory = server.memory();
    println!(
        "{allocations} allocations in {:.1} s, {:.1} MB resident",
        began.elapsed().as_secs_f64(),
        memory as f64 / 1e6
    );
    let (start, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds as u64));
    let (mut sent, mut received, mut events) = (0u64, 0u64, Events::with_capacity(1024));
    let pace = INTERVAL / allocations.max(1) as u32;
    let (mut due, mut next, mut told, mut swept) = (start, 0usize, start, start);
    while Instant::now() < end + PATIENCE {
        poll.poll(&mut events, Some(Duration::from_millis(1)))?;
        for event in &events {
            if let Some(client) = clients.get_mut(event.token().0) {
                received += client.turn(&mut io);
            }
        }
        let mut echoes = Vec::new();
        drain(&mut io, &peer, |from, data| echoes.push((from, data.to_vec())));
        for (from, data) in echoes {
            send(&mut io, &peer, from, &data, data.len());
        }
        let now = Instant::now();
        while due <= now && now < end {
            due += pace;
            if let Some(client) = clients.get_mut(next % allocations) {
                let mut message = Vec::new();
                client.client.send(peer.local(), &(next as u64).to_be_bytes(), &mut message)?;
                send(&mut io, &client.socket, server.at, &message, message.len());
                sent += 1;
            }
            next += 1;
        }
        // Timers are coarse: a sweep over all clients a second.
        if now - swept >= Duration::from_secs(1) {
            swept = now;
            for (n, client) in clients.iter_mut().enumerate() {
                received += client.turn(&mut io);
                while let Some(event) = client.client.poll_event() {
                    if let Event::Closed(why) = event {
                        return Err(format!(
                            "allocation {n} ended after {:.0} s: {why}",
                            start.elapsed().as_secs_f64()
                        )
                        .into());
                    }
                }
            }
        }
        if now - told >= Duration::from_secs(30) {
            told = now;
            println!(
                "{:>4.0} s: {sent} packets sent, {received} back, {:.1} MB resident, {:.1} s of processor time",
                start.elapsed().as_secs_f64(),
                server.memory() as f64 / 1e6,
                server.cpu().as_secs_f64(),
            );
        }
    }
    let grown = server.memory().saturating_sub(memory) as f64 / 1e6;
    println!("{sent} packets sent, {received} back, memory grew by {grown:.1} MB");
    if received != sent {
        return Err(format!("{} packets were lost", sent.abs_diff(received)).into());
    }
    Ok(())
}
