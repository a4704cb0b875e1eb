//! Data channels (W3C webrtc-pc §6).

use super::PeerConnection;
use super::tasks::Task;
use crate::channels::{ChannelId, ChannelState, DataChannel, DataChannelInit};
use crate::error::{Error, ErrorDetail};
use crate::event::Event;
use crate::jsep::transport::DtlsRole;
use parlour_sctp::{ChannelEvent, Payload, Reliability};
use std::time::Instant;

impl PeerConnection {
    /// `createDataChannel()`. The first one of a connection calls for negotiation.
    pub fn create_data_channel(&mut self, label: &str, init: DataChannelInit) -> Result<ChannelId, Error> {
        self.check_open()?;
        let role = self.sctp_role();
        let channel = self.channels.create(label, init, role)?;
        self.unopened.push(channel);
        self.unsettled = true;
        if !self.jsep.data_wanted {
            self.jsep.data_wanted = true;
            self.jsep.changes += 1;
            self.update_negotiation_needed();
        }
        Ok(channel)
    }

    /// The data channels of both sides, in the order of their making.
    pub fn data_channels(&self) -> impl Iterator<Item = &DataChannel> {
        self.channels.list.iter()
    }

    /// One of the channels.
    pub fn data_channel(&self, channel: ChannelId) -> Option<&DataChannel> {
        self.channels.get(channel)
    }

    /// `send()`. Fails with [`Error::InvalidState`] on a channel that is not open, with [`Error::Type`] for a message that
    /// the other side does not take, and with [`Error::Operation`] when too much waits.
    pub fn send(&mut self, now: Instant, channel: ChannelId, payload: Payload) -> Result<(), Error> {
        let slots = self.channels.get_mut(channel).filter(|slots| slots.ready_state == ChannelState::Open);
        let Some(slots) = slots else { return Err(Error::InvalidState("the data channel is not open".into())) };
        let size = payload.bytes().len();
        let Some(data) = &mut self.data else { return Err(Error::InvalidState("there is no association".into())) };
        let Some(handle) = data.handle(channel) else { return Err(Error::InvalidState("the channel is gone".into())) };
        data.sctp.send(now, handle, payload).map_err(|error| Self::misuse(&error))?;
        data.gave(channel, size);
        slots.buffered_amount += size;
        Ok(())
    }

    /// While held, messages wait where the other side sees that they wait, and so does what comes after them on any
    /// channel: for a program that cannot take more now.
    pub fn hold_messages(&mut self, held: bool) {
        self.messages_held = held;
        self.unsettled = true;
    }

    /// Lets go of a channel that is closed and that the program will not ask for any more.
    pub fn forget_data_channel(&mut self, channel: ChannelId) {
        self.channels.forget(channel);
    }

    /// `bufferedAmountLowThreshold = …`.
    pub fn set_buffered_amount_low_threshold(&mut self, channel: ChannelId, bytes: usize) {
        if let Some(slots) = self.channels.get_mut(channel) {
            slots.low_threshold = bytes;
        }
    }

    /// `close()`: what was given is still sent.
    pub fn close_data_channel(&mut self, channel: ChannelId) {
        let Some(slots) = self.channels.get_mut(channel) else { return };
        if matches!(slots.ready_state, ChannelState::Closing | ChannelState::Closed) {
            return;
        }
        slots.ready_state = ChannelState::Closing;
        let known = self.data.as_mut().and_then(|data| Some((data.handle(channel)?, data)));
        let told = known.is_some_and(|(handle, data)| data.sctp.close(handle).is_ok());
        if !told {
            // Nobody else knows of it.
            self.tasks.push_back(Task::ChannelGone(channel));
        }
    }

    /// `sctp.maxMessageSize`: the largest message that the other side takes; none before it has said so, and
    /// `usize::MAX` for any.
    pub fn max_message_size(&self) -> Option<u64> {
        let sctp = self.jsep.sctp.as_ref().filter(|sctp| sctp.agreed)?;
        Some(sctp.max_message_size.unwrap_or(u64::MAX))
    }

    /// `sctp.maxChannels`: none before the association is there.
    pub fn max_channels(&self) -> Option<u16> {
        self.channels.max_channels
    }

    /// The DTLS role of the transport that data channels use, once an answer has told it.
    pub(super) fn sctp_role(&self) -> Option<DtlsRole> {
        let sctp = self.jsep.sctp.as_ref().filter(|sctp| sctp.agreed)?;
        self.jsep.transports.get(&sctp.transport?)?.dtls_role
    }

