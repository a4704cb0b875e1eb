use super::{token, words};
use std::fmt;

/// A layer in the list of a simulcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastStream {
    /// The name of its `a=rid`.
    pub rid: String,
    /// It starts paused.
    pub paused: bool,
}

/// The simulcast layers of a section, each with its alternatives (RFC 8853 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulcast {
    /// What the describer sends.
    pub send: Vec<Vec<SimulcastStream>>,
    /// What the describer receives.
    pub recv: Vec<Vec<SimulcastStream>>,
}

impl Simulcast {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = words(text);
        let mut simulcast = Self::default();
        while let Some(direction) = words.next() {
            let list = match direction {
                "send" => &mut simulcast.send,
                "recv" => &mut simulcast.recv,
                _ => return None,
            };
            if !list.is_empty() {
                return None;
            }
            *list = words.next()?.split(';').map(alternatives).collect::<Option<_>>()?;
        }
        (simulcast != Self::default()).then_some(simulcast)
    }
}

fn alternatives(text: &str) -> Option<Vec<SimulcastStream>> {
    let stream = |text: &str| {
        let (rid, paused) = text.strip_prefix('~').map_or((text, false), |rid| (rid, true));
        token(rid).map(|rid| SimulcastStream { rid, paused })
    };
    text.split(',').map(stream).collect()
}

impl fmt::Display for Simulcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (direction, list) in [("send", &self.send), ("recv", &self.recv)] {
            if list.is_empty() {
                continue;
            }
            write!(f, "{before}{direction} ")?;
            before = " ";
            for (at, alternatives) in list.iter().enumerate() {
                for (nth, stream) in alternatives.iter().enumerate() {
                    let separator = match (at, nth) {
                        (0, 0) => "",
                        (_, 0) => ";",
                        _ => ",",
                    };
                    let mark = if stream.paused { "~" } else { "" };
                    write!(f, "{separator}{mark}{}", stream.rid)?;
                }
            }
        }
        Ok(())
    }
}
