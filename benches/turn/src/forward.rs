//! The floor: a forwarder that moves trains between pairs of ports and looks at nothing.

use crate::Error;
use mio::{Events, Interest, Poll, Token};
use parlour_net::udp::{Options, Train, UdpIo, UdpSocket};
use std::net::{Ipv4Addr, SocketAddr};

/// Forwards between `count` ports from `port` on, whose clients are whoever sends first, and peers at `count` ports from `peer` on. Behind
/// each of the former, `count` ports higher, is the one that its peer hears from.
pub(crate) fn run(count: &str, port: &str, peer: &str) -> Result<(), Error> {
    let (count, port, peer): (u16, u16, u16) = (count.parse()?, port.parse()?, peer.parse()?);
    let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let options = Options { share_port: false, receive_buffer: 8 << 20, send_buffer: 8 << 20 };
    let mut sockets = (0..2 * count).map(|n| UdpSocket::bind(at(port + n), options)).collect::<Result<Vec<_>, _>>()?;
    let mut poll = Poll::new()?;
    for (n, socket) in sockets.iter_mut().enumerate() {
        poll.registry().register(socket.source(), Token(n), Interest::READABLE)?;
    }
    let count = usize::from(count);
    let mut clients: Vec<Option<SocketAddr>> = vec![None; count];
    // Two, so that one can lend its buffers while the other sends.
    let (mut receiving, mut sending) = (UdpIo::new(), UdpIo::new());
    let mut events = Events::with_capacity(256);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let n = event.token().0;
            while let Some(socket) = sockets.get(n) {
                let Ok(trains) = receiving.receive(socket, 32) else { break };
                let whole = trains.len() == 32;
                let out = (n + count) % (2 * count);
                for train in trains {
                    let to = if n < count {
                        if let Some(client) = clients.get_mut(n) {
                            *client = Some(train.from);
                        }
                        Some(at(peer + n as u16))
                    } else {
                        clients.get(n - count).copied().flatten()
                    };
                    if let (Some(to), Some(socket)) = (to, sockets.get(out)) {
                        let (bytes, segment_size) = train.as_train();
                        let train = Train { bytes, segment_size, to, from: None, ecn: train.ecn, dont_fragment: false };
                        let _ = sending.send(socket, train);
                    }
                }
                if !whole {
                    break;
                }
            }
        }
    }
}
