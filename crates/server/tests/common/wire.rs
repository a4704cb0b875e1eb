//! A bare WebSocket to any address of a test's server, for clients of other systems.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

use std::net::SocketAddr;

use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;

use super::{PATIENCE, Socket};

pub struct Wire(pub Socket);

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    Text(String),
    /// A close with its code, 0 without one or without any close frame.
    Close(u16),
}

impl Wire {
    pub async fn open(addr: SocketAddr, path: &str) -> Self {
        Self::try_open(addr, path, &[]).await.expect("the upgrade")
    }

    /// Connects with more headers. `Err` is the status of the refusal.
    pub async fn try_open(addr: SocketAddr, path: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{addr}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn say(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends whatever it is; the server may have closed by now.
    pub async fn throw(&mut self, message: Message) -> bool {
        self.0.send(message).await.is_ok()
    }

    pub async fn hear(&mut self) -> Came {
        loop {
            let message = tokio::time::timeout(PATIENCE, super::next_message(&mut self.0)).await;
            return match message.expect("the server says something") {
                Some(Ok(Message::Text(text))) => Came::Text(text.to_string()),
                Some(Ok(Message::Close(frame))) => Came::Close(frame.map_or(0, |frame| frame.code.into())),
                Some(Ok(_)) => continue,
                None | Some(Err(_)) => Came::Close(0),
            };
        }
    }

    /// The next text.
    pub async fn text(&mut self) -> String {
        match self.hear().await {
            Came::Text(text) => text,
            closed => panic!("a text was expected, not {closed:?}"),
        }
    }

    /// The next text that begins like this; others are passed over.
    pub async fn text_with(&mut self, part: &str) -> String {
        loop {
            let text = self.text().await;
            if text.contains(part) {
                return text;
            }
        }
    }

    /// All texts until the connection is closed, and the code.
    pub async fn until_the_end(&mut self) -> (Vec<String>, u16) {
        let mut texts = Vec::new();
        loop {
            match self.hear().await {
                Came::Text(text) => texts.push(text),
                Came::Close(code) => return (texts, code),
            }
        }
    }
}
