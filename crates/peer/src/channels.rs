//! Data channels: their slots, and the rules for making and numbering them (W3C webrtc-pc §6, RFC 8832).

use crate::error::Error;
use crate::jsep::transport::DtlsRole;

/// Names a data channel for the life of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub(crate) u32);

/// `RTCDataChannelInit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataChannelInit {
    /// Whether messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// For how many milliseconds a message is tried; for ever if none.
    pub max_packet_life_time: Option<u16>,
    /// How often a message is sent again; as often as it takes if none.
    pub max_retransmits: Option<u16>,
    /// What the channel carries.
    pub protocol: String,
    /// Both sides make the channel by themselves, with the same id.
    pub negotiated: bool,
    /// The stream. Counts only if `negotiated`.
    pub id: Option<u16>,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_packet_life_time: None,
            max_retransmits: None,
            protocol: String::new(),
            negotiated: false,
            id: None,
        }
    }
}

/// `RTCDataChannelState`.
///
/// ```text
/// connecting ──▶ open ──▶ closing ──▶ closed
///      └──────────────────────┴─────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelState {
    /// There is no way to the other side yet.
    Connecting,
    /// Messages flow.
    Open,
    /// What was sent is still delivered.
    Closing,
    /// Nothing flows any more.
    Closed,
}

/// The slots of an `RTCDataChannel`.
#[derive(Clone, Debug)]
pub struct DataChannel {
    pub(crate) channel: ChannelId,
    pub(crate) label: String,
    pub(crate) init: DataChannelInit,
    pub(crate) id: Option<u16>,
    pub(crate) ready_state: ChannelState,
    pub(crate) buffered_amount: usize,
    pub(crate) low_threshold: usize,
}

impl DataChannel {
    /// Its name.
    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// What the program called it.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it was made.
    pub fn init(&self) -> &DataChannelInit {
        &self.init
    }

    /// Its stream; none until it is known who is the DTLS client.
    pub fn id(&self) -> Option<u16> {
        self.id
    }

    /// How far it is.
    pub fn ready_state(&self) -> ChannelState {
        self.ready_state
    }

    /// Bytes that were sent and not yet handed to the network.
    pub fn buffered_amount(&self) -> usize {
        self.buffered_amount
    }

    /// At or below this many buffered bytes, `bufferedamountlow` comes.
    pub fn buffered_amount_low_threshold(&self) -> usize {
        self.low_threshold
    }
}

/// All channels of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataChannels {
    pub(crate) list: Vec<DataChannel>,
    /// How many streams there are, once the association is up (W3C webrtc-pc §6.1.1).
    pub(crate) max_channels: Option<u16>,
    next: u32,
}

impl DataChannels {
    pub(crate) fn get(&self, channel: ChannelId) -> Option<&DataChannel> {
        self.list.get(self.place(channel)?)
    }

    pub(crate) fn get_mut(&mut self, channel: ChannelId) -> Option<&mut DataChannel> {
        let place = self.place(channel)?;
        self.list.get_mut(place)
    }

    /// Names are given in rising order.
    fn place(&self, channel: ChannelId) -> Option<usize> {
        self.list.binary_search_by_key(&channel, |known| known.channel).ok()
    }

    /// Forgets a channel that is closed; whether it was one.
    pub(crate) fn forget(&mut self, channel: ChannelId) -> bool {
        let closed = |known: &DataChannel| known.ready_state == ChannelState::Closed;
        let place = self.place(channel).filter(|place| self.list.get(*place).is_some_and(closed));
        place.map(|place| self.list.remove(place)).is_some()
    }

    /// The checks of `createDataChannel` (W3C webrtc-pc §6.1.4), and a new channel.
    pub(crate) fn create(
        &mut self,
        label: &str,
        init: DataChannelInit,
        role: Option<DtlsRole>,
    ) -> Result<ChannelId, Error> {
        for (name, text) in [("label", label), ("protocol", &init.protocol)] {
            if text.len() > 65_535 {
                return Err(Error::Type(format!("the {name} has {} bytes, at most 65535 are possible", text.len())));
            }
        }
        if init.max_packet_life_time.is_some() && init.max_retransmits.is_some() {
            return Err(Error::Type("give max_packet_life_time or max_retransmits, not both".into()));
        }
        let id = match (init.negotiated, init.id) {
            (true, None) => return Err(Error::Type("a negotiated channel needs an id".into())),
            (true, Some(65_535)) => return Err(Error::Type("the id 65535 is not possible".into())),
            (true, Some(id)) if self.is_used(id) => return Err(Error::Operation(format!("the id {id} is in use"))),
            (true, Some(id)) if self.max_channels.is_some_and(|max| id >= max) => {
                return Err(Error::Operation(format!("the id {id} is beyond the streams of the association")));
            }
            (true, Some(id)) => Some(id),
            (false, _) => match role {
                Some(role) => Some(self.free_id(role).ok_or_else(|| Error::Operation("all ids are in use".into()))?),
                None => None,
            },
        };
        Ok(self.insert(label.to_owned(), init, id))
    }

