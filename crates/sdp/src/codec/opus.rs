//! Opus in descriptions (RFC 7587 §6.1).

use crate::attribute::format::Fmtp;

/// What a receiver of Opus would like, and what a sender will send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusParameters {
    /// The highest sampling rate that is worth sending, in Hz: 8000 to 48000.
    pub max_playback_rate: u32,
    /// The highest average rate that is welcome, in bit/s: 6000 to 510000.
    pub max_average_bitrate: Option<u32>,
    /// Stereo is welcome.
    pub stereo: bool,
    /// A constant bit rate is welcome rather than a variable one.
    pub cbr: bool,
    /// Forward error correction within packets is of use.
    pub use_inband_fec: bool,
    /// Silence need not be sent.
    pub use_dtx: bool,
    /// The describer is likely to send stereo.
    pub sprop_stereo: bool,
    /// The highest sampling rate of what the describer sends, in Hz.
    pub sprop_max_capture_rate: u32,
    /// The shortest packet that is welcome, in milliseconds, as browsers tell it.
    pub min_ptime: Option<u32>,
}

impl OpusParameters {
    /// Reads the parameters; what is not told or makes no sense is as RFC 7587 §6.1 has it by default.
    pub fn read(parameters: &Fmtp) -> Self {
        let number = |name: &str| parameters.parameter(name).and_then(|value| value.parse::<u32>().ok());
        let flag = |name: &str| number(name) == Some(1);
        let rate = |name: &str| number(name).filter(|rate| (8000..=48_000).contains(rate)).unwrap_or(48_000);
        Self {
            max_playback_rate: rate("maxplaybackrate"),
            max_average_bitrate: number("maxaveragebitrate").filter(|rate| (6000..=510_000).contains(rate)),
            stereo: flag("stereo"),
            cbr: flag("cbr"),
            use_inband_fec: flag("useinbandfec"),
            use_dtx: flag("usedtx"),
            sprop_stereo: flag("sprop-stereo"),
            sprop_max_capture_rate: rate("sprop-maxcapturerate"),
            min_ptime: number("minptime"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> OpusParameters {
        OpusParameters::read(&Fmtp { format: "111".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn nothing_said_is_the_default_of_rfc_7587() {
        let default = OpusParameters {
            max_playback_rate: 48_000,
            max_average_bitrate: None,
            stereo: false,
            cbr: false,
            use_inband_fec: false,
            use_dtx: false,
            sprop_stereo: false,
            sprop_max_capture_rate: 48_000,
            min_ptime: None,
        };
        assert_eq!(read(""), default);
        assert_eq!(read("maxplaybackrate=1;maxaveragebitrate=1;stereo=2;cbr=x"), default);
    }

    #[test]
    fn what_browsers_say_is_read() {
        let chromium = read("minptime=10;useinbandfec=1");
        assert!(chromium.use_inband_fec && !chromium.stereo);
        assert_eq!(chromium.min_ptime, Some(10));
        let all = read(
            "maxplaybackrate=16000; sprop-maxcapturerate=24000; maxaveragebitrate=20000; stereo=1; cbr=1; usedtx=1; sprop-stereo=1",
        );
        assert_eq!((all.max_playback_rate, all.sprop_max_capture_rate), (16_000, 24_000));
        assert_eq!(all.max_average_bitrate, Some(20_000));
        assert!(all.stereo && all.cbr && all.use_dtx && all.sprop_stereo && !all.use_inband_fec);
    }
}
