//! What the descriptions say of each transport: credentials, fingerprints, roles, candidates.

use crate::random::{self, Rng};
use parlour_sdp::{Attribute, Candidate, Connection, Fingerprint, MediaDescription, SessionDescription, Setup};

/// Names a transport for the life of a connection. Sections that are bundled share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransportId(pub(crate) u32);

/// How sections share transports with a peer that cannot bundle (W3C webrtc-pc §4.2.5, RFC 9429 §4.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BundlePolicy {
    /// One transport for each kind of media until the other side says that it bundles.
    #[default]
    Balanced,
    /// One transport for each section until the other side says that it bundles.
    MaxCompat,
    /// One transport; what the other side does not bundle is rejected.
    MaxBundle,
}

/// `RTCIceParameters`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IceParameters {
    /// The user name fragment.
    pub username_fragment: String,
    /// The password.
    pub password: String,
}

impl IceParameters {
    /// 48 bits of user name and 144 bits of password (RFC 8445 §5.3 wants 24 and 128).
    pub(crate) fn generate(rng: &mut Rng) -> Self {
        Self { username_fragment: random::ice_chars(rng, 8), password: random::ice_chars(rng, 24) }
    }

    pub(crate) fn of(media: &MediaDescription, session: &SessionDescription) -> Option<Self> {
        media.ice_credentials(session).map(|ice| Self { username_fragment: ice.ufrag.into(), password: ice.pwd.into() })
    }
}

/// `RTCDtlsRole`, once known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// Starts the handshake.
    Client,
    /// Waits for it.
    Server,
}

/// What the other side says of its end of a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTransport {
    /// Its credentials.
    pub ice: IceParameters,
    /// Whether it is a lite agent.
    pub ice_lite: bool,
    /// Whether it reads DTLS that rides on checks.
    pub sped: bool,
    /// The hashes of the certificates that it may show.
    pub fingerprints: Vec<Fingerprint>,
    /// Who it wants to start the handshake.
    pub setup: Setup,
    /// Names its end of the DTLS association, if it does.
    pub tls_id: Option<String>,
    /// Its candidates so far.
    pub candidates: Vec<Candidate>,
    /// No more of them come.
    pub end_of_candidates: bool,
}

impl RemoteTransport {
    /// Reads the section that speaks for the transport. `None` if something is missing.
    pub(crate) fn of(media: &MediaDescription, session: &SessionDescription) -> Option<Self> {
        let tls_id =
            [&media.attributes, &session.attributes].into_iter().flatten().find_map(|attribute| match attribute {
                Attribute::TlsId(id) => Some(id.clone()),
                _ => None,
            });
        Some(Self {
            ice: IceParameters::of(media, session)?,
            ice_lite: session.ice_lite(),
            sped: media.ice_options(session).iter().any(|option| option == "sped"),
            fingerprints: Some(media.fingerprints(session))
                .filter(|all| !all.is_empty())?
                .into_iter()
                .cloned()
                .collect(),
            setup: media.setup(session).unwrap_or(Setup::ActPass),
            tls_id,
            candidates: media.candidates().cloned().collect(),
            end_of_candidates: media.has(&Attribute::EndOfCandidates)
                || session.attributes.contains(&Attribute::EndOfCandidates),
        })
    }

    /// Whether the DTLS association goes on under the new description (RFC 8842 §5.1).
    pub(crate) fn continues(&self, before: &Self) -> bool {
        self.fingerprints == before.fingerprints && self.tls_id == before.tls_id
    }
}

/// A transport as the descriptions have it so far.
#[derive(Clone, Debug)]
pub struct Transport {
    pub(crate) id: TransportId,
    /// Our credentials, once a local description has them.
    pub(crate) local: Option<IceParameters>,
    /// What the other side said last.
    pub(crate) remote: Option<RemoteTransport>,
    /// Our role in DTLS, once an answer tells it; from then on the transport may connect.
    pub(crate) dtls_role: Option<DtlsRole>,
    /// Our role in ICE, once an offer tells it.
    pub(crate) controlling: Option<bool>,
    /// The offer of the other side restarts ICE, so that our answer must (RFC 8839 §4.4.1.1.1).
    pub(crate) restarting: bool,
    /// What was gathered under `local`.
    pub(crate) candidates: Vec<Candidate>,
    /// No more will be gathered.
    pub(crate) gathered: bool,
}

impl Transport {
    pub(crate) fn new(id: TransportId) -> Self {
        Self {
            id,
            local: None,
            remote: None,
            dtls_role: None,
            controlling: None,
            restarting: false,
            candidates: Vec::new(),
            gathered: false,
        }
    }

    /// Its name.
    pub fn id(&self) -> TransportId {
        self.id
    }

    /// Our credentials, once a local description has them.
    pub fn local(&self) -> Option<&IceParameters> {
        self.local.as_ref()
    }

    /// What the other side said last.
    pub fn remote(&self) -> Option<&RemoteTransport> {
        self.remote.as_ref()
    }

    /// Our role in DTLS, once an answer tells it.
    pub fn dtls_role(&self) -> Option<DtlsRole> {
        self.dtls_role
    }

    /// Takes over our credentials from an applied description. What was gathered under others is void.
    pub(crate) fn set_local(&mut self, ice: IceParameters) {
        if self.local.as_ref() != Some(&ice) {
            self.candidates.clear();
            self.gathered = false;
            self.local = Some(ice);
        }
    }

    /// The role of W3C webrtc-pc §4.4.1.4: the first offer decides.
    pub(crate) fn set_ice_role(&mut self, we_offered: bool) {
        let remote_lite = self.remote.as_ref().is_some_and(|remote| remote.ice_lite);
        self.controlling.get_or_insert(we_offered || remote_lite);
    }
}

/// Where media goes if ICE does not say: the candidate that is most likely to be reached (RFC 8839 §4.2.1.2).
pub(crate) fn default_address(candidates: &[Candidate]) -> Option<(u16, Connection)> {
    use parlour_sdp::CandidateType::{Host, PeerReflexive, Relay, ServerReflexive};
    let reach = |candidate: &&Candidate| match candidate.candidate_type {
        Relay => 3,
        ServerReflexive => 2,
        PeerReflexive => 1,
        Host => 0,
    };
    let address = |candidate: &Candidate| candidate.address.parse::<std::net::IpAddr>().ok();
    let usable = candidates.iter().filter(|candidate| candidate.component == 1 && candidate.transport == "udp");
    let best = usable
        .filter(|candidate| address(candidate).is_some())
        .max_by_key(|candidate| (reach(candidate), address(candidate).is_some_and(|ip| ip.is_ipv4())))?;
    let address_type = if address(best)?.is_ipv4() { "IP4" } else { "IP6" };
    Some((best.port, Connection { address_type: address_type.to_owned(), address: best.address.clone() }))
}
