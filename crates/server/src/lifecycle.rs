//! From start to stop.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parlour_signaling::message::RoomId;
use parlour_signaling::{Auth, HubConfig, IceServers, PasswordHash};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::compat::Compat;
use crate::config::{AuthMode, Config, Listen, Switch};
use crate::http::assets::Assets;
use crate::http::{Plain, accept, router};
use crate::ice::Ice;
use crate::limits::{Limits, TrustedProxies};
use crate::metrics::Metrics;
use crate::shards::{Shards, random};
use crate::storage::Storage;
use crate::tls::Tls;
use crate::turn::Turn;
use crate::{App, Error, Ready, at_port, in_url, listen, secret, token_keys};

/// How often histograms are tidied.
const TIDY: Duration = Duration::from_secs(10);

/// A running server.
pub struct Server {
    app: Arc<App>,
    ready: Ready,
    storage: Storage,
    stop: watch::Sender<bool>,
    /// What watches over certificates; ends with the server.
    _certificates: Option<JoinSet<()>>,
}

impl Server {
    /// Starts a server on the runtime that this is called in.
    pub async fn start(config: Config) -> Result<Self, Error> {
        std::fs::create_dir_all(&config.data)
            .map_err(|source| Error::DataDirectory { path: config.data.clone(), source })?;
        let metrics = Metrics::new();
        let retention = config.room.chat_history.on().copied().unwrap_or_default();
        let (storage, state) = Storage::open(&config.data, retention, &metrics)?;
        let admin_token = secret::admin_token(&config)?;
        let ice = Arc::new(Ice::new(&config, Turn::start(&config)?));
        let hub = hub_config(&config, Ice::for_hub(&ice))?;
        let auth = hub.auth.clone();

        let limits = Limits::new(config.limits.conns_per_ip, config.limits.joins_per_min_per_ip);
        let recorder = storage.recorder(&metrics);
        let on_event = {
            let (recorder, metrics) = (recorder.clone(), metrics.clone());
            Arc::new(move |event| {
                metrics.count(&event);
                tell(&event);
                recorder.record(event);
            })
        };
        let shards = Shards::new(cores(), &hub, state, &metrics.overflows, on_event);
        let app = Arc::new(App {
            assets: Assets::load(config.web_dir.as_deref()),
            proxies: TrustedProxies::new(&config.trust_proxy),
            limits,
            shards,
            metrics,
            recorder,
            admin_token,
            compat: Compat::new(&config),
            ice,
            auth,
            draining: false.into(),
            live: Live::default(),
            bound: OnceLock::new(),
            warned_of_proxy: std::sync::Once::new(),
            config,
        });

        let tls = app.config.listen.on().map(|_| Tls::load(&app.config)).transpose()?;
        let (https, http) = (bind(&app.config.listen, "listen")?, bind(&app.config.http, "http")?);
        let compat = bind(&app.config.compat.port, "compat-port")?;
        let compat_addr = addr(compat.as_ref());
        let (https_addr, http_addr) = (addr(https.as_ref()), addr(http.as_ref()));
        let _ = app.bound.set((https_addr, http_addr));
        app.ice.set_https(https_addr);
        let mut routes = router(Arc::clone(&app));
        if let Some(tls) = &tls {
            routes = routes.merge(tls.router());
        }
        let (stop, stopping) = watch::channel(false);
        if let Some(listener) = http {
            tokio::spawn(accept(Arc::clone(&app), listener, Plain::Http, routes.clone(), stopping.clone()));
        }
        if let Some(listener) = compat {
            tokio::spawn(accept(Arc::clone(&app), listener, Plain::Http, routes.clone(), stopping.clone()));
        }
        if let (Some(listener), Some(tls)) = (https, &tls) {
            tokio::spawn(accept(Arc::clone(&app), listener, Plain::Tls(Arc::clone(tls)), routes, stopping));
        }
        app.shards.spawn_timers();
        Compat::spawn_timer(&app);
        let tidying = app.metrics.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TIDY);
            loop {
                ticks.tick().await;
                tidying.tidy();
            }
        });
        let ready = Ready {
            http: http_addr,
            https: https_addr,
            compat: compat_addr,
            turn: app.ice.turn().and_then(Turn::addr),
            local_url: local_url(http_addr, https_addr),
            lan_urls: app.lan_urls(),
            fingerprint: tls.as_ref().map(|tls| tls.fingerprint()),
            ca_fingerprint: tls.as_ref().and_then(|tls| tls.ca_fingerprint()),
        };
        let certificates = tls.as_ref().map(Tls::spawn);
        Ok(Self { app, ready, storage, stop, _certificates: certificates })
    }

    /// What to tell the person who started it.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Stops: takes nobody in any more, tells all clients to come back in a moment, saves the whole state, and closes the connections.
    ///
    /// Takes no longer than the setting `drain`, and mostly a few milliseconds: peer-to-peer media does not need the server meanwhile.
    pub async fn stop(self) {
        self.app.draining.store(true, Ordering::Relaxed);
        if let Some(turn) = self.app.ice.turn() {
            turn.drain();
        }
        self.stop.send_replace(true);
        self.app.compat.stop(&self.app);
        let state = self.app.shards.stop();
        tracing::info!(rooms = state.rooms.len(), sessions = state.sessions.len(), "stopping");
        let storage = self.storage;
        let saving = tokio::task::spawn_blocking(move || storage.close(state));
        let closing = tokio::time::timeout(self.app.config.drain, self.app.live.none());
        let (saved, closed) = tokio::join!(saving, closing);
        if let Ok(Err(error)) = saved {
            tracing::error!(%error, "could not save the state: those who come back will join anew");
        }
        if closed.is_err() {
            tracing::warn!("some clients did not close in time");
        }
    }
}

