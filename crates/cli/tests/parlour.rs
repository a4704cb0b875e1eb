//! The real binary, as a person or a script uses it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

fn parlour(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlour"));
    command.current_dir(dir).stdin(Stdio::null()).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARLOUR_")) {
        command.env_remove(name);
    }
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A running server; ended with the test.
struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    ready: Value,
}

impl Server {
    fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = parlour(dir)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--http",
                "127.0.0.1:0",
                "--turn",
                "127.0.0.1:0",
                "--json",
                "--log-level",
                "error",
            ])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        Server { child, lines, ready }
    }

    fn get(&self, path: &str) -> String {
        let addr = self.ready["http"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let mut stream = TcpStream::connect(&addr).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[cfg(unix)]
    fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_line_of_json_tells_where_the_server_is() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.ready["event"], "ready");
    assert!(server.ready["https"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    assert!(!server.ready["https"].as_str().unwrap().ends_with(":0"), "the real port");
    assert_eq!(server.ready["fingerprint"].as_str().unwrap().len(), 95);
    assert_eq!(server.ready["data"], "parlour-data");
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    let page = server.get("/ca");
    assert!(page.contains(server.ready["ca_fingerprint"].as_str().unwrap()), "{page}");
    assert!(server.get("/ca.crt").contains("application/x-x509-ca-cert"));
}

#[cfg(unix)]
#[test]
fn sigterm_stops_the_server_cleanly_and_a_restart_keeps_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), &[]);
    let fingerprint = server.ready["fingerprint"].clone();
    server.terminate();
    let mut rest = String::new();
    server.lines.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "{\"event\":\"stopped\"}\n");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));

    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.ready["fingerprint"], fingerprint);
}

#[test]
fn plain_lines_go_to_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = parlour(dir.path())
        .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--turn", "off"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let text: Vec<String> = lines.take(2).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text[0].starts_with("parlour ") && text[0].ends_with(" is ready"), "{text:?}");
    assert!(text[1].starts_with("local: http://localhost:"), "{text:?}");
}

#[test]
fn a_bad_configuration_stops_with_code_2_and_says_where_and_what() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("parlour.toml"), "[room]\nmax_pers = 20\np2p_max = 99\n").unwrap();
    let output = parlour(dir.path()).env("PARLOUR_LISTN", "1").args(["--drain", "soon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: parlour.toml:2: room.max_pers: there is no such key; did you mean room.max_peers?\n\
         error: parlour.toml:3: room.p2p_max = 99 is not possible; allowed: a whole number from 2 to 32\n\
         error: PARLOUR_LISTN: there is no such key; did you mean PARLOUR_LISTEN?\n\
         error: --drain = \"soon\" is not possible; allowed: a time such as \"500ms\", \"30s\", \"5m\", \"4h\", \"7d\" or \
         \"1h30m\"\ntry: parlour serve --help lists every key\n"
    );
    assert!(!dir.path().join("parlour-data").exists());
}

#[test]
fn an_unknown_flag_stops_with_code_2_and_the_likely_one() {
    let dir = tempfile::tempdir().unwrap();
    let output = parlour(dir.path()).args(["--room-max-peer", "3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--room-max-peers"), "{}", stderr(&output));
}

#[test]
fn config_shows_each_value_with_its_source_and_can_be_read_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("parlour.toml"), "name = 'Hall'\n[room]\nmax_peers = 20\n").unwrap();
    let run = |args: &[&str]| {
        let mut command = parlour(dir.path());
        command.env("PARLOUR_ROOM_P2P_MAX", "4").args(["config", "--room-waiting-room"]).args(args).output().unwrap()
    };
    let output = run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let line = |key: &str| text.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("name").ends_with("# parlour.toml:1") && line("name").starts_with("name = \"Hall\""));
    assert!(line("max_peers").ends_with("# parlour.toml:3"));
    assert!(line("p2p_max").ends_with("# environment variable PARLOUR_ROOM_P2P_MAX"));
    assert!(line("waiting_room").ends_with("# flag --room-waiting-room") && line("waiting_room").contains("= true"));
    assert!(line("data").ends_with("# default"));

    let json: Value = serde_json::from_str(&stdout(&run(&["--json"]))).unwrap();
    assert_eq!(json["room.max_peers"]["value"], 20);
    assert_eq!(json["room.max_peers"]["source"], "parlour.toml:3");

    std::fs::write(dir.path().join("again.toml"), &text).unwrap();
    let again = parlour(dir.path()).args(["config", "--config", "again.toml"]).output().unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert!(stdout(&again).contains("p2p_max = 4 "));
}

