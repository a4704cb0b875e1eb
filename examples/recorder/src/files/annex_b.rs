//! H.264 as a stream of bytes with start codes (ITU-T H.264, annex B). It tells no times: 30 frames a second.

use super::{Frame, Recording};
use parlour_rtc::EncodedFrame;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

const STEP: Duration = Duration::from_nanos(1_000_000_000 / 30);

pub(crate) struct Writer(BufWriter<File>);

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self(BufWriter::new(File::create(path)?)))
    }

    pub(super) fn write(&mut self, frame: &EncodedFrame) -> io::Result<()> {
        self.0.write_all(&frame.data)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

pub(super) fn read(bytes: &[u8]) -> Option<Recording> {
    let mut starts: Vec<usize> =
        bytes.windows(3).enumerate().filter(|(_, code)| **code == [0, 0, 1]).map(|(at, _)| at).collect();
    starts.push(bytes.len());
    let mut frames: Vec<Frame> = Vec::new();
    // Whether the frame has its picture: what follows it belongs to the next one.
    let mut is_whole = true;
    for unit in starts.windows(2).filter_map(|pair| bytes.get(pair[0]..pair[1])) {
        let kind = unit.get(3)? & 0x1f;
        let is_picture = matches!(kind, 1 | 5);
        // The first slice of a picture begins with macroblock 0, which is a single bit (§7.3.3).
        let goes_on = is_picture && unit.get(4).is_some_and(|byte| byte & 0x80 == 0);
        if is_whole && !goes_on {
            let time = STEP * frames.len() as u32;
            frames.push(Frame { time, data: Vec::new(), is_key: false });
            is_whole = false;
        }
        let frame = frames.last_mut()?;
        frame.data.push(0);
        frame.data.extend_from_slice(unit);
        frame.is_key |= kind == 7;
        is_whole |= is_picture;
    }
    let length = STEP * frames.len() as u32;
    Some(Recording { mime_type: "video/H264", clock_rate: 90_000, frames, length })
}
