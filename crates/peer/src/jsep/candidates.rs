//! Candidates: those of the other side as they are signaled, ours as they are gathered.

use super::signaling::SdpType;
use super::transport::{TransportId, default_address};
use super::{Applied, Jsep, User};
use crate::error::Error;
use parlour_sdp::{Attribute, Candidate, MediaDescription};
use std::sync::Arc;

/// `RTCIceCandidateInit`: a candidate with its place in the descriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceCandidateInit {
    /// As in `a=candidate`, with `candidate:` in front or without; empty for the end of candidates.
    pub candidate: String,
    /// The name of the section.
    pub sdp_mid: Option<String>,
    /// The place of the section, counted from zero; counts if there is no name.
    pub sdp_mline_index: Option<u16>,
    /// The user name fragment under which it was gathered.
    pub username_fragment: Option<String>,
}

impl IceCandidateInit {
    /// The check that comes before all others (W3C webrtc-pc §4.4.2).
    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.candidate.is_empty() && self.sdp_mid.is_none() && self.sdp_mline_index.is_none() {
            return Err(Error::Type("the candidate has neither sdp_mid nor sdp_mline_index".into()));
        }
        Ok(())
    }
}

/// A candidate of the other side, and the sections and generations that it belongs to.
pub(crate) struct Resolved {
    line: Attribute,
    places: Vec<(usize, Option<String>)>,
}

impl Jsep {
    /// Finds where a candidate of the other side belongs. `None` if that section is stopped.
    pub(crate) fn resolve_remote_candidate(&self, init: &IceCandidateInit) -> Result<Option<Resolved>, Error> {
        let Some(remote) = self.remote_description() else {
            return Err(Error::InvalidState("there is no remote description yet".into()));
        };
        let count = remote.sdp.media.len();
        let places: Vec<usize> = match (&init.sdp_mid, init.sdp_mline_index) {
            (Some(mid), _) => {
                let place = remote.sdp.media.iter().position(|media| media.mid() == Some(mid));
                vec![place.ok_or_else(|| Error::Operation(format!("no section is called {mid:?}")))?]
            }
            (None, Some(index)) if usize::from(index) < count => vec![usize::from(index)],
            (None, Some(index)) => return Err(Error::Operation(format!("there is no section {index}"))),
            (None, None) => (0..count).collect(),
        };
        if let [place] = places.as_slice()
            && self.is_stopped(*place)
        {
            return Ok(None);
        }
        let line = if init.candidate.is_empty() {
            Attribute::EndOfCandidates
        } else {
            let candidate = Candidate::parse(init.candidate.trim_start_matches("a="));
            Attribute::Candidate(candidate.ok_or_else(|| Error::Operation("the candidate is malformed".into()))?)
        };
        let fragment = init.username_fragment.as_deref().or(match &line {
            Attribute::Candidate(candidate) => candidate.extension("ufrag"),
            _ => None,
        });
        let resolve = |place: usize| {
            let descriptions = [&self.pending_remote, &self.current_remote].into_iter().flatten();
            let mut generations = descriptions.filter_map(|applied| speaking_ufrag(applied, place));
            let Some(fragment) = fragment else { return Ok((place, generations.next())) };
            match generations.find(|known| known == fragment) {
                Some(generation) => Ok((place, Some(generation))),
                None => Err(Error::Operation(format!("no remote description has the user name fragment {fragment:?}"))),
            }
        };
        let places = places.into_iter().map(resolve).collect::<Result<_, _>>()?;
        Ok(Some(Resolved { line, places }))
    }

    /// Adds a candidate of the other side to the descriptions of its generation and to its transport.
    pub(crate) fn add_remote_candidate(&mut self, Resolved { line, places }: Resolved) {
        for (place, generation) in places {
            for description in [&mut self.pending_remote, &mut self.current_remote].into_iter().flatten() {
                if speaking_ufrag(description, place) == generation {
                    add_line(&mut Arc::make_mut(description).sdp.media, place, &line);
                }
            }
            self.add_to_transport(place, generation.as_deref(), &line);
        }
    }

    fn is_stopped(&self, place: usize) -> bool {
        self.sections.get(place).is_some_and(|section| match section.user {
            User::Transceiver(id) => self.transceiver(id).is_none_or(|transceiver| transceiver.stopped),
            _ => section.rejected,
        })
    }

