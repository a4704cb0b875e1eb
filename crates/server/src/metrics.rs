//! The figures behind `/metrics`, in Prometheus' text format.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use parlour_signaling::Event;

use crate::word;

/// Handles on all figures. Cheap to clone, and cheap to count on: an atomic addition.
#[derive(Clone)]
pub(crate) struct Metrics {
    render: PrometheusHandle,
    recorder: std::sync::Arc<PrometheusRecorder>,
    /// Signaling connections that have said hello.
    pub(crate) connections: Gauge,
    /// Messages from clients.
    pub(crate) messages_in: Counter,
    /// Messages to clients.
    pub(crate) messages_out: Counter,
    /// Clients that did not read what was sent to them.
    pub(crate) overflows: Counter,
    /// Socket.IO clients.
    pub(crate) socketio_clients: Gauge,
    /// PeerJS clients.
    pub(crate) peerjs_clients: Gauge,
    /// HTTP requests answered.
    pub(crate) http_requests: Counter,
    /// Changes that were not written to the database.
    pub(crate) storage_dropped: Counter,
    /// Attempts to write the database that failed.
    pub(crate) storage_failures: Counter,
    /// 1 while the database can be written.
    pub(crate) storage_up: Gauge,
    rooms: Gauge,
    peers_joined: Gauge,
    peers_away: Gauge,
    peers_waiting: Gauge,
    joins: Counter,
    resumes_replayed: Counter,
    resumes_snapshot: Counter,
    chat: Counter,
    pair_rtt: Histogram,
    pair_quality: Histogram,
}

/// How many there are, taken from the shards when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Census {
    pub(crate) rooms: usize,
    pub(crate) sessions: usize,
    pub(crate) connections: usize,
    pub(crate) waiting: usize,
}

impl Metrics {
    /// A set of figures of its own, so that several servers in one process do not mix theirs.
    pub(crate) fn new() -> Self {
        let seconds = [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6];
        let builder = PrometheusBuilder::new();
        let builder =
            builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds).unwrap_or_default();
        let builder = builder
            .set_buckets_for_metric(Matcher::Suffix("_quality".to_owned()), &[20.0, 40.0, 60.0, 80.0, 90.0, 100.0])
            .unwrap_or_default();
        let recorder = std::sync::Arc::new(builder.build_recorder());
        let handle = recorder.handle();
        with_local_recorder(&*recorder.clone(), || {
            describe();
            gauge!("parlour_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            Self {
                render: handle,
                recorder,
                connections: gauge!("parlour_ws_connections"),
                messages_in: counter!("parlour_ws_messages_total", "dir" => "in"),
                messages_out: counter!("parlour_ws_messages_total", "dir" => "out"),
                overflows: counter!("parlour_ws_overflows_total"),
                socketio_clients: gauge!("parlour_compat_clients", "protocol" => "socketio"),
                peerjs_clients: gauge!("parlour_compat_clients", "protocol" => "peerjs"),
                http_requests: counter!("parlour_http_requests_total"),
                storage_dropped: counter!("parlour_storage_dropped_total"),
                storage_failures: counter!("parlour_storage_failures_total"),
                storage_up: gauge!("parlour_storage_up"),
                rooms: gauge!("parlour_rooms"),
                peers_joined: gauge!("parlour_peers", "state" => "joined"),
                peers_away: gauge!("parlour_peers", "state" => "away"),
                peers_waiting: gauge!("parlour_peers", "state" => "waiting"),
                joins: counter!("parlour_joins_total", "result" => "ok"),
                resumes_replayed: counter!("parlour_resumes_total", "result" => "replayed"),
                resumes_snapshot: counter!("parlour_resumes_total", "result" => "snapshot"),
                chat: counter!("parlour_chat_messages_total"),
                pair_rtt: histogram!("parlour_ice_pair_rtt_seconds"),
                pair_quality: histogram!("parlour_ice_pair_quality"),
            }
        })
    }

    /// Counts something that was refused.
    pub(crate) fn refused(&self, code: &str) {
        with_local_recorder(&*self.recorder, || {
            counter!("parlour_refused_total", "code" => code.to_owned()).increment(1)
        });
    }

    /// Counts what happens in rooms.
    pub(crate) fn count(&self, event: &Event) {
        match event {
            Event::Joined { .. } => self.joins.increment(1),
            Event::Resumed { replayed: true, .. } => self.resumes_replayed.increment(1),
            Event::Resumed { replayed: false, .. } => self.resumes_snapshot.increment(1),
            Event::ChatSaid { .. } => self.chat.increment(1),
            Event::Refused { code, .. } => self.refused(&word(code)),
            Event::PairStats { pairs, .. } => {
                for pair in pairs {
                    self.pair_rtt.record(f64::from(pair.rtt_ms) / 1000.0);
                    self.pair_quality.record(f64::from(pair.quality));
                    self.pair(word(&pair.path), word(&pair.proto));
                }
            }
            _ => {}
        }
    }

    /// Counts a report about a pair by its kind.
    fn pair(&self, path: String, proto: String) {
        with_local_recorder(&*self.recorder, || {
            counter!("parlour_ice_pair_reports_total", "type" => path, "proto" => proto).increment(1);
        });
    }

    /// All figures as text.
    pub(crate) fn render(&self, census: Census) -> String {
        self.rooms.set(census.rooms as f64);
        self.peers_waiting.set(census.waiting as f64);
        self.peers_joined.set(census.connections.saturating_sub(census.waiting) as f64);
        self.peers_away.set(census.sessions.saturating_sub(census.connections) as f64);
        self.render.render()
    }

    /// Folds what has gathered in histograms, so that they do not grow while nobody asks.
    pub(crate) fn tidy(&self) {
        self.render.run_upkeep();
    }
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("parlour_build_info", "Always 1; the label tells the version.");
    describe_gauge!("parlour_ws_connections", "Signaling connections that are open.");
    describe_counter!("parlour_ws_messages_total", "Signaling messages from (in) and to (out) clients.");
    describe_counter!(
        "parlour_ws_overflows_total",
        "Times that a client had too much unread and its queue was dropped."
    );
    describe_gauge!("parlour_compat_clients", "Clients of other systems, by their protocol.");
    describe_counter!("parlour_http_requests_total", "HTTP requests answered.");
    describe_counter!("parlour_refused_total", "Requests, messages and connections refused, by error code.");
    describe_gauge!("parlour_rooms", "Rooms.");
    describe_gauge!("parlour_peers", "Participants by state.");
    describe_counter!("parlour_joins_total", "Joins.");
    describe_counter!("parlour_resumes_total", "Sessions taken up again, with replay or with a fresh snapshot.");
    describe_counter!("parlour_chat_messages_total", "Chat messages kept in history.");
    describe_histogram!(
        "parlour_ice_pair_rtt_seconds",
        "Round-trip times that clients report of their peer-to-peer connections."
    );
    describe_histogram!(
        "parlour_ice_pair_quality",
        "Quality (0 to 100) that clients report of their peer-to-peer connections."
    );
    describe_counter!("parlour_ice_pair_reports_total", "Clients' reports by type and protocol of their connections.");
    describe_gauge!("parlour_storage_up", "1 while the database can be written.");
    describe_counter!("parlour_storage_failures_total", "Failed attempts to write the database.");
    describe_counter!("parlour_storage_dropped_total", "Changes that were not written to the database.");
}
