//! One browser, and what is done with its sound and pictures.

use crate::Studio;
use crate::files::{Recording, Writer};
use parlour_rtc::{
    Configuration, Description, EncodedFrame, Error, PeerConnection, SdpType, SignalingState, TrackKind, Transceiver,
    TransceiverDirection, TransceiverInit,
};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Record,
    Play,
    Echo,
}

impl Mode {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "record" => Some(Self::Record),
            "play" => Some(Self::Play),
            "echo" => Some(Self::Echo),
            _ => None,
        }
    }

    fn direction(self) -> TransceiverDirection {
        match self {
            Self::Record => TransceiverDirection::RecvOnly,
            Self::Play => TransceiverDirection::SendOnly,
            Self::Echo => TransceiverDirection::SendRecv,
        }
    }
}

pub(crate) struct Session {
    id: u64,
    mode: Mode,
    folder: PathBuf,
    files: Vec<Arc<Recording>>,
    connection: PeerConnection,
    /// What is done with each transceiver.
    tasks: Mutex<Vec<(Transceiver, JoinHandle<()>)>>,
}

impl Session {
    pub(crate) fn new(studio: &Studio, id: u64, mode: Mode) -> Result<Self, Error> {
        // Nobody asks for events: all that is needed here are states.
        let (connection, _) = PeerConnection::new(Configuration::default())?;
        let (folder, files) = (studio.folder.clone(), studio.files.clone());
        Ok(Self { id, mode, folder, files, connection, tasks: Mutex::default() })
    }

    /// Makes an offer.
    pub(crate) async fn offer(&self) -> Result<String, Error> {
        for kind in [TrackKind::Audio, TrackKind::Video] {
            let file = self.files.iter().find(|file| file.is_video() == (kind == TrackKind::Video));
            if self.mode != Mode::Play || file.is_some() {
                let direction = self.mode.direction();
                let streams = vec!["recorder".to_owned()];
                let init = TransceiverInit { direction, streams, ..TransceiverInit::default() };
                self.prefer(&self.connection.add_transceiver(kind, init)?, file)?;
            }
        }
        self.connection.set_local_description(None).await?;
        Ok(self.connection.gathered_description().await?.sdp)
    }

    /// Takes an offer and answers it: the first one, or a later one.
    pub(crate) async fn answer(&self, offer: String) -> Result<String, Error> {
        self.connection.set_remote_description(Description::new(SdpType::Offer, offer)).await?;
        for transceiver in self.connection.transceivers() {
            let is_video = transceiver.kind() == Some(TrackKind::Video);
            if transceiver.direction() != TransceiverDirection::Stopped {
                transceiver.set_direction(self.mode.direction())?;
                self.prefer(&transceiver, self.files.iter().find(|file| file.is_video() == is_video))?;
            }
        }
        self.connection.set_local_description(None).await?;
        let answer = self.connection.gathered_description().await?;
        self.attend();
        Ok(answer.sdp)
    }

    pub(crate) async fn take_answer(&self, answer: String) -> Result<(), Error> {
        self.connection.set_remote_description(Description::new(SdpType::Answer, answer)).await?;
        self.attend();
        Ok(())
    }

    pub(crate) fn waits_for_answer(&self) -> bool {
        self.connection.signaling_state() == SignalingState::HaveLocalOffer
    }

    /// Ends the session, and waits until all files are complete.
    pub(crate) async fn close(&self) {
        self.connection.close();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, task) in tasks {
            // One that has failed has nothing more to do.
            let _ = task.await;
        }
    }

    /// Only the codec of the file that is played is of use.
    fn prefer(&self, transceiver: &Transceiver, file: Option<&Arc<Recording>>) -> Result<(), Error> {
        let Some(file) = file.filter(|file| self.mode == Mode::Play && file.is_video()) else { return Ok(()) };
        let all = Configuration::default().video.codecs;
        let codecs = all.into_iter().map(|known| known.codec).filter(|codec| is_of(&codec.name, file));
        let rtx = parlour_rtc::RtpCodec::new("rtx", 90_000);
        transceiver.set_codec_preferences(&codecs.chain([rtx]).collect::<Vec<_>>())
    }

    /// Does with each transceiver that is new what is to be done.
    fn attend(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for transceiver in self.connection.transceivers() {
            if tasks.iter().any(|(known, _)| *known == transceiver) {
                continue;
            }
            let name = format!("{}-{}", self.id, transceiver.mid().unwrap_or_default());
            let is_video = transceiver.kind() == Some(TrackKind::Video);
            let handle = transceiver.clone();
            let task = match self.mode {
                Mode::Record => tokio::spawn(record(handle, self.folder.join(name))),
                Mode::Echo => tokio::spawn(echo(handle)),
                Mode::Play => match self.files.iter().find(|file| file.is_video() == is_video) {
                    Some(file) => tokio::spawn(play(handle, file.clone())),
                    None => continue,
                },
            };
            tasks.push((transceiver, task));
        }
    }
}

