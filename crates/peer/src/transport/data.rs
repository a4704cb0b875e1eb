//! The SCTP association of a connection, and which of its channels is which of the program's.

use crate::channels::{ChannelId, ChannelState, DataChannel};
use crate::jsep::transport::{DtlsRole, TransportId};
use crate::jsep::{SCTP_PORT, Sctp};
use parlour_sctp::{Channel, ChannelOptions, Config, DataChannels, Reliability, Role};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) struct DataLink {
    pub(crate) transport: TransportId,
    pub(crate) generation: u32,
    pub(crate) sctp: DataChannels,
    handles: BTreeMap<ChannelId, Channel>,
    channels: BTreeMap<Channel, ChannelId>,
    /// The channels of which bytes wait, and how many the program knows of.
    waiting: BTreeMap<ChannelId, usize>,
}

impl DataLink {
    pub(crate) fn new(
        now: Instant,
        transport: TransportId,
        sctp: &Sctp,
        max_message_size: u64,
        seed: [u8; 32],
    ) -> Self {
        let config = config(sctp.remote_port, max_message_size);
        Self {
            transport,
            generation: sctp.generation,
            sctp: DataChannels::new(now, config, seed),
            handles: BTreeMap::new(),
            channels: BTreeMap::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// The INIT chunk of an association that will be grown from this seed.
    pub(crate) fn local_init(now: Instant, max_message_size: u64, seed: [u8; 32]) -> Vec<u8> {
        DataChannels::new(now, config(SCTP_PORT, max_message_size), seed).local_init()
    }

    /// Begins. If the descriptions have told both INIT chunks the association stands at once.
    pub(crate) fn connect(&mut self, now: Instant, role: DtlsRole, peer_init: Option<&[u8]>) {
        let role = match role {
            DtlsRole::Client => Role::Client,
            DtlsRole::Server => Role::Server,
        };
        let stands = peer_init.is_some_and(|init| self.sctp.connect_with(now, role, init).is_ok());
        if !stands {
            // It is new, so that it has not been started.
            let _ = self.sctp.connect(now, role);
        }
    }

    /// The largest message, as the association counts: 0 for any.
    pub(crate) fn limit(&self, sctp: &Sctp) -> usize {
        sctp.max_message_size.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX))
    }

    /// Hands a channel of the program over, once.
    pub(crate) fn open(&mut self, now: Instant, channel: &DataChannel) {
        let waits = channel.ready_state == ChannelState::Connecting;
        if !waits || self.handles.contains_key(&channel.channel) {
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
        self.handles.insert(channel, handle);
        self.channels.insert(handle, channel);
    }

    pub(crate) fn forget(&mut self, channel: ChannelId) {
        if let Some(handle) = self.handles.remove(&channel) {
            self.channels.remove(&handle);
        }
        self.waiting.remove(&channel);
    }

    pub(crate) fn handle(&self, channel: ChannelId) -> Option<Channel> {
        self.handles.get(&channel).copied()
    }

    pub(crate) fn channel(&self, handle: Channel) -> Option<ChannelId> {
        self.channels.get(&handle).copied()
    }

    /// The program has given so many bytes more.
    pub(crate) fn gave(&mut self, channel: ChannelId, bytes: usize) {
        if bytes > 0 {
            *self.waiting.entry(channel).or_default() += bytes;
        }
    }

    /// Tells the channels of which less waits than the program knows, and how much.
    pub(crate) fn drained(&mut self, mut tell: impl FnMut(ChannelId, usize)) {
        let (handles, sctp) = (&self.handles, &self.sctp);
        self.waiting.retain(|channel, told| {
            let now = handles.get(channel).map_or(0, |handle| sctp.buffered_amount(*handle));
            if now < *told {
                *told = now;
                tell(*channel, now);
            }
            now > 0
        });
    }
}

fn config(remote_port: u16, max_message_size: u64) -> Config {
    let mut config = Config { local_port: SCTP_PORT, remote_port, ..Config::default() };
    if max_message_size != 0 {
        config.max_message_size = usize::try_from(max_message_size).unwrap_or(usize::MAX);
    }
    config
}
