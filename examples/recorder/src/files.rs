//! Frames in files and out of them: IVF for VP8, VP9 and AV1, Annex B for H.264, Ogg for Opus. Nothing is encoded anew.

mod annex_b;
mod ivf;
mod ogg;

use parlour_rtc::EncodedFrame;
use std::fs;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A frame of a file.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Since the beginning.
    pub(crate) time: Duration,
    pub(crate) data: Vec<u8>,
    /// A decoder can begin here.
    pub(crate) is_key: bool,
}

/// A file to play.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// As `video/VP8`.
    pub(crate) mime_type: &'static str,
    pub(crate) clock_rate: u32,
    pub(crate) frames: Vec<Frame>,
    /// When it begins anew.
    pub(crate) length: Duration,
}

impl Recording {
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let found = match bytes.get(..4) {
            Some(b"DKIF") => ivf::read(&bytes),
            Some(b"OggS") => ogg::read(&bytes),
            Some([0, 0, 0, 1] | [0, 0, 1, _]) => annex_b::read(&bytes),
            _ => None,
        };
        let problem = || format!("{} is no IVF, Ogg Opus or H.264 file", path.display());
        found.filter(|found| !found.frames.is_empty()).ok_or_else(|| Error::new(ErrorKind::InvalidData, problem()))
    }

    pub(crate) fn is_video(&self) -> bool {
        self.mime_type.starts_with("video/")
    }
}

/// A file that is written.
pub(crate) enum Writer {
    Ivf(ivf::Writer),
    AnnexB(annex_b::Writer),
    Ogg(ogg::Writer),
}

impl Writer {
    /// A file for frames of this type, beside `base`, with the ending of its kind; none for a type that no file is known
    /// for.
    pub(crate) fn create(base: &Path, mime_type: &str) -> io::Result<Option<Self>> {
        let name = |ending: &str| PathBuf::from(format!("{}.{ending}", base.display()));
        Ok(Some(match mime_type {
            "video/VP8" => Self::Ivf(ivf::Writer::create(&name("ivf"), b"VP80")?),
            "video/VP9" => Self::Ivf(ivf::Writer::create(&name("ivf"), b"VP90")?),
            "video/AV1" => Self::Ivf(ivf::Writer::create(&name("ivf"), b"AV01")?),
            "video/H264" => Self::AnnexB(annex_b::Writer::create(&name("h264"))?),
            "audio/opus" => Self::Ogg(ogg::Writer::create(&name("ogg"))?),
            _ => return Ok(None),
        }))
    }

    pub(crate) fn write(&mut self, frame: &EncodedFrame) -> io::Result<()> {
        match self {
            Self::Ivf(writer) => writer.write(frame),
            Self::AnnexB(writer) => writer.write(frame),
            Self::Ogg(writer) => writer.write(frame),
        }
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Ivf(writer) => writer.finish(),
            Self::AnnexB(writer) => writer.finish(),
            Self::Ogg(writer) => writer.finish(),
        }
    }
}
