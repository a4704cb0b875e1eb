//! As much of HTTP as this example needs, so that it needs nothing else.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// No description is longer.
const MAX_BODY: usize = 1 << 20;
const MAX_HEAD: u64 = 16 << 10;

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: String,
}

pub(crate) struct Response {
    status: u16,
    kind: &'static str,
    location: Option<String>,
    body: String,
}

impl Response {
    pub(crate) fn page(html: &str) -> Self {
        Self { status: 200, kind: "text/html; charset=utf-8", location: None, body: html.to_owned() }
    }

    pub(crate) fn sdp(body: String) -> Self {
        Self { status: 200, kind: "application/sdp", location: None, body }
    }

    pub(crate) fn error(status: u16, text: &str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", location: None, body: format!("{text}\n") }
    }

    pub(crate) fn at(self, location: String) -> Self {
        Self { location: Some(location), ..self }
    }
}

/// Serves one request.
pub(crate) async fn serve(mut stream: TcpStream, respond: impl AsyncFnOnce(Request) -> Response) {
    let Some(request) = read(&mut stream).await else { return };
    let Response { status, kind, location, body } = respond(request).await;
    let location = location.map(|place| format!("location: {place}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{location}connection: close\r\n\r\n"
    );
    // A browser that has gone needs no answer.
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.take(MAX_HEAD));
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).await.ok()?;
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; Some(length).filter(|length| *length <= MAX_BODY)?];
    reader.get_mut().set_limit(length as u64);
    reader.read_exact(&mut body).await.ok()?;
    Some(Request { method, path, body: String::from_utf8(body).ok()? })
}
