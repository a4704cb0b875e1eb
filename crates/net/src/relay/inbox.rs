//! What reaches a shard from other threads.

use super::stream::Accepted;
use super::{Listed, Report, shard};
use parlour_turn::server::AllocationId;
use parlour_turn::{Ecn, FiveTuple};
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of packets that may wait for a shard; what comes beyond is lost, as a full socket buffer would lose it.
const PACKET_BYTES: usize = 4 << 20;

/// Something for a shard to do.
pub(super) enum Command {
    /// Take over a connection.
    Stream(Box<Accepted>),
    /// A datagram for an allocation here, or for one that is to be made here, of a client whom the kernel deals to
    /// another shard.
    Foreign { tuple: FiveTuple, ecn: Ecn, bytes: Vec<u8>, from: usize },
    /// Whether that shard has an allocation of this client.
    Guest { tuple: FiveTuple, home: usize, known: bool },
    /// Tell how things are.
    Report(Sender<Report>),
    /// Tell all allocations.
    List(Sender<Vec<Listed>>),
    /// End an allocation.
    Kick(AllocationId, Sender<bool>),
    /// Take no new allocations.
    Drain,
    /// End.
    Stop,
}

/// Datagrams from relays of other shards to relays of this one.
#[derive(Debug, Default)]
pub(super) struct Packets {
    bytes: Vec<u8>,
    trains: Vec<CrossTrain>,
}

/// One train between two relays.
#[derive(Clone, Debug)]
pub(super) struct CrossTrain {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) ecn: Ecn,
    segment_size: usize,
    range: Range<usize>,
}

impl Packets {
    /// Each train with its datagrams.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CrossTrain, impl Iterator<Item = &[u8]>)> {
        self.trains.iter().map(|train| {
            let bytes = self.bytes.get(train.range.clone()).unwrap_or_default();
            let empty: Option<&[u8]> = bytes.is_empty().then_some(&[]);
            (train, empty.into_iter().chain(bytes.chunks(train.segment_size.max(1))))
        })
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.trains.clear();
    }
}

/// The letter box of one shard.
pub(super) struct Inbox {
    commands: Mutex<Vec<Command>>,
    packets: Mutex<Packets>,
    waker: mio::Waker,
}

impl Inbox {
    pub(super) fn new(poll: &mio::Poll) -> io::Result<Self> {
        Ok(Self {
            commands: Mutex::default(),
            packets: Mutex::default(),
            waker: mio::Waker::new(poll.registry(), shard::WAKER)?,
        })
    }

    pub(super) fn push(&self, command: Command) {
        lock(&self.commands).push(command);
        self.wake();
    }

    /// Leaves a train; `false` if the box is full.
    pub(super) fn push_train(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        ecn: Ecn,
        segment_size: usize,
        bytes: &[u8],
    ) -> bool {
        let mut packets = lock(&self.packets);
        if packets.bytes.len() + bytes.len() > PACKET_BYTES {
            return false;
        }
        let first = packets.trains.is_empty();
        let start = packets.bytes.len();
        packets.bytes.extend_from_slice(bytes);
        let range = start..packets.bytes.len();
        packets.trains.push(CrossTrain { from, to, ecn, segment_size, range });
        drop(packets);
        if first {
            self.wake();
        }
        true
    }

    pub(super) fn take_commands(&self) -> Vec<Command> {
        std::mem::take(&mut *lock(&self.commands))
    }

    /// Exchanges the waiting packets for `empty`, whose memory is used for the next ones.
    pub(super) fn swap_packets(&self, empty: &mut Packets) {
        std::mem::swap(&mut *lock(&self.packets), empty);
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a relay thread cannot be woken");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
