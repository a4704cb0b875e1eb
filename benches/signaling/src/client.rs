//! One client: a WebSocket, what it says and what it hears.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::Error;
use crate::contender::{Bodies, Contender, Heard, Payload, seq};

/// How long a client waits for an answer that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connected client.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    contender: Contender,
    /// Its own id, where the server chose it.
    pub(crate) id: String,
    /// The id of the client that it talks to, once known.
    pub(crate) partner: Option<String>,
    /// The number of its last message.
    sent: u64,
    /// The number of the server's last message.
    seen: u64,
}

impl Client {
    /// Connects client `number` and waits until the server has let it in.
    pub(crate) async fn connect(contender: Contender, port: u16, number: usize) -> Result<Self, Error> {
        let mut request = contender.url(port, number).into_client_request()?;
        if let Some(subprotocol) = contender.subprotocol() {
            request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(subprotocol));
        }
        // Small buffers: thousands of clients live in this process.
        let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
        let connecting = async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            Ok::<_, Error>(tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?.0)
        };
        let socket = tokio::time::timeout(PATIENCE, connecting)
            .await
            .map_err(|_| "the server did not take a connection in time")??;
        let mut client =
            Self { socket, contender, id: String::new(), partner: contender.chosen_partner(number), sent: 0, seen: 0 };
        if let Some(hello) = contender.hello(number) {
            client.say(hello).await?;
        }
        loop {
            match client.hear_within(PATIENCE).await? {
                Heard::In { id, others } => {
                    client.id = id;
                    client.partner = client.partner.take().or_else(|| others.into_iter().next());
                    if let Some(text) = contender.entered(number) {
                        client.say(text).await?;
                    }
                    return Ok(client);
                }
                Heard::Refused(why) => return Err(format!("refused: {why}").into()),
                _ => {}
            }
        }
    }

    /// Sends a text as it is.
    pub(crate) async fn say(&mut self, text: String) -> Result<(), Error> {
        Ok(self.socket.send(Message::text(text)).await?)
    }

    /// Sends a message to the partner.
    pub(crate) async fn send(&mut self, payload: Payload, bodies: &Bodies) -> Result<(), Error> {
        let Some(partner) = &self.partner else { return Ok(()) };
        self.sent += 1;
        let text = self.contender.message(payload, partner, self.sent, bodies);
        self.say(text).await
    }

    /// Sends a numbered message of Parlour's own; `fields` come after its number.
    pub(crate) async fn send_numbered(&mut self, kind: &str, fields: &str) -> Result<(), Error> {
        self.sent += 1;
        let text = format!(r#"{{"t":"{kind}","seq":{}{fields}}}"#, self.sent);
        self.say(text).await
    }

    /// The next text from the server. Cancel safe.
    pub(crate) async fn hear(&mut self) -> Result<Heard, Error> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    if self.contender == Contender::Parlour {
                        self.seen = self.seen.max(seq(&text));
                    }
                    match self.contender.hear(&text) {
                        Heard::Answer(answer) => self.say(answer).await?,
                        Heard::Other(id) => {
                            self.partner = Some(id.clone());
                            return Ok(Heard::Other(id));
                        }
                        heard => return Ok(heard),
                    }
                }
                Some(Ok(Message::Close(why))) => {
                    return Err(format!("the server closed the connection: {why:?}").into());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the connection ended".into()),
            }
        }
    }

    /// The next text, or an error after `patience`.
    pub(crate) async fn hear_within(&mut self, patience: Duration) -> Result<Heard, Error> {
        tokio::time::timeout(patience, self.hear()).await.map_err(|_| "the server did not answer in time")?
    }

    /// Says what keeps the connection alive, where the protocol asks for that.
    pub(crate) async fn beat(&mut self) -> Result<(), Error> {
        match self.contender.heartbeat(self.seen) {
            Some((_, text)) => self.say(text).await,
            None => Ok(()),
        }
    }

    /// How often [`Client::beat`] is due.
    pub(crate) fn beat_period(&self) -> Duration {
        self.contender.heartbeat(0).map_or(Duration::from_secs(3600), |(period, _)| period)
    }

    /// Closes the connection in good order.
    pub(crate) async fn close(mut self) {
        let _ = self.socket.close(None).await;
    }
}
