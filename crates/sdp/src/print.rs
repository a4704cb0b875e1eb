//! Descriptions as text, in the order of RFC 8866 §9.

use crate::description::{Bandwidth, Connection, ExtraLine, MediaDescription, SessionDescription};
use std::fmt;

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = &self.origin;
        write!(f, "v=0\r\no={} {} {} ", origin.username, origin.session_id, origin.session_version)?;
        write!(f, "{}\r\ns={}\r\n", origin.address, self.session_name)?;
        print_extra(f, &self.extra, |kind| matches!(kind, 'i' | 'u' | 'e' | 'p'))?;
        self.connection.iter().try_for_each(|connection| connection.fmt(f))?;
        self.bandwidth.iter().try_for_each(|bandwidth| bandwidth.fmt(f))?;
        for time in &self.times {
            write!(f, "t={} {}\r\n", time.start_stop.0, time.start_stop.1)?;
            time.repeats.iter().try_for_each(|repeat| write!(f, "r={repeat}\r\n"))?;
        }
        print_extra(f, &self.extra, |kind| !matches!(kind, 'i' | 'u' | 'e' | 'p'))?;
        self.attributes.iter().try_for_each(|attribute| write!(f, "a={attribute}\r\n"))?;
        self.media.iter().try_for_each(|media| media.fmt(f))
    }
}

impl fmt::Display for MediaDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={} {}", self.kind.as_str(), self.port)?;
        if let Some(count) = self.port_count {
            write!(f, "/{count}")?;
        }
        write!(f, " {}", self.protocol)?;
        self.formats.iter().try_for_each(|format| write!(f, " {format}"))?;
        f.write_str("\r\n")?;
        print_extra(f, &self.extra, |kind| kind == 'i')?;
        self.connections.iter().try_for_each(|connection| connection.fmt(f))?;
        self.bandwidth.iter().try_for_each(|bandwidth| bandwidth.fmt(f))?;
        print_extra(f, &self.extra, |kind| kind != 'i')?;
        self.attributes.iter().try_for_each(|attribute| write!(f, "a={attribute}\r\n"))
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c=IN {} {}\r\n", self.address_type, self.address)
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b={}:{}\r\n", self.kind, self.value)
    }
}

fn print_extra(f: &mut fmt::Formatter<'_>, extra: &[ExtraLine], here: impl Fn(char) -> bool) -> fmt::Result {
    extra.iter().filter(|line| here(line.kind)).try_for_each(|line| write!(f, "{}={}\r\n", line.kind, line.value))
}