    pub(crate) fn insert(&mut self, label: String, init: DataChannelInit, id: Option<u16>) -> ChannelId {
        self.next += 1;
        let channel = ChannelId(self.next);
        self.list.push(DataChannel {
            channel,
            label,
            init,
            id,
            ready_state: ChannelState::Connecting,
            buffered_amount: 0,
            low_threshold: 0,
        });
        channel
    }

    fn is_used(&self, id: u16) -> bool {
        self.list.iter().any(|known| known.id == Some(id) && known.ready_state != ChannelState::Closed)
    }

    /// The lowest free stream of ours: even for the DTLS client, odd for the server (RFC 8832 §6).
    pub(crate) fn free_id(&self, role: DtlsRole) -> Option<u16> {
        let first = match role {
            DtlsRole::Client => 0,
            DtlsRole::Server => 1,
        };
        let end = self.max_channels.unwrap_or(65_535);
        (first..end).step_by(2).find(|id| !self.is_used(*id))
    }

    /// Gives ids to channels that wait for them; those that get none are closed and told.
    pub(crate) fn number(&mut self, role: DtlsRole) -> Vec<ChannelId> {
        let waiting: Vec<ChannelId> = self
            .list
            .iter()
            .filter(|known| known.id.is_none() && known.ready_state == ChannelState::Connecting)
            .map(|known| known.channel)
            .collect();
        let mut failed = Vec::new();
        for channel in waiting {
            let id = self.free_id(role);
            let Some(slots) = self.get_mut(channel) else { continue };
            slots.id = id;
            if id.is_none() {
                slots.ready_state = ChannelState::Closed;
                failed.push(channel);
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(channels: &mut DataChannels, init: DataChannelInit) -> Result<ChannelId, Error> {
        channels.create("label", init, None)
    }

    /// W3C webrtc-pc §6.1.4.
    #[test]
    fn what_a_new_channel_must_not_be() {
        let mut channels = DataChannels { max_channels: Some(100), ..DataChannels::default() };
        let long = "x".repeat(65_536);
        assert!(matches!(channels.create(&long, DataChannelInit::default(), None), Err(Error::Type(_))));
        let bad = [
            DataChannelInit { protocol: long, ..Default::default() },
            DataChannelInit { max_packet_life_time: Some(1), max_retransmits: Some(1), ..Default::default() },
            DataChannelInit { negotiated: true, ..Default::default() },
            DataChannelInit { negotiated: true, id: Some(65_535), ..Default::default() },
        ];
        for init in bad {
            assert!(matches!(create(&mut channels, init), Err(Error::Type(_))));
        }
        let seven = DataChannelInit { negotiated: true, id: Some(7), ..Default::default() };
        create(&mut channels, seven.clone()).unwrap();
        assert!(matches!(create(&mut channels, seven), Err(Error::Operation(_))));
        let beyond = DataChannelInit { negotiated: true, id: Some(100), ..Default::default() };
        assert!(matches!(create(&mut channels, beyond), Err(Error::Operation(_))));
    }

    /// RFC 8832 §6: even for the DTLS client, odd for the server; an id that is not negotiated is not listened to.
    #[test]
    fn ids_come_with_the_dtls_role() {
        let mut channels = DataChannels::default();
        let ignored = DataChannelInit { id: Some(8), ..Default::default() };
        let first = create(&mut channels, ignored).unwrap();
        let taken = DataChannelInit { negotiated: true, id: Some(1), ..Default::default() };
        create(&mut channels, taken).unwrap();
        assert_eq!(channels.get(first).unwrap().id(), None);
        assert!(channels.number(DtlsRole::Server).is_empty());
        assert_eq!(channels.get(first).unwrap().id(), Some(3));
        let even = channels.create("", DataChannelInit::default(), Some(DtlsRole::Client)).unwrap();
        assert_eq!(channels.get(even).unwrap().id(), Some(0));
    }

    #[test]
    fn a_channel_that_finds_no_id_is_closed() {
        let mut channels = DataChannels { max_channels: Some(1), ..DataChannels::default() };
        let channel = create(&mut channels, DataChannelInit::default()).unwrap();
        assert_eq!(channels.number(DtlsRole::Server), [channel]);
        assert_eq!(channels.get(channel).unwrap().ready_state(), ChannelState::Closed);
    }
}
