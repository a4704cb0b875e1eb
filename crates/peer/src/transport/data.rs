//! The SCTP association of a connection, and which of its channels is which of the program's.

use crate::channels::{ChannelId, ChannelState, DataChannel};
use crate::jsep::transport::{DtlsRole, TransportId};
use crate::jsep::{SCTP_PORT, Sctp};
use parlour_sctp::{Channel, ChannelOptions, Config, DataChannels, Reliability, Role};
use std::time::{Duration, Instant};

pub(crate) struct DataLink {
    pub(crate) transport: TransportId,
    pub(crate) generation: u32,
    pub(crate) sctp: DataChannels,
    known: Vec<Known>,
}

struct Known {
    channel: ChannelId,
    handle: Channel,
    /// The waiting bytes that the program knows of.
    told: usize,
}

impl DataLink {
    pub(crate) fn new(
        now: Instant,
        transport: TransportId,
        sctp: &Sctp,
        max_message_size: u64,
        seed: [u8; 32],
    ) -> Self {
        let mut config = Config { local_port: SCTP_PORT, remote_port: sctp.remote_port, ..Config::default() };
        if max_message_size != 0 {
            config.max_message_size = usize::try_from(max_message_size).unwrap_or(usize::MAX);
        }
        Self { transport, generation: sctp.generation, sctp: DataChannels::new(now, config, seed), known: Vec::new() }
    }

    pub(crate) fn connect(&mut self, now: Instant, role: DtlsRole) {
        let role = match role {
            DtlsRole::Client => Role::Client,
            DtlsRole::Server => Role::Server,
        };
        // It is new, so that it has not been started.
        let _ = self.sctp.connect(now, role);
    }

    /// The largest message, as the association counts: 0 for any.
    pub(crate) fn limit(&self, sctp: &Sctp) -> usize {
        sctp.max_message_size.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX))
    }

    /// Hands a channel of the program over, once.
    pub(crate) fn open(&mut self, now: Instant, channel: &DataChannel) {
        let waits = channel.ready_state == ChannelState::Connecting;
        if !waits || self.known.iter().any(|known| known.channel == channel.channel) {
            return;
        }
        let init = &channel.init;
        let reliability = match (init.max_retransmits, init.max_packet_life_time) {
            (Some(most), _) => Reliability::Retransmissions(most),
            (None, Some(time)) => Reliability::Lifetime(Duration::from_millis(time.into())),
            (None, None) => Reliability::Reliable,
        };
        let options = ChannelOptions {
            label: channel.label.clone(),
            protocol: init.protocol.clone(),
            ordered: init.ordered,
            reliability,
            negotiated: channel.id.filter(|_| init.negotiated),
            ..ChannelOptions::default()
        };
        if let Ok(handle) = self.sctp.open(now, options) {
            self.know(channel.channel, handle);
        }
    }

    pub(crate) fn know(&mut self, channel: ChannelId, handle: Channel) {
        self.known.push(Known { channel, handle, told: 0 });
    }

    pub(crate) fn forget(&mut self, channel: ChannelId) {
        self.known.retain(|known| known.channel != channel);
    }

    pub(crate) fn handle(&self, channel: ChannelId) -> Option<Channel> {
        self.known.iter().find(|known| known.channel == channel).map(|known| known.handle)
    }

    pub(crate) fn channel(&self, handle: Channel) -> Option<ChannelId> {
        self.known.iter().find(|known| known.handle == handle).map(|known| known.channel)
    }

    /// The program has given so many bytes more.
    pub(crate) fn gave(&mut self, channel: ChannelId, bytes: usize) {
        if let Some(known) = self.known.iter_mut().find(|known| known.channel == channel) {
            known.told += bytes;
        }
    }

    /// The channels of which less waits than the program knows, and how much.
    pub(crate) fn drained(&mut self) -> Vec<(ChannelId, usize)> {
        let mut drained = Vec::new();
        for known in &mut self.known {
            let now = self.sctp.buffered_amount(known.handle);
            if now < known.told {
                known.told = now;
                drained.push((known.channel, now));
            }
        }
        drained
    }
}
