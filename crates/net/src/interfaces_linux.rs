//! What Linux tells of interfaces: files below `/proc` and `/sys`, and notices by rtnetlink(7).

use crate::interfaces::Flags;
use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use parlour_ice::InterfaceKind;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use std::io;
use std::net::Ipv6Addr;
use std::path::Path;

/// RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR, and the routes of both families (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 0x40 | 0x400;

/// IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED and IFA_F_TENTATIVE (linux/if_addr.h).
const TEMPORARY: u8 = 0x01;
const DUPLICATE: u8 = 0x08;
const DEPRECATED: u8 = 0x20;
const TENTATIVE: u8 = 0x40;

/// Device types of linux/if_arp.h.
const ETHER: &str = "1";
const NONE: &str = "65534";

/// The flags of all IPv6 addresses.
pub(crate) fn ipv6_flags() -> Vec<(Ipv6Addr, Flags)> {
    let table = std::fs::read_to_string("/proc/self/net/if_inet6").unwrap_or_default();
    table.lines().filter_map(line).collect()
}

/// Address, index, prefix length, scope, flags and name; all but the name in hexadecimal.
fn line(line: &str) -> Option<(Ipv6Addr, Flags)> {
    let mut words = line.split_whitespace();
    let address = Ipv6Addr::from_bits(u128::from_str_radix(words.next()?, 16).ok()?);
    let flags = u8::from_str_radix(words.nth(3)?, 16).ok()?;
    let has = |bits: u8| flags & bits != 0;
    let unusable = has(TENTATIVE | DUPLICATE);
    Some((address, Flags { temporary: has(TEMPORARY), deprecated: has(DEPRECATED), unusable }))
}

/// What carries the packets of the interface `name`.
pub(crate) fn kind(name: &str) -> InterfaceKind {
    kind_of(&Path::new("/sys/class/net").join(name))
}

fn kind_of(device: &Path) -> InterfaceKind {
    let read = |file: &str| std::fs::read_to_string(device.join(file)).unwrap_or_default();
    let uevent = read("uevent");
    let of_type = |wanted: &str| uevent.lines().any(|line| line.strip_prefix("DEVTYPE=") == Some(wanted));
    let has = |file: &str| device.join(file).exists();
    if of_type("wlan") || has("wireless") || has("phy80211") {
        InterfaceKind::Wifi
    } else if of_type("wwan") {
        InterfaceKind::Cellular
    } else if of_type("wireguard") || has("tun_flags") || read("type").trim() == NONE {
        InterfaceKind::Vpn
    } else if read("type").trim() == ETHER {
        InterfaceKind::Ethernet
    } else {
        InterfaceKind::Unknown
    }
}

/// Hears of changes of links, addresses and routes.
#[derive(Debug)]
pub(crate) struct Notices {
    socket: OwnedFd,
}

impl Notices {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol is NETLINK_ROUTE.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self { socket })
    }

    pub(crate) fn source(&mut self) -> Option<&mut dyn Source> {
        Some(self)
    }

    /// Reads all notices. Whether there were any, or too many to keep.
    pub(crate) fn drain(&mut self) -> io::Result<bool> {
        let mut any = false;
        let mut buffer = [0u8; 8_192];
        loop {
            match recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                // What they say does not matter: all is looked at again.
                Ok(_) | Err(Errno::NOBUFS) => any = true,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(any),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Source for Notices {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.socket.as_raw_fd()).deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_ipv6_addresses_are_read_as_the_kernel_prints_them() {
        let (address, flags) = line("26000001000000000000000000aabbcc 02 40 00 21     eth0").unwrap();
        assert_eq!(address, "2600:1::aa:bbcc".parse::<Ipv6Addr>().unwrap());
        assert_eq!(flags, Flags { temporary: true, deprecated: true, unusable: false });
        assert!(line("26000001000000000000000000aabbcc 02 40 00 c0     eth0").unwrap().1.unusable, "tentative");
        assert_eq!(line("00000000000000000000000000000001 01 80 10 80       lo").unwrap().1, Flags::default());
        assert_eq!(line("nonsense"), None);
    }

    #[test]
    fn devices_are_told_apart_by_what_sysfs_says() {
        let folder = tempfile::tempdir().unwrap();
        let device = |name: &str, files: &[(&str, &str)]| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            files.iter().for_each(|(file, text)| std::fs::write(path.join(file), text).unwrap());
            kind_of(&path)
        };
        assert_eq!(device("eth0", &[("type", "1\n"), ("uevent", "INTERFACE=eth0\n")]), InterfaceKind::Ethernet);
        assert_eq!(device("wlan0", &[("type", "1\n"), ("uevent", "DEVTYPE=wlan\n")]), InterfaceKind::Wifi);
        assert_eq!(device("wwan0", &[("type", "1\n"), ("uevent", "DEVTYPE=wwan\n")]), InterfaceKind::Cellular);
        assert_eq!(device("wg0", &[("type", "65534\n"), ("uevent", "DEVTYPE=wireguard\n")]), InterfaceKind::Vpn);
        assert_eq!(device("tap0", &[("type", "1\n"), ("tun_flags", "0x1002\n")]), InterfaceKind::Vpn);
        assert_eq!(device("odd0", &[("type", "280\n")]), InterfaceKind::Unknown);
    }
}
