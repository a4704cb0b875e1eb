//! A peer for browsers that records them, plays files to them, or sends back what they send. See README.md.

mod files;
mod session;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use files::Recording;
use parlour_rtc::Error;
use session::{Mode, Session};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

const USAGE: &str = "recorder [--listen ADDRESS] [--into FOLDER] [FILE…]

  --listen ADDRESS  where to listen (127.0.0.1:8091)
  --into FOLDER     where recordings go (recordings)
  FILE              what is played: VP8, VP9 or AV1 in IVF, H.264 with start codes, Opus in Ogg";

/// What all sessions need.
pub(crate) struct Studio {
    folder: PathBuf,
    files: Vec<Arc<Recording>>,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    next: u64,
    open: HashMap<u64, Arc<Session>>,
}

/// More than this are not kept: the oldest are closed.
const MAX_SESSIONS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut address, mut folder, mut files) = ("127.0.0.1:8091".to_owned(), PathBuf::from("recordings"), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--listen" => address = arguments.next().ok_or(USAGE)?,
            "--into" => folder = arguments.next().ok_or(USAGE)?.into(),
            option if option.starts_with("--") => return Err(USAGE.into()),
            file => files.push(Arc::new(Recording::read(file.as_ref())?)),
        }
    }
    std::fs::create_dir_all(&folder)?;
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let studio = Arc::new(Studio { folder, files, sessions: Mutex::default() });
    let app = Router::new()
        .route("/", get(Html(include_str!("../index.html"))))
        .route("/{mode}", post(open))
        .route("/sessions/{id}", post(renegotiate).delete(close))
        .with_state(studio);
    axum::serve(listener, app).await?;
    Ok(())
}

impl Studio {
    fn sessions(&self) -> std::sync::MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: u64) -> Result<Arc<Session>, Problem> {
        self.sessions().open.get(&id).cloned().ok_or(Problem::Unknown)
    }
}

/// `POST /record`, `/play`, `/echo`: answers an offer, or makes one if none is given.
async fn open(
    State(studio): State<Arc<Studio>>,
    UrlPath(mode): UrlPath<String>,
    offer: String,
) -> Result<Response, Problem> {
    let mode = Mode::parse(&mode).ok_or(Problem::Unknown)?;
    let id = {
        let mut sessions = studio.sessions();
        sessions.next += 1;
        sessions.next
    };
    let session = Session::new(&studio, id, mode)?;
    let description = if offer.is_empty() { session.offer().await? } else { session.answer(offer).await? };
    let mut sessions = studio.sessions();
    if sessions.open.len() >= MAX_SESSIONS
        && let Some(oldest) = sessions.open.keys().min().copied()
    {
        sessions.open.remove(&oldest);
    }
    sessions.open.insert(id, Arc::new(session));
    let headers = [(header::CONTENT_TYPE, "application/sdp".to_owned()), (header::LOCATION, format!("/sessions/{id}"))];
    Ok((StatusCode::CREATED, headers, description).into_response())
}

/// `POST /sessions/ID`: takes the answer to an offer of the server, or a new offer.
async fn renegotiate(
    State(studio): State<Arc<Studio>>,
    UrlPath(id): UrlPath<u64>,
    sdp: String,
) -> Result<Response, Problem> {
    let session = studio.find(id)?;
    if session.waits_for_answer() {
        session.take_answer(sdp).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let answer = session.answer(sdp).await?;
    Ok(([(header::CONTENT_TYPE, "application/sdp")], answer).into_response())
}

/// `DELETE /sessions/ID`: ends it. When the answer comes the files are complete.
async fn close(State(studio): State<Arc<Studio>>, UrlPath(id): UrlPath<u64>) -> Result<StatusCode, Problem> {
    let session = studio.find(id)?;
    studio.sessions().open.remove(&id);
    session.close().await;
    Ok(StatusCode::NO_CONTENT)
}

/// Why a request is refused.
enum Problem {
    Unknown,
    Peer(Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Peer(error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        match self {
            Self::Unknown => (StatusCode::NOT_FOUND, "There is nothing here.\n").into_response(),
            Self::Peer(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        }
    }
}
