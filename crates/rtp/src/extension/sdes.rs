use super::{ExtensionKind, HeaderExtension, put};

macro_rules! sdes_item {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a>(
            /// Printable characters, 1 to 255.
            pub &'a str,
        );

        impl<'a> HeaderExtension<'a> for $name<'a> {
            const KIND: ExtensionKind = ExtensionKind::$name;

            fn parse(data: &'a [u8]) -> Option<Self> {
                // Zeros that fill a word end the text, as libwebrtc has it.
                let text = data.split(|byte| *byte == 0).next().and_then(|data| std::str::from_utf8(data).ok())?;
                (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(text))
            }

            fn write(&self, out: &mut [u8]) -> Option<usize> {
                put(out, self.0.as_bytes())
            }
        }
    };
}

sdes_item! {
    /// The identification of the m-line that a packet belongs to (RFC 9143 §15).
    Mid
}
sdes_item! {
    /// The simulcast layer that a packet belongs to, the `a=rid` of the m-line (RFC 8852 §3.1).
    RtpStreamId
}
sdes_item! {
    /// The simulcast layer that a packet of a repair stream repairs (RFC 8852 §3.2).
    RepairedRtpStreamId
}

#[cfg(test)]
mod tests {
    use super::super::tests::round_trip;
    use super::*;

    #[test]
    fn names_are_printable() {
        round_trip(Mid("0"), b"0");
        round_trip(RtpStreamId("hi"), b"hi");
        round_trip(RepairedRtpStreamId("lo"), b"lo");
        assert_eq!(Mid::parse(b"0\0\0"), Some(Mid("0")));
        for bad in [&b""[..], b"\0", b"a b", b"\n", b"\xff\xfe"] {
            assert_eq!(Mid::parse(bad), None);
        }
    }
}
