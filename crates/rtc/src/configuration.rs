//! What a connection is made of.

use parlour_peer::{BundlePolicy, Capabilities, Certificate, DtlsVersions, Error, IceServer, TransportPolicy};
use std::net::IpAddr;

/// Which addresses of this machine to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Addresses {
    /// Those of all interfaces but loopback; loopback if there is nothing else.
    #[default]
    All,
    /// These.
    Only(Vec<IpAddr>),
}

impl Addresses {
    pub(crate) fn list(&self) -> Vec<IpAddr> {
        let Self::Only(list) = self else {
            let usable = |ip: &IpAddr| match ip {
                IpAddr::V4(ip) => !ip.is_unspecified(),
                // Addresses of one link want a zone, which candidates cannot tell.
                IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_unicast_link_local(),
            };
            let all = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
            let (loopback, mut list): (Vec<IpAddr>, Vec<IpAddr>) = all.filter(usable).partition(IpAddr::is_loopback);
            list.dedup();
            return if list.is_empty() { loopback } else { list };
        };
        list.clone()
    }
}

/// `RTCConfiguration`, and what is decided here and not by a browser.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// STUN and TURN servers.
    pub ice_servers: Vec<IceServer>,
    /// Which candidates may be used.
    pub ice_transport_policy: TransportPolicy,
    /// How to deal with peers that do not bundle.
    pub bundle_policy: BundlePolicy,
    /// What to show in DTLS. One is made if there is none.
    pub certificates: Vec<Certificate>,
    /// Codecs and header extensions of sound.
    pub audio: Capabilities,
    /// Codecs and header extensions of pictures.
    pub video: Capabilities,
    /// The largest message that is taken on a data channel, in bytes; 0 for any.
    pub max_message_size: u64,
    /// Which versions of DTLS to speak.
    pub dtls_versions: DtlsVersions,
    /// Which addresses of this machine to use.
    pub addresses: Addresses,
}

impl Default for Configuration {
    fn default() -> Self {
        let parlour_peer::Configuration { bundle_policy, audio, video, max_message_size, dtls_versions, .. } =
            parlour_peer::Configuration::default();
        Self {
            ice_servers: Vec::new(),
            ice_transport_policy: TransportPolicy::All,
            bundle_policy,
            certificates: Vec::new(),
            audio,
            video,
            max_message_size,
            dtls_versions,
            addresses: Addresses::All,
        }
    }
}

impl Configuration {
    /// For peers on this machine only.
    pub fn loopback() -> Self {
        Self { addresses: Addresses::Only(vec![IpAddr::from([127, 0, 0, 1])]), ..Self::default() }
    }

    pub(crate) fn into_peer(self) -> Result<parlour_peer::Configuration, Error> {
        let mut peer = parlour_peer::Configuration {
            bundle_policy: self.bundle_policy,
            certificates: self.certificates,
            audio: self.audio,
            video: self.video,
            max_message_size: self.max_message_size,
            dtls_versions: self.dtls_versions,
            ..parlour_peer::Configuration::default()
        };
        for server in &self.ice_servers {
            peer.ice.servers.extend(server.servers()?);
        }
        peer.ice.transport_policy = self.ice_transport_policy;
        Ok(peer)
    }
}
