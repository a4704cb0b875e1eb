//! Opus in Ogg (RFC 3533, RFC 7845).

use super::{Frame, Recording};
use parlour_rtc::EncodedFrame;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

const RATE: u32 = 48_000;

pub(crate) struct Writer {
    file: BufWriter<File>,
    page: u32,
    /// Samples so far.
    position: u64,
    last: Option<u32>,
    /// A page that waits, as the last one is marked.
    waiting: Option<(Vec<u8>, u64)>,
}

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let mut writer = Self { file, page: 0, position: 0, last: None, waiting: None };
        // Version 1, two channels, nothing to skip, the rate of the input, no gain, mapping family 0 (RFC 7845 §5.1).
        writer.write_page(b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0", 0, 0x02)?;
        writer.write_page(b"OpusTags\x08\0\0\0recorder\0\0\0\0", 0, 0)?;
        Ok(writer)
    }

    pub(super) fn write(&mut self, frame: &EncodedFrame) -> io::Result<()> {
        let timestamp = frame.metadata.rtp_timestamp;
        let ticks = samples(&frame.data).unwrap_or(960);
        // Also what was not sent or got lost takes its time.
        let step = self.last.replace(timestamp).map_or(ticks, |last| timestamp.wrapping_sub(last));
        self.position += u64::from(step);
        if let Some((packet, position)) = self.waiting.replace((frame.data.to_vec(), self.position)) {
            self.write_page(&packet, position, 0)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some((packet, position)) = self.waiting.take() {
            self.write_page(&packet, position, 0x04)?;
        }
        self.file.flush()
    }

    /// A page with one packet (RFC 3533 §6).
    fn write_page(&mut self, packet: &[u8], position: u64, flags: u8) -> io::Result<()> {
        let mut page = Vec::with_capacity(packet.len() + 64);
        page.extend_from_slice(b"OggS\0");
        page.push(flags);
        page.extend_from_slice(&position.to_le_bytes());
        page.extend_from_slice(&1u32.to_le_bytes());
        page.extend_from_slice(&self.page.to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.push((packet.len() / 255 + 1) as u8);
        page.resize(page.len() + packet.len() / 255, 255);
        page.push((packet.len() % 255) as u8);
        page.extend_from_slice(packet);
        let sum = checksum(&page).to_le_bytes();
        page[22..26].copy_from_slice(&sum);
        self.page += 1;
        self.file.write_all(&page)
    }
}

/// The CRC of RFC 3533 §6: polynomial 0x04c11db7, from the highest bit on, beginning with zero.
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| sum << 1 ^ if sum >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}

/// How many samples a packet has (RFC 6716 §3.1).
fn samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let config = toc >> 3;
    let frame = match config {
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..=15 => [480, 960][usize::from(config % 2)],
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames)
}

pub(super) fn read(bytes: &[u8]) -> Option<Recording> {
    let (mut rest, mut packets, mut packet) = (bytes, Vec::new(), Vec::new());
    while let Some((header, after)) = rest.split_first_chunk::<27>() {
        let (lengths, mut body) = after.split_at_checked(usize::from(header[26]))?;
        for length in lengths {
            let (part, next) = body.split_at_checked(usize::from(*length))?;
            packet.extend_from_slice(part);
            if *length < 255 {
                packets.push(std::mem::take(&mut packet));
            }
            body = next;
        }
        rest = body;
    }
    if !packets.first()?.starts_with(b"OpusHead") {
        return None;
    }
    let (mut position, mut frames) = (0, Vec::new());
    for data in packets.into_iter().skip(2) {
        let time = Duration::from_secs(position) / RATE;
        position += u64::from(samples(&data)?);
        frames.push(Frame { time, data, is_key: true });
    }
    Some(Recording { mime_type: "audio/opus", clock_rate: RATE, frames, length: Duration::from_secs(position) / RATE })
}
