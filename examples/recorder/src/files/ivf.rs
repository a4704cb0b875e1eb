//! IVF: a header of 32 bytes, and for each frame its length, its time, and the frame.

use super::{Frame, Recording};
use parlour_rtc::{EncodedFrame, FrameType};
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

pub(crate) struct Writer {
    file: BufWriter<File>,
    frames: u32,
    /// Timestamps turn over, and the first one is anything.
    time: u64,
    last: Option<u32>,
    size: Option<(u16, u16)>,
}

impl Writer {
    pub(super) fn create(path: &Path, codec: &[u8; 4]) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(b"DKIF\0\0\x20\0")?;
        file.write_all(codec)?;
        // Width and height follow; 90,000 ticks a second of one each; the number of frames follows, too.
        file.write_all(&[0; 4])?;
        file.write_all(&90_000u32.to_le_bytes())?;
        file.write_all(&1u32.to_le_bytes())?;
        file.write_all(&[0; 8])?;
        Ok(Self { file, frames: 0, time: 0, last: None, size: None })
    }

    pub(super) fn write(&mut self, frame: &EncodedFrame) -> io::Result<()> {
        let timestamp = frame.metadata.rtp_timestamp;
        self.time += u64::from(timestamp.wrapping_sub(self.last.replace(timestamp).unwrap_or(timestamp)));
        if let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = &frame.data[..]
            && frame.frame_type == FrameType::Key
        {
            // VP8 tells them in its key frames (RFC 6386 §9.1); decoders of other codecs look for themselves.
            self.size = Some((u16::from_le_bytes([*w0, *w1]) & 0x3fff, u16::from_le_bytes([*h0, *h1]) & 0x3fff));
        }
        self.file.write_all(&(frame.data.len() as u32).to_le_bytes())?;
        self.file.write_all(&self.time.to_le_bytes())?;
        self.file.write_all(&frame.data)?;
        self.frames += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        let (width, height) = self.size.unwrap_or_default();
        self.file.seek(SeekFrom::Start(12))?;
        self.file.write_all(&width.to_le_bytes())?;
        self.file.write_all(&height.to_le_bytes())?;
        self.file.seek(SeekFrom::Start(24))?;
        self.file.write_all(&self.frames.to_le_bytes())?;
        self.file.flush()
    }
}

pub(super) fn read(bytes: &[u8]) -> Option<Recording> {
    let number = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let mime_type = match bytes.get(8..12)? {
        b"VP80" => "video/VP8",
        b"VP90" => "video/VP9",
        b"AV01" => "video/AV1",
        _ => return None,
    };
    let seconds = f64::from(number(20)?) / f64::from(number(16)?.max(1));
    let mut rest = bytes.get(usize::from(u16::from_le_bytes([*bytes.get(6)?, *bytes.get(7)?]))..)?;
    let mut frames: Vec<Frame> = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<12>() {
        let [l0, l1, l2, l3, time @ ..] = *header;
        let (data, next) = after.split_at_checked(u32::from_le_bytes([l0, l1, l2, l3]) as usize)?;
        // The first frame is one; of the others VP8 tells by its first bit. It is enough to know some.
        let is_key = frames.is_empty() || (mime_type == "video/VP8" && data.first().is_some_and(|byte| byte & 1 == 0));
        let time = Duration::try_from_secs_f64(u64::from_le_bytes(time) as f64 * seconds).ok()?;
        frames.push(Frame { time, data: data.to_vec(), is_key });
        rest = next;
    }
    let last = frames.last()?.time;
    let step = last.checked_div(frames.len().saturating_sub(1) as u32).unwrap_or(Duration::from_millis(33));
    Some(Recording { mime_type, clock_rate: 90_000, frames, length: last + step })
}
