//! The few socket options that no library offers safely. Where the system lacks one, asking for it does nothing.

/// Has the kernel hand over trains of datagrams as one (Linux 5.0). `false` if it cannot.
pub(crate) fn receive_trains(socket: &impl Handle) -> bool {
    imp::receive_trains(socket)
}

/// Datagrams that the kernel has thrown away because the socket's buffer was full.
pub(crate) fn dropped(socket: &impl Handle) -> u64 {
    imp::dropped(socket)
}

/// Whether IPv4 packets leave with DF, and IPv6 ones are never fragmented here (RFC 8656 §15).
pub(crate) fn set_dont_fragment(socket: &impl Handle, ipv4: bool, on: bool) {
    imp::set_dont_fragment(socket, ipv4, on);
}

/// Asks for the traffic class of IPv6 datagrams, which carries ECN.
pub(crate) fn receive_traffic_class(socket: &impl Handle) {
    imp::receive_traffic_class(socket);
}

/// Asks for the local address that IPv4 datagrams were sent to.
pub(crate) fn receive_destination(socket: &impl Handle, ipv4: bool) -> bool {
    imp::receive_destination(socket, ipv4)
}

/// Sets the buffers of a socket, beyond the system's limit if this process may.
pub(crate) fn set_buffers(socket: &impl Handle, receive: usize, send: usize) {
    imp::set_buffers(socket, receive, send);
}

#[cfg(target_os = "linux")]
pub(crate) use std::os::fd::AsFd as Handle;
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) use std::os::fd::AsFd as Handle;
#[cfg(windows)]
pub(crate) use std::os::windows::io::AsSocket as Handle;

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod imp {
    use std::ffi::c_int;
    use std::os::fd::{AsFd, AsRawFd};

    /// Words of SO_MEMINFO, and the place of the drops among them (linux/sock_diag.h).
    const MEMINFO_WORDS: usize = 9;
    const MEMINFO_DROPS: usize = 8;

    fn set(socket: &impl AsFd, level: c_int, name: c_int, value: c_int) -> bool {
        // SAFETY: the descriptor is open while it is borrowed, and the kernel reads the `size_of::<c_int>()` bytes of `value`.
        let result = unsafe {
            libc::setsockopt(
                socket.as_fd().as_raw_fd(),
                level,
                name,
                std::ptr::from_ref(&value).cast(),
                size_of::<c_int>() as libc::socklen_t,
            )
        };
        result == 0
    }

    pub(super) fn receive_trains(socket: &impl AsFd) -> bool {
        set(socket, libc::SOL_UDP, libc::UDP_GRO, 1)
    }

    pub(super) fn dropped(socket: &impl AsFd) -> u64 {
        let mut words = [0u32; MEMINFO_WORDS];
        let mut length = size_of_val(&words) as libc::socklen_t;
        // SAFETY: the descriptor is open while it is borrowed, and the kernel writes at most `length` bytes into `words`.
        let result = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_MEMINFO,
                words.as_mut_ptr().cast(),
                &mut length,
            )
        };
        if result == 0 { words.get(MEMINFO_DROPS).copied().unwrap_or(0).into() } else { 0 }
    }

    pub(super) fn set_dont_fragment(socket: &impl AsFd, ipv4: bool, on: bool) {
        if ipv4 {
            let value = if on { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
            set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value);
        } else {
            let value = if on { libc::IPV6_PMTUDISC_PROBE } else { libc::IPV6_PMTUDISC_DONT };
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, value);
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, on.into());
        }
    }

    pub(super) fn receive_traffic_class(socket: &impl AsFd) {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1);
    }

    pub(super) fn receive_destination(socket: &impl AsFd, ipv4: bool) -> bool {
        match ipv4 {
            true => set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
            false => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        }
    }

    pub(super) fn set_buffers(socket: &impl AsFd, receive: usize, send: usize) {
        let clamp = |size: usize| c_int::try_from(size).unwrap_or(c_int::MAX);
        for (forced, asked, size) in [
            (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, clamp(receive)),
            (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, clamp(send)),
        ] {
            if size > 0 && !set(socket, libc::SOL_SOCKET, forced, size) {
                set(socket, libc::SOL_SOCKET, asked, size);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::Handle;

    pub(super) fn receive_trains(_: &impl Handle) -> bool {
        false
    }

    pub(super) fn dropped(_: &impl Handle) -> u64 {
        0
    }

    pub(super) fn set_dont_fragment(_: &impl Handle, _: bool, _: bool) {}

    pub(super) fn receive_traffic_class(_: &impl Handle) {}

    pub(super) fn receive_destination(_: &impl Handle, _: bool) -> bool {
        false
    }

    pub(super) fn set_buffers(socket: &impl Handle, receive: usize, send: usize) {
        let socket = socket2::SockRef::from(socket);
        if receive > 0 {
            let _ = socket.set_recv_buffer_size(receive);
        }
        if send > 0 {
            let _ = socket.set_send_buffer_size(send);
        }
    }
}
