//! A server on loopback with a data directory of its own, and clients that speak the protocol over real sockets.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

pub mod wire;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, Stream};
use parlour_server::config::{Config, Listen, Switch};
use parlour_server::{Error, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Nothing here takes long; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A configuration for tests: free ports on loopback, no limits of addresses.
pub fn config(data: &Path) -> Config {
    let mut config = Config { data: data.to_owned(), ..Config::default() };
    config.listen = Switch::Off;
    config.turn = Switch::Off;
    config.http = Switch::On(Listen::at("127.0.0.1:0".parse().unwrap()));
    config.limits.conns_per_ip = 1_000_000;
    config.limits.joins_per_min_per_ip = 1_000_000;
    config.auth.admin_token = Some(parlour_server::config::Secret::new("admin"));
    config
}

pub struct TestServer {
    pub server: Server,
    pub addr: SocketAddr,
    _dir: Option<tempfile::TempDir>,
}

impl TestServer {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut started = Self::start_in(dir.path(), change).await.unwrap();
        started._dir = Some(dir);
        started
    }

    pub async fn start_in(data: &Path, change: impl FnOnce(&mut Config)) -> Result<Self, Error> {
        let mut config = config(data);
        change(&mut config);
        let server = Server::start(config).await?;
        let addr = server.ready().http.unwrap();
        Ok(Self { server, addr, _dir: None })
    }

    pub async fn join(&self, room: &str, name: &str) -> Client {
        let mut client = Client::connect(self.addr).await;
        client.hello(room, name).await;
        client.welcome().await;
        client
    }

    pub async fn get(&self, path: &str) -> Reply {
        request(self.addr, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.addr)).await
    }

    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer admin\r\nContent-Length: {}\r\n\r\n{body}",
            self.addr,
            body.len()
        );
        request(self.addr, &head).await
    }

    /// The value of a series in `/metrics`; 0 if it is not there yet.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Waits until a series has a value.
    pub async fn until_metric(&self, series: &str, right: impl Fn(f64) -> bool) {
        let waiting = async {
            while !right(self.metric(series).await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, waiting).await.is_err() {
            panic!("{series} stays at {}", self.metric(series).await);
        }
    }
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends a request as it is, and reads the answer to the end of the connection.
pub async fn request(addr: SocketAddr, head: &str) -> Reply {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    read_reply(&mut stream).await
}

pub async fn read_reply(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Reply {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("the server closes");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status =
        lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok()).unwrap_or(0);
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Reply { status, headers, body: body.to_owned() }
}

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A client of the protocol.
pub struct Client {
    pub socket: Socket,
    pub sid: String,
    pub secret: String,
    pub me: String,
    /// The last number from the server.
    pub last: u64,
    /// The last number of ours.
    pub sent: u64,
}

/// What came from the server.
#[derive(Debug)]
pub enum Heard {
    Message(Value),
    Closed { code: u16, reason: String },
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        Self::connect_with(addr, &[("origin", &format!("http://{addr}"))]).await.expect("the upgrade")
    }

    pub async fn connect_with(
        addr: SocketAddr,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{addr}/v1/ws").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("parlour.v1"));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let (socket, response) = tokio_tungstenite::connect_async(request).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "parlour.v1");
        Ok(Self { socket, sid: String::new(), secret: String::new(), me: String::new(), last: 0, sent: 0 })
    }

    pub async fn say(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends a message with the next number of this session.
    pub async fn send(&mut self, mut message: Value) {
        self.sent += 1;
        message["seq"] = self.sent.into();
        self.say(message).await;
    }

    /// Goes without a word: the connection is reset (RFC 9293 §3.5.2).
    pub fn reset(self) {
        let MaybeTlsStream::Plain(stream) = self.socket.get_ref() else { panic!("no plain connection") };
        stream.set_zero_linger().unwrap();
    }

    pub async fn hello(&mut self, room: &str, name: &str) {
        self.say(json!({"t": "hello", "v": 1, "room": room, "name": name})).await;
    }

    pub async fn welcome(&mut self) -> Value {
        let welcome = self.next().await;
        assert_eq!(welcome["t"], "welcome", "{welcome}");
        self.sid = welcome["sid"].as_str().unwrap().to_owned();
        self.secret = welcome["secret"].as_str().unwrap().to_owned();
        self.last = welcome["last"].as_u64().unwrap();
        if let Some(me) = welcome["snapshot"]["you"]["id"].as_str() {
            self.me = me.to_owned();
        }
        welcome
    }

    /// Takes this session up again over a new connection.
    pub async fn resume(&mut self, addr: SocketAddr, room: &str) -> Value {
        let fresh = Self::connect(addr).await;
        self.socket = fresh.socket;
        let resume = json!({"sid": self.sid, "secret": self.secret, "last": self.last});
        self.say(json!({"t": "hello", "v": 1, "room": room, "resume": resume})).await;
        self.welcome().await
    }

    /// What comes next, with its number noted.
    pub async fn hear(&mut self) -> Heard {
        loop {
            let message = tokio::time::timeout(PATIENCE, next_message(&mut self.socket))
                .await
                .expect("the server says something");
            return match message {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if let Some(seq) = message["seq"].as_u64() {
                        assert_eq!(seq, self.last + 1, "no gap and no repetition: {message}");
                        self.last = seq;
                    }
                    Heard::Message(message)
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    Heard::Closed { code: frame.code.into(), reason: frame.reason.to_string() }
                }
                Some(Ok(Message::Close(None))) | None => Heard::Closed { code: 0, reason: String::new() },
                Some(Ok(_)) => continue,
                Some(Err(error)) => Heard::Closed { code: 0, reason: error.to_string() },
            };
        }
    }

    pub async fn next(&mut self) -> Value {
        match self.hear().await {
            Heard::Message(message) => message,
            closed => panic!("a message was expected, not {closed:?}"),
        }
    }

    /// The next message of a kind; others are passed over.
    pub async fn next_of(&mut self, t: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["t"] == t {
                return message;
            }
        }
    }

    /// The error and the close that end a connection.
    pub async fn cut_off(&mut self) -> (String, u16) {
        let mut code = String::new();
        loop {
            match self.hear().await {
                Heard::Message(message) if message["t"] == "error" && message["fatal"] == true => {
                    code = message["code"].as_str().unwrap().to_owned();
                    assert!(!message["message"].as_str().unwrap().is_empty());
                }
                Heard::Message(_) => {}
                Heard::Closed { code: close, .. } => return (code, close),
            }
        }
    }
}

pub async fn next_message(socket: &mut Socket) -> Option<Result<Message, tokio_tungstenite::tungstenite::Error>> {
    std::future::poll_fn(|cx| std::pin::Pin::new(&mut *socket).poll_next(cx)).await
}