    /// A candidate of a section that has credentials of its own, but shares the transport of another, leads nowhere.
    fn add_to_transport(&mut self, place: usize, generation: Option<&str>, line: &Attribute) {
        let Some(id) = self.sections.get(place).and_then(|section| section.transport) else { return };
        let Some(remote) = self.transports.get_mut(&id).and_then(|transport| transport.remote.as_mut()) else { return };
        if generation.is_some_and(|fragment| fragment != remote.ice.username_fragment) {
            return;
        }
        match line {
            Attribute::Candidate(candidate) if !remote.candidates.contains(candidate) => {
                remote.candidates.push(candidate.clone());
            }
            Attribute::EndOfCandidates => remote.end_of_candidates = true,
            _ => {}
        }
    }

    /// Notes a candidate that was gathered under this user name fragment, or with `None` that no more come. Returns where
    /// it is to be signaled; `None` if the credentials are no longer in use.
    pub(crate) fn add_local_candidate(
        &mut self,
        id: TransportId,
        fragment: &str,
        candidate: Option<Candidate>,
    ) -> Option<IceCandidateInit> {
        let transport = self.transports.get_mut(&id)?;
        if transport.local.as_ref().is_none_or(|ice| ice.username_fragment != fragment) {
            return None;
        }
        let line = match candidate {
            Some(candidate) if transport.candidates.contains(&candidate) => return None,
            Some(candidate) => {
                transport.candidates.push(candidate.clone());
                Attribute::Candidate(candidate)
            }
            None if transport.gathered => return None,
            None => {
                transport.gathered = true;
                Attribute::EndOfCandidates
            }
        };
        let address = default_address(&transport.candidates);
        self.changes += 1;
        let mut place = None;
        for description in [&mut self.pending_local, &mut self.current_local].into_iter().flatten() {
            let description = Arc::make_mut(description);
            // Bundled sections repeat the credentials, but not the identity of DTLS.
            let speaks = |media: &MediaDescription| {
                let is_of = |line: &Attribute| matches!(line, Attribute::IceUfrag(known) if known == fragment);
                let speaks = |line: &Attribute| matches!(line, Attribute::TlsId(_));
                media.attributes.iter().any(is_of) && media.attributes.iter().any(speaks)
            };
            let Some(speaker) = description.sdp.media.iter().position(speaks) else { continue };
            add_line(&mut description.sdp.media, speaker, &line);
            place = place.or(Some(speaker));
            for (place, media) in description.sdp.media.iter_mut().enumerate() {
                let shares = self.sections.get(place).is_some_and(|section| section.transport == Some(id));
                if let Some((port, connection)) = &address
                    && (place == speaker || shares)
                    && media.port != 0
                {
                    media.port = *port;
                    media.connections = vec![connection.clone()];
                }
            }
        }
        let place = place?;
        let section = self.sections.get(place)?;
        Some(IceCandidateInit {
            candidate: match &line {
                Attribute::Candidate(candidate) => format!("candidate:{candidate}"),
                _ => String::new(),
            },
            sdp_mid: Some(section.mid.clone()),
            sdp_mline_index: u16::try_from(place).ok(),
            username_fragment: Some(fragment.to_owned()),
        })
    }
}

/// The user name fragment that counts for a section: its own, or that of the section which speaks for its bundle.
fn speaking_ufrag(applied: &Arc<Applied>, place: usize) -> Option<String> {
    let media = applied.sdp.media.get(place)?;
    if let Some(own) = media.ice_credentials(&applied.sdp) {
        return Some(own.ufrag.to_owned());
    }
    let mid = media.mid()?;
    let group = applied
        .sdp
        .groups()
        .find(|group| group.semantics == "BUNDLE" && group.mids.iter().any(|known| known == mid))?;
    let speaker =
        group.mids.iter().filter_map(|mid| applied.sdp.media_by_mid(mid)).find(|media| !media.is_rejected())?;
    speaker.ice_credentials(&applied.sdp).map(|ice| ice.ufrag.to_owned())
}

fn add_line(media: &mut [MediaDescription], place: usize, line: &Attribute) {
    if let Some(media) = media.get_mut(place)
        && !media.has(line)
    {
        let before = media.attributes.iter().position(|line| *line == Attribute::EndOfCandidates);
        let place = before.unwrap_or(media.attributes.len());
        media.attributes.insert(place, line.clone());
    }
}

impl Applied {
    /// The type and the text as the program reads them.
    pub(crate) fn describe(&self) -> super::Description {
        debug_assert_ne!(self.kind, SdpType::Rollback);
        super::Description::new(self.kind, self.sdp.to_string())
    }
}
