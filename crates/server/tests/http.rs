//! What the server answers over HTTP and HTTPS.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;

use common::{TestServer, read_reply, request};
use parlour_server::config::{Listen, MetricsAccess, Switch};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn pages_carry_the_security_headers() {
    let server = TestServer::start(|_| {}).await;
    for path in ["/", "/r/team", "/check"] {
        let page = server.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.headers["content-type"].starts_with("text/html"));
        let policy = &page.headers["content-security-policy"];
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(policy.contains(&format!("connect-src 'self' ws://{}", server.addr)), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(page.headers["permissions-policy"].contains("camera=(self)"));
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["referrer-policy"], "same-origin");
        assert_eq!(page.headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(page.headers["cache-control"], "no-cache");
    }
    let none = server.get("/no/such/file.js").await;
    assert_eq!((none.status, none.json()["code"].as_str()), (404, Some("not_found")));
    assert_eq!(none.headers["x-content-type-options"], "nosniff");
}

/// RFC 9111 §3.2: browsers replace the headers that they have kept by those of a 304.
#[tokio::test]
async fn a_page_that_is_loaded_again_may_do_the_same() {
    let server = TestServer::start(|_| {}).await;
    let page = server.get("/").await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nIf-None-Match: {}\r\n\r\n",
        server.addr, page.headers["etag"]
    );
    let again = request(server.addr, &head).await;
    assert_eq!(again.status, 304);
    for (name, value) in &again.headers {
        assert!(name == "date" || page.headers.get(name) == Some(value), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_directory_can_take_the_place_of_the_app() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "<p>mine").unwrap();
    let web = dir.path().to_owned();
    let server = TestServer::start(|config| config.web_dir = Some(web)).await;
    assert_eq!(server.get("/r/team").await.body, "<p>mine");
    assert_eq!(server.get("/../../etc/passwd").await.status, 404);
    assert_eq!(server.get("/%2e%2e/%2e%2e/etc/passwd").await.status, 404);
}

#[tokio::test]
async fn health_and_metrics_are_told() {
    let server = TestServer::start(|_| {}).await;
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200);
    let _ann = server.join("team", "Ann").await;
    server.until_metric("parlour_rooms", |n| n == 1.0).await;
    server.until_metric("parlour_peers{state=\"joined\"}", |n| n == 1.0).await;
    assert_eq!(server.metric("parlour_joins_total{result=\"ok\"}").await, 1.0);
    assert_eq!(server.metric("parlour_storage_up").await, 1.0);
    assert!(server.metric("parlour_ws_messages_total{dir=\"in\"}").await >= 1.0);
}

#[tokio::test]
async fn metrics_are_for_this_machine_or_the_administrator() {
    let server = TestServer::start(|_| {}).await;
    let ask = async |headers: &str| {
        request(server.addr, &format!("GET /metrics HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")).await.status
    };
    assert_eq!(ask("Host: localhost\r\n").await, 200);
    assert_eq!(ask("Host: evil.example\r\n").await, 403, "DNS rebinding");
    assert_eq!(ask("Host: localhost\r\nX-Forwarded-For: 192.0.2.1\r\n").await, 403, "through a proxy");
    assert_eq!(ask("Host: x\r\nAuthorization: Bearer wrong\r\n").await, 403);
    assert_eq!(ask("Host: x\r\nAuthorization: Bearer admin\r\n").await, 200);
    let closed = TestServer::start(|config| config.metrics.access = MetricsAccess::Off).await;
    assert_eq!(closed.get("/metrics").await.status, 404);
}