fn is_of(codec: &str, file: &Recording) -> bool {
    file.mime_type.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(codec))
}

/// Writes what comes into files, one for each simulcast layer.
async fn record(transceiver: Transceiver, base: PathBuf) {
    let mut writers: HashMap<Option<Arc<str>>, Option<Writer>> = HashMap::new();
    while let Some(frame) = transceiver.recv_frame().await {
        let rid = frame.metadata.rid.clone();
        let writer = writers.entry(rid.clone()).or_insert_with(|| {
            let layer = rid.map(|rid| format!("-{rid}")).unwrap_or_default();
            let path = PathBuf::from(format!("{}{layer}", base.display()));
            let mime_type = frame.metadata.mime_type.as_deref().unwrap_or_default();
            Writer::create(&path, mime_type).unwrap_or_else(|error| complain(&error))
        });
        if let Some(open) = writer
            && let Err(error) = open.write(&frame)
        {
            *writer = complain(&error);
        }
    }
    for writer in writers.into_values().flatten() {
        if let Err(error) = writer.finish() {
            complain::<()>(&error);
        }
    }
}

fn complain<T>(error: &std::io::Error) -> Option<T> {
    eprintln!("A recording cannot be written: {error}");
    None
}

/// Sends back what comes, and asks for what is asked for.
async fn echo(transceiver: Transceiver) {
    loop {
        tokio::select! {
            frame = transceiver.recv_frame() => {
                let Some(frame) = frame else { return };
                // What cannot be sent now is of no use later.
                let _ = transceiver.try_send_frame(&frame);
            }
            wanted = transceiver.key_frame_requested() => {
                if wanted.is_none() {
                    return;
                }
                transceiver.request_key_frame(None);
            }
        }
    }
}

/// Plays a file again and again; when a key frame is wanted it goes on with the next one.
async fn play(transceiver: Transceiver, file: Arc<Recording>) {
    let ticks = |time: Duration| (time.as_secs_f64() * f64::from(file.clock_rate)) as u64 as u32;
    let of_file = |sender: parlour_rtc::Sender| {
        sender.codecs.iter().find(|codec| is_of(&codec.name, &file)).map(|codec| codec.payload_type)
    };
    let (mut place, mut time) = (0, Duration::ZERO);
    // When the first frame was sent, as nobody waits for it before.
    let mut start: Option<Instant> = None;
    loop {
        let Some(next) = file.frames.get(place) else {
            place = 0;
            continue;
        };
        let mut frame = EncodedFrame::new(next.data.clone(), ticks(time));
        frame.metadata.payload_type = transceiver.sender().and_then(of_file);
        match transceiver.send_frame(&frame).await {
            Ok(()) => {}
            // It may be on hold.
            Err(Error::InvalidState(_)) if transceiver.direction() != TransceiverDirection::Stopped => {}
            Err(Error::InvalidState(_)) => return,
            Err(error) => return eprintln!("The file cannot be played: {error}"),
        }
        let start = *start.get_or_insert_with(Instant::now);
        place += 1;
        let after = file.frames.get(place).map_or(file.length, |frame| frame.time);
        time += after.saturating_sub(next.time);
        tokio::select! {
            () = tokio::time::sleep_until(start + time) => {}
            wanted = transceiver.key_frame_requested() => {
                if wanted.is_none() {
                    return;
                }
                let skipped = file.frames.iter().skip(place).position(|frame| frame.is_key);
                place = skipped.map_or(file.frames.len(), |skipped| place + skipped);
                tokio::time::sleep_until(start + time).await;
            }
        }
    }
}
