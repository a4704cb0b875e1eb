//! Against Pebble, the ACME server that Let's Encrypt tests with, over real sockets.
//!
//! Pebble is installed from its source the first time, which needs Go. Without Go these tests say so and pass.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::*;
use crate::config::{HttpsUrl, Value as _};
use crate::tls::Tls;

const VERSION: &str = "v2.10.1";
const DOMAIN: &str = "meet.parlour.test";
/// Nothing here takes long; this only ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Where Pebble's two programs are; `None` without Go.
fn pebble() -> Option<&'static Path> {
    static BIN: OnceLock<Option<PathBuf>> = OnceLock::new();
    BIN.get_or_init(|| {
        let built = std::env::current_exe().ok()?;
        let bin = built.ancestors().nth(3)?.join("tmp").join(format!("pebble-{VERSION}"));
        let programs = ["pebble", "pebble-challtestsrv"];
        if programs.iter().all(|program| bin.join(program).exists()) {
            return Some(bin);
        }
        let packages = programs.map(|program| format!("github.com/letsencrypt/pebble/v2/cmd/{program}@{VERSION}"));
        let install = Command::new("go").arg("install").args(packages).env("GOBIN", &bin).status();
        match install {
            Ok(status) => {
                assert!(status.success(), "go install of Pebble failed; is the Go module proxy reachable?");
                Some(bin)
            }
            Err(_) => {
                let text = b"acme_pebble: not run: needs Go, to install Pebble (https://go.dev/doc/install)\n";
                let _ = std::io::stderr().write_all(text);
                None
            }
        }
    })
    .as_deref()
}

/// A program that is ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command, ready: &str) -> Program {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let program = Program(child);
    let found = lines.by_ref().map_while(Result::ok).any(|line| line.contains(ready));
    assert!(found, "{command:?} ended before it was ready");
    std::thread::spawn(move || lines.for_each(drop));
    program
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An ACME authority that finds every domain at 127.0.0.1.
struct Authority {
    _programs: [Program; 2],
    dir: tempfile::TempDir,
    directory: String,
    tls_port: u16,
    http_port: u16,
}

impl Authority {
    fn start(validity: Duration) -> Option<Self> {
        let bin = pebble()?;
        let dir = tempfile::tempdir().unwrap();
        let [port, management, tls_port, http_port, dns, dns_management] = [(); 6].map(|()| free_port());

        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        std::fs::write(dir.path().join("root.pem"), certificate.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": dir.path().join("root.pem"),
            "privateKey": dir.path().join("key.pem"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "domainBlocklist": ["blocked.parlour.test"],
            "retryAfter": {"authz": 0, "order": 0},
            "keyAlgorithm": "ecdsa",
            "profiles": {"default": {"description": "", "validityPeriod": validity.as_secs()}},
        }});
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();

        let resolver = start(
            Command::new(bin.join("pebble-challtestsrv"))
                .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", ""])
                .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
                .args(["-management", &format!("127.0.0.1:{dns_management}")]),
            "Starting management server",
        );
        await_dns(dns);
        let pebble = start(
            Command::new(bin.join("pebble"))
                .arg("-config")
                .arg(dir.path().join("config.json"))
                .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_AUTHZREUSE", "0"),
            "ACME directory available at",
        );
        let directory = format!("https://127.0.0.1:{port}/dir");
        Some(Authority { _programs: [resolver, pebble], dir, directory, tls_port, http_port })
    }

    fn config(&self, domain: &str) -> Config {
        Config {
            data: self.dir.path().join("data"),
            domain: Some(Domain::from_text(domain).unwrap()),
            acme_directory: HttpsUrl::from_text(&self.directory).unwrap(),
            acme_root: Some(self.dir.path().join("root.pem")),
            acme_contact: Some("ann@parlour.test".into()),
            ..Config::default()
        }
    }

    fn load(&self, domain: &str) -> Arc<Tls> {
        // The process has one provider of cryptography; who comes second finds it there.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Tls::load(&self.config(domain)).unwrap()
    }
}

/// Asks for the root's name servers until the resolver answers.
fn await_dns(port: u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let query = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1];
    let mut answer = [0; 512];
    let answered =
        (0..100).any(|_| socket.send_to(&query, ("127.0.0.1", port)).is_ok() && socket.recv(&mut answer).is_ok());
    assert!(answered, "the resolver does not answer");
}

/// Accepts TLS as the server does.
async fn serve_tls(tls: &Tls, port: u16) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(tls.server_config());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let accepting = acceptor.accept(stream);
            tokio::spawn(async move {
                if let Ok(mut stream) = accepting.await {
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await;
                }
            });
        }
    });
}

async fn serve_http(tls: &Arc<Tls>, port: u16) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let router = tls.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
}

