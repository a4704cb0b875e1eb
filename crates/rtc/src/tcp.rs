//! What ICE asks for beside datagrams: streams to TURN servers and to peers, and names to look up.

use crate::core::{Core, Shared, now};
use parlour_peer::{IceEvent, StreamId, TransportId};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

/// A server that does not answer for so long is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages that wait for a slow stream. What does not fit is dropped, as by a full socket.
const MAX_WAITING: usize = 512;

/// The open streams, by what writes to them. A stream ends when its writer is dropped.
#[derive(Debug, Default)]
pub(crate) struct Streams(HashMap<(TransportId, StreamId), mpsc::Sender<Vec<u8>>>);

impl Streams {
    pub(crate) fn send(&mut self, transport: TransportId, stream: StreamId, bytes: &[u8]) {
        if let Some(writer) = self.0.get(&(transport, stream)) {
            let _ = writer.try_send(bytes.to_vec());
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Does what the ICE agent of a transport asks for.
pub(crate) fn serve(core: &mut Core, shared: &Arc<Shared>, transport: TransportId, request: IceEvent) {
    match request {
        IceEvent::Resolve(name) => {
            tokio::spawn(resolve(Arc::downgrade(shared), transport, name));
        }
        IceEvent::OpenStream { stream, local, remote, tls } => {
            let (writer, messages) = mpsc::channel(MAX_WAITING);
            core.streams.0.insert((transport, stream), writer);
            let weak = Arc::downgrade(shared);
            tokio::spawn(async move {
                // TLS is not spoken here: such a server cannot be used.
                if tls.is_none() {
                    carry(&weak, transport, stream, local, remote, messages).await;
                }
                let Some(shared) = weak.upgrade() else { return };
                shared.change(|core| {
                    core.streams.0.remove(&(transport, stream));
                    if let Some(agent) = core.pc.ice_agent(transport) {
                        agent.handle_stream_closed(now(), stream);
                    }
                });
            });
        }
        IceEvent::CloseStream(stream) => {
            core.streams.0.remove(&(transport, stream));
        }
        _ => {}
    }
}

async fn resolve(shared: Weak<Shared>, transport: TransportId, name: String) {
    let found = match name.ends_with(".local") {
        // Never by DNS (RFC 6762 §3). The other side's checks show where it is.
        true => Vec::new(),
        false => tokio::net::lookup_host((name.as_str(), 0)).await.map(Iterator::collect).unwrap_or_default(),
    };
    let addresses: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
    let Some(shared) = shared.upgrade() else { return };
    shared.change(|core| {
        if let Some(agent) = core.pc.ice_agent(transport) {
            agent.handle_resolved(now(), &name, &addresses);
        }
    });
}

/// Connects, and carries bytes both ways until one side has enough.
async fn carry(
    shared: &Weak<Shared>,
    transport: TransportId,
    stream: StreamId,
    local: Option<SocketAddr>,
    remote: SocketAddr,
    mut messages: mpsc::Receiver<Vec<u8>>,
) {
    let connect = async {
        let socket = if remote.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(local) = local {
            socket.bind(local)?;
        }
        socket.set_nodelay(true)?;
        socket.connect(remote).await
    };
    let Ok(Ok(connection)) = tokio::time::timeout(CONNECT_TIMEOUT, connect).await else { return };
    let Ok(local) = connection.local_addr() else { return };
    let Some(live) = shared.upgrade() else { return };
    live.change(|core| {
        if let Some(agent) = core.pc.ice_agent(transport) {
            agent.handle_stream_open(now(), stream, local);
        }
    });
    drop(live);
    let (mut reader, mut writer) = connection.into_split();
    let write = async {
        while let Some(message) = messages.recv().await {
            if writer.write_all(&message).await.is_err() {
                break;
            }
        }
    };
    let read = async {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            let Some(live) = shared.upgrade() else { break };
            let bytes = buffer.get(..length).unwrap_or_default();
            live.change(|core| core.pc.handle_stream_data(now(), transport, stream, bytes));
        }
    };
    tokio::select! {
        () = write => {}
        () = read => {}
    }
}