/// Counts signaling connections, so that a stopping server can wait for their last words.
#[derive(Debug, Default)]
pub(crate) struct Live {
    count: AtomicUsize,
    changed: Notify,
}

/// One signaling connection, until it is dropped.
pub(crate) struct Alive(Arc<App>);

impl App {
    /// Counts a signaling connection.
    pub(crate) fn enter(self: &Arc<Self>) -> Alive {
        self.live.count.fetch_add(1, Ordering::AcqRel);
        self.metrics.connections.increment(1.0);
        Alive(Arc::clone(self))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.metrics.connections.decrement(1.0);
        if self.0.live.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.live.changed.notify_waiters();
        }
    }
}

impl Live {
    async fn none(&self) {
        loop {
            let changed = self.changed.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }
}

/// Ports that are tried after a default one that is taken.
const SPARE_PORTS: u16 = 20;

/// Opens a listener as configured. A default port that is taken gives way to a free one near it.
fn bind(wanted: &Switch<Listen>, setting: &'static str) -> Result<Option<TcpListener>, Error> {
    let Some(wanted) = wanted.on() else { return Ok(None) };
    let mut result = listen::bind(wanted.addr);
    for step in 1..=SPARE_PORTS {
        let taken = result.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
        if wanted.exact || !taken {
            break;
        }
        result = listen::bind(SocketAddr::new(wanted.addr.ip(), wanted.addr.port().saturating_add(step)));
    }
    result.map(Some).map_err(|source| Error::Bind { setting, addr: wanted.addr, source })
}

fn addr(listener: Option<&TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|listener| listener.local_addr().ok())
}

/// The best address for a browser on this machine: plain HTTP, where no certificate asks for trust.
fn local_url(http: Option<SocketAddr>, https: Option<SocketAddr>) -> String {
    let host = |ip: IpAddr| {
        if ip.is_unspecified() || ip.to_canonical().is_loopback() { "localhost".to_owned() } else { in_url(ip) }
    };
    // Over plain HTTP only loopback gets cameras.
    let full = |addr: &SocketAddr| addr.ip().is_unspecified() || addr.ip().to_canonical().is_loopback();
    match (http.filter(full), https, http) {
        (Some(addr), _, _) => format!("http://{}", at_port(&host(addr.ip()), addr.port(), 80)),
        (None, Some(addr), _) => format!("https://{}", at_port(&host(addr.ip()), addr.port(), 443)),
        (None, None, Some(addr)) => format!("http://{}", at_port(&host(addr.ip()), addr.port(), 80)),
        (None, None, None) => String::new(),
    }
}

/// Threads that this machine runs at once.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn hub_config(config: &Config, ice_servers: IceServers) -> Result<HubConfig, Error> {
    let password = config.auth.password.as_ref().or(config.room.password.as_ref());
    let auth = match (config.auth.mode, password) {
        (AuthMode::Token, _) => Auth::Token(token_keys::verifying(config)?),
        (AuthMode::Password, Some(password)) => Auth::Password(PasswordHash::new(password.expose(), &mut random)),
        (AuthMode::Open, _) | (AuthMode::Password, None) => match &config.room.password {
            Some(password) => Auth::Password(PasswordHash::new(password.expose(), &mut random)),
            None => Auth::Open,
        },
    };
    Ok(HubConfig {
        node: config.name.clone(),
        auth,
        auto_create: config.room.auto_create,
        max_peers: config.room.max_peers,
        max_sessions: (config.limits.max_peers_total as usize).div_ceil(cores()),
        p2p_max: config.room.p2p_max,
        waiting_room: config.room.waiting_room,
        chat_history: config.room.chat_history.on().copied().unwrap_or_default(),
        empty_timeout: config.room.empty_timeout,
        resume: config.room.resume_window,
        message_bytes: config.limits.message_kib.saturating_mul(1024),
        messages_per_s: config.limits.messages_per_s,
        burst: config.limits.burst,
        ice_servers,
        ..HubConfig::default()
    })
}

/// Logs what happens in rooms. Names and texts stay out of the log, and so do descriptions and candidates, which hold addresses.
fn tell(event: &parlour_signaling::Event) {
    use parlour_signaling::Event;
    let room = |room: &RoomId| room.0.clone();
    match event {
        Event::Joined { room: id, peer, role, .. } => tracing::info!(room = room(id), peer = peer.0, ?role, "joined"),
        Event::Left { room: id, peer, why, .. } => tracing::info!(room = room(id), peer = peer.0, ?why, "left"),
        Event::Away { room: id, peer } => tracing::debug!(room = room(id), peer = peer.0, "away"),
        Event::Resumed { room: id, peer, replayed } => {
            tracing::debug!(room = room(id), peer = peer.0, replayed, "resumed")
        }
        Event::RoomGone { room: id } => tracing::debug!(room = room(id), "room forgotten"),
        Event::Refused { addr, code, fatal } => tracing::debug!(?addr, ?code, fatal, "refused"),
        _ => {}
    }
}

/// Lets the process have as many sockets as the system allows it.
pub(crate) fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let now = getrlimit(Resource::Nofile);
        if now.current < now.maximum || now.maximum.is_none() {
            let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
        }
    }
}

/// The signals that ask the server to stop.
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