/// The certificate that a client gets for a server name: its issuer, and its names.
fn certificate_for(tls: &Tls, name: &str) -> (String, Vec<u8>) {
    let key = tls.resolver.pick(Some(name), false).unwrap();
    let (_, certificate) = x509_parser::parse_x509_certificate(&key.cert[0]).unwrap();
    (certificate.issuer().to_string(), key.cert[0].to_vec())
}

#[tokio::test]
async fn acme_pebble_a_certificate_is_got_over_tls_and_kept() {
    let Some(authority) = Authority::start(Duration::from_secs(90 * 86_400)) else { return };
    let tls = authority.load(DOMAIN);
    serve_tls(&tls, authority.tls_port).await;
    assert!(certificate_for(&tls, DOMAIN).0.contains("Parlour on"), "until then, the built-in authority's");

    let mut changed = tls.changed();
    let tasks = tls.spawn();
    tokio::time::timeout(LIMIT, changed.changed()).await.unwrap().unwrap();
    let (issuer, der) = certificate_for(&tls, "Meet.Parlour.Test");
    assert!(issuer.contains("Pebble"), "{issuer}");
    assert!(certificate_for(&tls, "localhost").0.contains("Parlour on"), "other names as before");
    assert!(
        tls.acme.as_ref().unwrap().until_due(OffsetDateTime::now_utc()).unwrap() > Duration::from_secs(59 * 86_400)
    );
    drop(tasks);

    // The authority is not needed for the next start.
    let again = authority.load(DOMAIN);
    assert_eq!(certificate_for(&again, DOMAIN).1, der);
}

#[tokio::test]
async fn acme_pebble_a_certificate_is_got_over_http_with_the_same_account() {
    let Some(authority) = Authority::start(Duration::from_secs(90 * 86_400)) else { return };
    let tls = authority.load(DOMAIN);
    serve_http(&tls, authority.http_port).await;
    let acme = tls.acme.as_ref().unwrap();
    acme.obtain(&tls.resolver, 1).await.unwrap();
    assert!(certificate_for(&tls, DOMAIN).0.contains("Pebble"));

    let account = std::fs::read_to_string(acme.dir.join("account.json")).unwrap();
    acme.obtain(&tls.resolver, 1).await.unwrap();
    assert_eq!(std::fs::read_to_string(acme.dir.join("account.json")).unwrap(), account);
    #[cfg(unix)]
    for path in [acme.dir.join("account.json"), acme.certificate_path()] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn acme_pebble_a_certificate_is_renewed_before_it_expires() {
    // Two thirds of nine seconds: the second certificate must come without anybody asking.
    let Some(authority) = Authority::start(Duration::from_secs(9)) else { return };
    let tls = authority.load(DOMAIN);
    serve_tls(&tls, authority.tls_port).await;
    let mut changed = tls.changed();
    let _tasks = tls.spawn();
    tokio::time::timeout(LIMIT, changed.changed()).await.unwrap().unwrap();
    let first = certificate_for(&tls, DOMAIN).1;
    tokio::time::timeout(LIMIT, changed.changed()).await.unwrap().unwrap();
    assert_ne!(certificate_for(&tls, DOMAIN).1, first);
}

#[tokio::test]
async fn acme_pebble_failures_are_explained_and_leave_the_old_certificate() {
    let Some(authority) = Authority::start(Duration::from_secs(90 * 86_400)) else { return };
    let tls = authority.load(DOMAIN);
    let acme = tls.acme.as_ref().unwrap();
    for attempt in [0, 1] {
        let failure = acme.obtain(&tls.resolver, attempt).await.unwrap_err();
        assert!(failure.reason.starts_with("the authority cannot connect to this server ("), "{failure:?}");
        assert!(failure.advice.contains("ports 443 and 80"));
    }
    // Another server answers in our place.
    let other = tokio::net::TcpListener::bind(("127.0.0.1", authority.http_port)).await.unwrap();
    tokio::spawn(async move { axum::serve(other, axum::Router::new()).await });
    let failure = acme.obtain(&tls.resolver, 1).await.unwrap_err();
    assert!(failure.reason.starts_with("another server answered"), "{failure:?}");

    let blocked = authority.load("blocked.parlour.test");
    let failure = blocked.acme.as_ref().unwrap().obtain(&blocked.resolver, 0).await.unwrap_err();
    assert!(failure.reason.starts_with("the authority does not certify this name"), "{failure:?}");
    assert!(certificate_for(&tls, DOMAIN).0.contains("Parlour on"));

    let nowhere =
        Config { acme_directory: HttpsUrl::from_text("https://127.0.0.1:1/dir").unwrap(), ..authority.config(DOMAIN) };
    let nowhere = Tls::load(&nowhere).unwrap();
    let failure = nowhere.acme.as_ref().unwrap().obtain(&nowhere.resolver, 0).await.unwrap_err();
    assert!(failure.reason.starts_with("the ACME directory cannot be used"), "{failure:?}");
    assert!(failure.reason.contains("refused"), "{failure:?}");
}
