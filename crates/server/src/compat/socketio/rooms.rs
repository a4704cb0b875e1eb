//! Who is in which room, for clients of Socket.IO.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Most rooms that one client may be in.
const ROOMS_OF_ONE: usize = 32;

/// Longest name of a room, in bytes.
const NAME_BYTES: usize = 256;

/// Why a client may not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The name is empty or too long.
    BadName,
    /// The room is full.
    RoomFull,
    /// The client is in as many rooms as it may be.
    TooManyRooms,
    /// There are as many rooms as there may be.
    ServerFull,
}

/// Rooms of clients, which `Id` names.
#[derive(Debug)]
pub(super) struct Rooms<Id> {
    most_rooms: usize,
    most_in_room: usize,
    rooms: HashMap<Arc<str>, Vec<Id>>,
    clients: HashMap<Id, Vec<Membership>>,
}

/// One client's place in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) room: Arc<str>,
    /// What the client calls itself there: JSON, if it gave something.
    pub(super) known_as: Option<Box<str>>,
}

impl<Id: Copy + Eq + Hash> Rooms<Id> {
    pub(super) fn new(most_rooms: usize, most_in_room: usize) -> Self {
        Self { most_rooms, most_in_room, rooms: HashMap::new(), clients: HashMap::new() }
    }

    /// Puts a client into a room. Gives those who are there already; nobody is to be told if the client was one of them.
    pub(super) fn join(&mut self, id: Id, room: &str, known_as: Option<&str>) -> Result<(bool, Vec<Id>), Refusal> {
        if room.is_empty() || room.len() > NAME_BYTES {
            return Err(Refusal::BadName);
        }
        let there = self.rooms.get(room).map(Vec::as_slice).unwrap_or_default();
        let others: Vec<Id> = there.iter().copied().filter(|other| *other != id).collect();
        if others.len() < there.len() {
            return Ok((false, others));
        }
        if there.len() >= self.most_in_room {
            return Err(Refusal::RoomFull);
        }
        if self.clients.get(&id).is_some_and(|own| own.len() >= ROOMS_OF_ONE) {
            return Err(Refusal::TooManyRooms);
        }
        if there.is_empty() && self.rooms.len() >= self.most_rooms {
            return Err(Refusal::ServerFull);
        }
        let name: Arc<str> = self.rooms.get_key_value(room).map_or_else(|| room.into(), |(name, _)| Arc::clone(name));
        self.rooms.entry(Arc::clone(&name)).or_default().push(id);
        let known_as = known_as.map(Box::from);
        self.clients.entry(id).or_default().push(Membership { room: name, known_as });
        Ok((true, others))
    }

    /// Takes a client out of a room. `None` if it is not there.
    pub(super) fn leave(&mut self, id: Id, room: &str) -> Option<(Membership, Vec<Id>)> {
        let own = self.clients.get_mut(&id)?;
        let place = own.iter().position(|membership| *membership.room == *room)?;
        let membership = own.swap_remove(place);
        if own.is_empty() {
            self.clients.remove(&id);
        }
        let others = self.vacate(id, room);
        Some((membership, others))
    }

    /// Takes a client out of all rooms. Gives each with those who stay.
    pub(super) fn gone(&mut self, id: Id) -> Vec<(Membership, Vec<Id>)> {
        let own = self.clients.remove(&id).unwrap_or_default();
        own.into_iter().map(|membership| (membership.clone(), self.vacate(id, &membership.room))).collect()
    }

    /// The others in a room in which the client is itself. `None` if it is not there.
    pub(super) fn others(&self, id: Id, room: &str) -> Option<Vec<Id>> {
        let there = self.rooms.get(room)?;
        there.contains(&id).then(|| there.iter().copied().filter(|other| *other != id).collect())
    }

    /// The others in all rooms in which the client is, each once.
    pub(super) fn neighbours(&self, id: Id) -> Vec<Id> {
        let mut all: Vec<Id> = Vec::new();
        for membership in self.clients.get(&id).map(Vec::as_slice).unwrap_or_default() {
            for other in self.others(id, &membership.room).unwrap_or_default() {
                if !all.contains(&other) {
                    all.push(other);
                }
            }
        }
        all
    }

    fn vacate(&mut self, id: Id, room: &str) -> Vec<Id> {
        let Some(there) = self.rooms.get_mut(room) else { return Vec::new() };
        there.retain(|other| *other != id);
        let others = there.clone();
        if others.is_empty() {
            self.rooms.remove(room);
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_is_there_as_long_as_somebody_is_in_it() {
        let mut rooms = Rooms::new(10, 10);
        assert_eq!(rooms.join(1, "blue", None), Ok((true, vec![])));
        assert_eq!(rooms.join(2, "blue", Some("\"bob\"")), Ok((true, vec![1])));
        assert_eq!(rooms.join(2, "blue", None), Ok((false, vec![1])), "twice is once");
        assert_eq!(rooms.join(2, "red", None), Ok((true, vec![])));
        assert_eq!(rooms.others(1, "blue"), Some(vec![2]));
        assert_eq!(rooms.others(3, "blue"), None, "who is not in it may not speak to it");
        let (membership, others) = rooms.leave(1, "blue").unwrap();
        assert_eq!((&*membership.room, others), ("blue", vec![2]));
        let gone = rooms.gone(2);
        assert_eq!(gone.len(), 2);
        assert_eq!(gone[0].0.known_as.as_deref(), Some("\"bob\""));
        assert!(rooms.rooms.is_empty() && rooms.clients.is_empty());
    }

    #[test]
    fn numbers_of_rooms_and_of_people_are_bounded() {
        let mut rooms = Rooms::new(40, 2);
        rooms.join(1, "a", None).unwrap();
        rooms.join(2, "a", None).unwrap();
        assert_eq!(rooms.join(3, "a", None), Err(Refusal::RoomFull));
        assert_eq!(rooms.join(3, "", None), Err(Refusal::BadName));
        assert_eq!(rooms.join(3, &"x".repeat(257), None), Err(Refusal::BadName));
        for n in 0..ROOMS_OF_ONE {
            rooms.join(4, &format!("r{n}"), None).unwrap();
        }
        assert_eq!(rooms.join(4, "more", None), Err(Refusal::TooManyRooms));
        for n in 0..7 {
            rooms.join(5, &format!("s{n}"), None).unwrap();
        }
        assert_eq!(rooms.join(5, "more", None), Err(Refusal::ServerFull));
    }
}