#[tokio::test]
async fn the_administrator_sees_and_changes_rooms() {
    let server = TestServer::start(|_| {}).await;
    assert_eq!(server.get("/v1/rooms").await.status, 401);
    let room = server.admin("PUT", "/v1/rooms/board", r#"{"waiting_room":true}"#).await;
    assert_eq!((room.status, room.json()["waiting_room"].as_bool()), (200, Some(true)), "{room:?}");
    assert_eq!(server.admin("PUT", "/v1/rooms/board", r#"{"wating_room":true}"#).await.status, 400);
    assert_eq!(server.admin("GET", "/v1/rooms/none", "").await.status, 404);

    let mut ann = server.join("team", "Ann").await;
    let list = server.admin("GET", "/v1/rooms", "").await.json();
    let names: Vec<_> = list["rooms"].as_array().unwrap().iter().map(|room| room["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["board", "team"]);
    assert_eq!(server.admin("POST", "/v1/rooms/team:lock", r#"{"on":true}"#).await.status, 204);
    assert_eq!(ann.next_of("room").await["room"]["locked"], true);
    let peers = server.admin("GET", "/v1/rooms/team/peers", "").await.json();
    assert_eq!(peers["peers"][0]["name"], "Ann");
    assert_eq!(server.admin("POST", &format!("/v1/rooms/team/peers/{}:kick", ann.me), "{}").await.status, 204);
    assert_eq!(ann.next_of("bye").await["why"], "kicked");
    let mut bob = server.join("other", "Bob").await;
    assert_eq!(server.admin("DELETE", "/v1/rooms/other", "").await.status, 204);
    assert_eq!(bob.next_of("bye").await["why"], "ended");
}

#[tokio::test]
async fn the_app_learns_where_https_is_and_which_ice_servers_there_are() {
    let server = TestServer::start(|config| {
        config.listen = Switch::On(Listen::at("127.0.0.1:0".parse().unwrap()));
        config.ice_servers = vec![parlour_server::config::IceServer {
            urls: vec!["stun:stun.example".into()],
            username: None,
            credential: None,
        }];
    })
    .await;
    let info = server.get("/v1/info").await.json();
    let https = server.server.ready().https.unwrap();
    assert_eq!(info["https"], format!("https://127.0.0.1:{}", https.port()));
    assert_eq!(
        (info["auth"].as_str(), info["p2p_max"].as_u64(), info["secure_hint"].as_bool()),
        (Some("open"), Some(6), Some(false))
    );
    assert_eq!(server.get("/v1/ice").await.json(), json!({"ice_servers": [{"urls": ["stun:stun.example"]}]}));
}

#[tokio::test]
async fn https_serves_and_its_port_sends_plain_http_there() {
    let server =
        TestServer::start(|config| config.listen = Switch::On(Listen::at("127.0.0.1:0".parse().unwrap()))).await;
    let https = server.server.ready().https.unwrap();
    let plain = request(https, "GET /r/team?name=Ann HTTP/1.1\r\nHost: meet.example:8443\r\n\r\n").await;
    assert_eq!((plain.status, plain.headers["location"].as_str()), (307, "https://meet.example:8443/r/team?name=Ann"));

    let ca = server.get("/ca.pem").await;
    assert_eq!(ca.status, 200);
    let mut roots = rustls::RootCertStore::empty();
    use rustls::pki_types::pem::PemObject;
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(ca.body.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tcp = TcpStream::connect(https).await.unwrap();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    tls.write_all(b"GET /r/team HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let page = read_reply(&mut tls).await;
    assert_eq!(page.status, 200);
    assert!(page.headers["content-security-policy"].contains("wss://localhost"));

    // STUN is not served here, and is not taken for anything else.
    let mut stun = TcpStream::connect(https).await.unwrap();
    stun.write_all(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]).await.unwrap();
    assert_eq!(read_reply(&mut stun).await.status, 0);
}

#[tokio::test]
async fn a_plain_request_to_the_socket_is_told_what_it_is() {
    let server = TestServer::start(|_| {}).await;
    let reply = server.get("/v1/ws").await;
    assert_eq!((reply.status, reply.headers["upgrade"].as_str()), (426, "websocket"));
    let upgrade = "GET /v1/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: other.v9\r\n\r\n";
    assert_eq!(request(server.addr, upgrade).await.json()["code"], "unknown_version");
}

/// Asks `/v1/ice` with more headers; gives the answer and the servers that ask for credentials.
async fn ice(server: &TestServer, query: &str, headers: &str) -> (common::Reply, Vec<serde_json::Value>) {
    let head = format!("GET /v1/ice{query} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", server.addr);
    let reply = common::request(server.addr, &head).await;
    let all = serde_json::from_str::<serde_json::Value>(&reply.body).unwrap()["ice_servers"].as_array().cloned();
    let turn = all.unwrap_or_default().into_iter().filter(|one| one["credential"].is_string()).collect();
    (reply, turn)
}

fn with_relay(config: &mut parlour_server::config::Config) {
    use parlour_server::config::{Listen, Switch};
    config.turn = Switch::On(Listen::at("127.0.0.1:0".parse().unwrap()));
}

#[tokio::test]
async fn where_everybody_may_join_everybody_gets_credentials_for_the_relay() {
    let server = TestServer::start(with_relay).await;
    let (reply, turn) = ice(&server, "", "").await;
    assert_eq!((reply.status, turn.len()), (200, 1));
    let port = server.server.ready().turn.unwrap().port();
    assert_eq!(turn[0]["urls"][0], format!("turn:127.0.0.1:{port}?transport=udp"));
    let expiry: u64 = turn[0]["username"].as_str().unwrap().split(':').next().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now + 3_600..=now + 86_400).contains(&expiry), "short-lived");
    assert!(turn[0]["nonce"].is_string() && turn[0]["realm"] == "parlour");

    let mut ann = common::Client::connect(server.addr).await;
    ann.hello("team", "Ann").await;
    let welcome = ann.welcome().await;
    let servers = welcome["ice_servers"].as_array().unwrap();
    assert_eq!(servers[0]["urls"][0], format!("stun:127.0.0.1:{port}"));
    assert!(servers[1]["username"].as_str().unwrap().ends_with(welcome["sid"].as_str().unwrap()), "the session's own");
}

#[tokio::test]
async fn where_a_password_is_asked_for_the_relay_is_for_those_who_know_it() {
    let server = TestServer::start(|config| {
        with_relay(config);
        config.auth.mode = parlour_server::config::AuthMode::Password;
        config.auth.password = Some(parlour_server::config::Secret::new("sesame"));
    })
    .await;
    let (reply, turn) = ice(&server, "", "").await;
    assert_eq!((reply.status, turn.len()), (200, 0));
    assert!(reply.body.contains("stun:"), "{}", reply.body);
    assert_eq!(ice(&server, "", "Authorization: Bearer guessed\r\n").await.0.status, 401);
    let (reply, turn) = ice(&server, "", "Authorization: Bearer sesame\r\n").await;
    assert_eq!((reply.status, turn.len()), (200, 1));
}

#[tokio::test]
async fn pages_of_other_sites_get_ice_servers_only_if_they_are_named() {
    let server = TestServer::start(|config| {
        with_relay(config);
        config.origins = vec![parlour_server::config::Origin::Exact("https://app.example".to_owned())];
    })
    .await;
    let (reply, turn) = ice(&server, "", "Origin: https://app.example\r\n").await;
    assert_eq!((reply.status, turn.len()), (200, 1));
    assert_eq!(reply.headers["access-control-allow-origin"], "https://app.example");
    assert_eq!(ice(&server, "", "Origin: https://evil.example\r\n").await.0.status, 403);
    let head = format!(
        "OPTIONS /v1/ice HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
        server.addr
    );
    let reply = common::request(server.addr, &head).await;
    assert_eq!((reply.status, reply.headers["access-control-allow-headers"].as_str()), (204, "authorization"));
}

#[tokio::test]
async fn the_relays_figures_are_among_the_metrics() {
    let server = TestServer::start(with_relay).await;
    assert_eq!(server.metric("parlour_turn_allocations").await, 0.0);
    assert!(server.get("/metrics").await.body.contains("# TYPE parlour_turn_bytes_to_peers_total counter"));
}
