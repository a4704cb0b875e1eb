//! A peer for browsers that sends every message back. See README.md.

mod http;

use http::{Request, Response};
use parlour_rtc::{
    Configuration, ConnectionState, DataChannel, Description, DtlsTransportState, Error, Event, Events, PeerConnection,
    SdpType,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// Offers of the server that are not answered yet.
#[derive(Default)]
struct Waiting {
    next: u64,
    connections: HashMap<u64, (PeerConnection, Events, DataChannel)>,
}

type Shared = Arc<Mutex<Waiting>>;

/// More than this wait for nobody.
const MAX_WAITING: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let shared = Shared::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let shared = shared.clone();
        tokio::spawn(http::serve(stream, async move |request| respond(&shared, request).await));
    }
}

async fn respond(shared: &Shared, Request { method, path, body }: Request) -> Response {
    let result = match (method.as_str(), path.split('/').skip(1).collect::<Vec<_>>().as_slice()) {
        ("GET", [""]) => return Response::page(include_str!("../index.html")),
        ("POST", ["offer"]) => answer(body).await.map(Response::sdp),
        ("POST", ["connections"]) => offer(shared).await,
        ("POST", ["connections", id]) => {
            let found = id.parse().ok().and_then(|id| lock(shared).connections.remove(&id));
            let Some(waiting) = found else { return Response::error(404, "There is no such connection.") };
            take_answer(waiting, body).await
        }
        _ => return Response::error(404, "There is nothing here."),
    };
    result.unwrap_or_else(|error| Response::error(400, &error.to_string()))
}

/// Takes an offer and answers it.
async fn answer(offer: String) -> Result<String, Error> {
    let (connection, events) = PeerConnection::new(Configuration::default())?;
    connection.set_remote_description(Description::new(SdpType::Offer, offer)).await?;
    connection.set_local_description(None).await?;
    let answer = connection.gathered_description().await?;
    tokio::spawn(serve(connection, events, None));
    Ok(answer.sdp)
}

/// Makes an offer with a channel.
async fn offer(shared: &Shared) -> Result<Response, Error> {
    let (connection, events) = PeerConnection::new(Configuration::default())?;
    let channel = connection.create_data_channel("echo", Default::default())?;
    connection.set_local_description(None).await?;
    let offer = connection.gathered_description().await?;
    let mut waiting = lock(shared);
    if waiting.connections.len() >= MAX_WAITING {
        waiting.connections.clear();
    }
    waiting.next += 1;
    let id = waiting.next;
    waiting.connections.insert(id, (connection, events, channel));
    Ok(Response::sdp(offer.sdp).at(format!("/connections/{id}")))
}

async fn take_answer(waiting: (PeerConnection, Events, DataChannel), answer: String) -> Result<Response, Error> {
    let (connection, events, channel) = waiting;
    connection.set_remote_description(Description::new(SdpType::Answer, answer)).await?;
    tokio::spawn(serve(connection, events, Some(channel)));
    Ok(Response::sdp(String::new()))
}

/// Echoes on every channel until the browser has gone. Dropping the connection closes it.
async fn serve(_connection: PeerConnection, mut events: Events, ours: Option<DataChannel>) {
    ours.into_iter().for_each(|channel| drop(tokio::spawn(echo(channel))));
    while let Some(event) = events.recv().await {
        match event {
            Event::DataChannel(channel) => drop(tokio::spawn(echo(channel))),
            Event::ConnectionStateChange(ConnectionState::Failed)
            | Event::DtlsTransportStateChange(DtlsTransportState::Closed) => return,
            _ => {}
        }
    }
}

async fn echo(channel: DataChannel) {
    while let Some(message) = channel.recv().await {
        if channel.send(message).await.is_err() {
            return;
        }
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Waiting> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