    /// An answer may have told the DTLS role: channels get their ids. Those that get none have failed.
    pub(super) fn number_channels(&mut self) -> Vec<ChannelId> {
        self.sctp_role().map(|role| self.channels.number(role)).unwrap_or_default()
    }

    pub(super) fn close_channels(&mut self) {
        self.channels.list.iter_mut().for_each(|channel| channel.ready_state = ChannelState::Closed);
    }

    /// What the association tells, one task each.
    pub(super) fn commit_channels(&mut self, event: ChannelEvent) {
        let Some(data) = &mut self.data else { return };
        match event {
            ChannelEvent::Connected => self.channels.max_channels = Some(data.sctp.association().streams()),
            ChannelEvent::Announced(handle) => {
                let Some(options) = data.sctp.options(handle).cloned() else { return };
                let (max_retransmits, max_packet_life_time) = match options.reliability {
                    Reliability::Reliable => (None, None),
                    Reliability::Retransmissions(most) => (Some(most), None),
                    Reliability::Lifetime(time) => (None, u16::try_from(time.as_millis()).ok()),
                };
                let init = DataChannelInit {
                    ordered: options.ordered,
                    max_packet_life_time,
                    max_retransmits,
                    protocol: options.protocol,
                    negotiated: false,
                    id: None,
                };
                let id = data.sctp.id(handle);
                let channel = self.channels.insert(options.label, init, id);
                data.know(channel, handle);
                // Open already when it is told (W3C webrtc-pc §6.1.3).
                self.set_channel_state(channel, ChannelState::Open);
                self.events.push_back(Event::DataChannel(channel));
            }
            ChannelEvent::Open(handle) => {
                let id = data.sctp.id(handle);
                let Some(channel) = data.channel(handle) else { return };
                let Some(slots) = self.channels.get_mut(channel) else { return };
                if matches!(slots.ready_state, ChannelState::Connecting | ChannelState::Open) {
                    (slots.ready_state, slots.id) = (ChannelState::Open, id);
                    self.events.push_back(Event::ChannelOpen(channel));
                }
            }
            ChannelEvent::Message(handle, payload) => {
                let Some(channel) = data.channel(handle) else { return };
                let state = self.channels.get(channel).map(DataChannel::ready_state);
                if matches!(state, Some(ChannelState::Open)) {
                    self.events.push_back(Event::ChannelMessage(channel, payload));
                }
            }
            // Told by `drained`, as the threshold is a matter of what the program has seen.
            ChannelEvent::BufferedAmountLow(_) => {}
            ChannelEvent::Closing(handle) => {
                let Some(channel) = data.channel(handle) else { return };
                if self.set_channel_state(channel, ChannelState::Closing) {
                    self.events.push_back(Event::ChannelClosing(channel));
                }
            }
            ChannelEvent::Error(handle) => {
                let Some(channel) = data.channel(handle) else { return };
                let message = "the association has ended".to_owned();
                let error = Error::Rtc { detail: ErrorDetail::SctpFailure, sdp_line_number: None, message };
                self.events.push_back(Event::ChannelError { channel, error });
            }
            ChannelEvent::Closed(handle) => {
                let Some(channel) = data.channel(handle) else { return };
                data.forget(channel);
                self.commit_channel_gone(channel);
            }
            ChannelEvent::Ended(_) => {}
        }
    }

    pub(super) fn commit_channel_gone(&mut self, channel: ChannelId) {
        if self.set_channel_state(channel, ChannelState::Closed) {
            self.events.push_back(Event::ChannelClosed(channel));
        }
    }

    /// `bufferedAmount` falls only in tasks, and `bufferedamountlow` comes once for each crossing.
    pub(super) fn commit_buffered(&mut self, channel: ChannelId, amount: usize) {
        let Some(slots) = self.channels.get_mut(channel) else { return };
        let before = std::mem::replace(&mut slots.buffered_amount, amount);
        if before > slots.low_threshold && amount <= slots.low_threshold {
            self.events.push_back(Event::ChannelBufferedAmountLow(channel));
        }
    }

    /// Whether that is a change.
    fn set_channel_state(&mut self, channel: ChannelId, state: ChannelState) -> bool {
        let slots = self.channels.get_mut(channel).filter(|slots| slots.ready_state != state);
        slots.map(|slots| slots.ready_state = state).is_some()
    }
}