#[test]
fn a_missing_configuration_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let output = parlour(dir.path()).args(["--config", "nowhere.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere.toml"));
}

#[test]
fn a_token_opens_its_room_on_a_server_with_the_same_data() {
    let dir = tempfile::tempdir().unwrap();
    let output = parlour(dir.path())
        .env("PARLOUR_AUTH_MODE", "token")
        .args(["token", "--room", "team", "--role", "host", "--name", "Ann", "--ttl", "2h"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let token = stdout(&output).trim().to_owned();

    let config = parlour_server::Config { data: dir.path().join("parlour-data"), ..Default::default() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let keys = parlour_server::token_keys::verifying(&config).unwrap();
    let grant = keys.verify(&token, "team", now).unwrap();
    assert_eq!(grant.name.as_deref(), Some("Ann"));
    assert_eq!(grant.role, parlour_signaling::message::Role::Host);
    assert!((now + 7000..=now + 7300).contains(&grant.exp));
    assert!(keys.verify(&token, "other", now).is_err());
}

#[test]
fn token_explains_bad_input() {
    let dir = tempfile::tempdir().unwrap();
    for (args, message) in [
        (&["--room", "team", "--ttl", "forever"][..], "--ttl forever is not possible"),
        (&["--room", "team", "--key", "other"], "there is no key with the kid \"other\"; there are: local"),
        (&["--room", "team", "--role", "king"], "host, speaker, guest, viewer"),
        (&[], "--room"),
    ] {
        let output = parlour(dir.path()).arg("token").args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(stderr(&output).contains(message), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_port_that_was_asked_for_and_is_taken_stops_with_code_3() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let http = format!("127.0.0.1:{port}");
    let output = parlour(dir.path()).args(["--http", &http, "--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains(&format!("error: port {port} is in use by another program")), "{text}");
    assert!(text.contains("\ntry: another port: --http "), "{text}");
}

#[test]
fn a_data_directory_that_cannot_be_made_stops_with_code_4() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let args = ["--data", "file/data", "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
    let output = parlour(dir.path()).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("file/data") && stderr(&output).contains("\ntry: "), "{}", stderr(&output));
}

#[test]
fn a_database_that_is_none_stops_with_code_4_and_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join("parlour-data/parlour.db");
    std::fs::create_dir(dir.path().join("parlour-data")).unwrap();
    std::fs::write(&database, "this is my diary".repeat(100)).unwrap();
    let output = parlour(dir.path()).args(["--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("parlour.db") && stderr(&output).contains("\ntry: "), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&database).unwrap(), "this is my diary".repeat(100));
}

#[test]
fn a_certificate_that_cannot_be_used_stops_with_code_5() {
    let dir = tempfile::tempdir().unwrap();
    let pair = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    std::fs::write(dir.path().join("cert.pem"), pair().0).unwrap();
    std::fs::write(dir.path().join("key.pem"), pair().1).unwrap();
    let run = |cert: &str, key: &str| {
        let args = ["--cert", cert, "--key", key, "--http", "127.0.0.1:0", "--listen", "127.0.0.1:0"];
        let output = parlour(dir.path()).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
        stderr(&output)
    };
    assert!(run("cert.pem", "key.pem").contains("the key key.pem does not belong to the certificate cert.pem"));
    assert!(run("nowhere.pem", "key.pem").contains("cannot read nowhere.pem"));
    assert!(run("key.pem", "cert.pem").contains("swap the values"));
}

#[test]
fn schema_completions_version_and_help_print_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let output = parlour(dir.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    };
    let schema: Value = serde_json::from_str(&run(&["schema"])).unwrap();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).contains("room-max-peers"), "{shell}");
    }
    assert_eq!(run(&["--version"]).trim(), format!("parlour {}", env!("CARGO_PKG_VERSION")));
    assert!(run(&["--help"]).contains("Examples:"));
    assert!(run(&["serve", "--help"]).contains("PARLOUR_ROOM_MAX_PEERS"));
}
