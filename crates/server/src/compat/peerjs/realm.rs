//! Who is there, and what waits for who is not: the state of PeerJS's server, without I/O.
//!
//! Follows the server that PeerJS's authors publish (npm package `peer`, 1.0) in everything that a client can see: same answers, same order,
//! same waiting times. Where that server has no limit, there is one here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parlour_signaling::{Frame, Text};

use super::message::{Incoming, Kind, expire, leave, open};

/// How long a message waits for its receiver.
const EXPIRE: Duration = Duration::from_secs(5);

/// How long a client may be silent. It sends a heartbeat every five seconds.
const ALIVE: Duration = Duration::from_secs(90);

/// Most bytes that wait for absent receivers, of one sender.
const WAITING_BYTES: usize = 1 << 20;

/// What a waiting message counts beside its text.
const WAITING_COST: usize = 256;

/// One connection, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Conn(pub(super) u64);

/// What came of a client's wish to be there under an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// It is.
    New,
    /// It was there, with the same token; this connection takes the place of the one before.
    Again,
    /// Somebody else is.
    Taken,
    /// The server has as many clients as it may have.
    Full,
}

/// All clients. `L` leads to a connection.
#[derive(Debug)]
pub(super) struct Realm<L> {
    most_clients: usize,
    clients: HashMap<Arc<str>, Client<L>>,
    /// Connections that are open but lead to no client any more: another one took their place, or it said farewell.
    displaced: HashMap<Conn, L>,
    /// What waits, by receiver.
    queues: HashMap<Arc<str>, Queue>,
    /// Bytes that wait, by sender.
    waiting: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Client<L> {
    token: Box<str>,
    conn: Conn,
    link: L,
    heard: Instant,
}

#[derive(Debug)]
struct Queue {
    since: Instant,
    messages: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    src: Arc<str>,
    text: Text,
}

impl Waiting {
    fn cost(&self) -> usize {
        self.text.len() + WAITING_COST
    }
}

impl<L: Clone> Realm<L> {
    pub(super) fn new(most_clients: usize) -> Self {
        Self {
            most_clients,
            clients: HashMap::new(),
            displaced: HashMap::new(),
            queues: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// How many clients there are.
    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    /// All ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Arc<str>> {
        self.clients.keys()
    }

    /// Whether somebody is there under this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.clients.contains_key(id)
    }

    /// A client comes. What waited for it goes to it.
    pub(super) fn attach(
        &mut self,
        now: Instant,
        (id, token): (&Arc<str>, &str),
        conn: Conn,
        link: &L,
        mut send: impl FnMut(&L, Frame),
    ) -> Attached {
        let full = self.clients.len() >= self.most_clients;
        let attached = match self.clients.entry(Arc::clone(id)) {
            Entry::Occupied(there) if *there.get().token != *token => return Attached::Taken,
            Entry::Occupied(mut there) => {
                let client = there.get_mut();
                let before =
                    (std::mem::replace(&mut client.conn, conn), std::mem::replace(&mut client.link, link.clone()));
                self.displaced.insert(before.0, before.1);
                Attached::Again
            }
            Entry::Vacant(_) if full => return Attached::Full,
            Entry::Vacant(free) => {
                free.insert(Client { token: token.into(), conn, link: link.clone(), heard: now });
                send(link, Frame::Text(open()));
                Attached::New
            }
        };
        for message in self.take_queue(id) {
            send(link, Frame::Text(message.text));
        }
        attached
    }

    /// A connection has ended. Its client goes, unless it has another one by now.
    pub(super) fn detach(&mut self, id: &str, conn: Conn) {
        self.displaced.remove(&conn);
        if self.clients.get(id).is_some_and(|client| client.conn == conn) {
            self.clients.remove(id);
        }
    }

    /// A client says something, on whatever connection.
    pub(super) fn hear(
        &mut self,
        now: Instant,
        src: &Arc<str>,
        message: &Incoming<'_>,
        mut send: impl FnMut(&L, Frame),
    ) {
        let relayed = match message.kind {
            Kind::Heartbeat => {
                if let Some(client) = self.clients.get_mut(src) {
                    client.heard = now;
                }
                return;
            }
            Kind::Other => return,
            Kind::Relayed(word) => word,
        };
        let Some(dst) = &message.dst else {
            if relayed == "LEAVE"
                && let Some(client) = self.clients.remove(src)
            {
                self.displaced.insert(client.conn, client.link);
            }
            return;
        };
        if let Some(client) = self.clients.get(dst.as_ref()) {
            return send(&client.link, Frame::Text(message.stamped(src)));
        }
        if matches!(relayed, "LEAVE" | "EXPIRE") {
            return;
        }
        let waiting = Waiting { src: Arc::clone(src), text: message.stamped(src) };
        let bytes = self.waiting.entry(Arc::clone(src)).or_default();
        if *bytes + waiting.cost() > WAITING_BYTES {
            // The same answer as after the time is up, only sooner.
            if let Some(client) = self.clients.get(src) {
                send(&client.link, Frame::Text(expire(dst, src)));
            }
            return;
        }
        *bytes += waiting.cost();
        let queue =
            self.queues.entry(Arc::from(dst.as_ref())).or_insert_with(|| Queue { since: now, messages: Vec::new() });
        queue.messages.push(waiting);
    }

    /// A receiver did not read and its outbox is lost: it goes, and who talks to it is told.
    pub(super) fn overflowed(&mut self, src: &str, dst: &str, mut send: impl FnMut(&L, Frame)) {
        self.clients.remove(dst);
        if let Some(client) = self.clients.get(src) {
            send(&client.link, Frame::Text(leave(dst, src)));
        }
    }

    /// Once a second: gives up what has waited too long, and drops who has been silent too long.
    pub(super) fn tick(&mut self, now: Instant, mut send: impl FnMut(&L, Frame), mut close: impl FnMut(&L)) {
        let late: Vec<Arc<str>> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.since + EXPIRE <= now)
            .map(|(dst, _)| Arc::clone(dst))
            .collect();
        for dst in late {
            let mut told: Vec<Arc<str>> = Vec::new();
            for message in self.take_queue(&dst) {
                if told.contains(&message.src) {
                    continue;
                }
                if let Some(client) = self.clients.get(&message.src) {
                    send(&client.link, Frame::Text(expire(&dst, &message.src)));
                }
                told.push(message.src);
            }
        }
        let queues = &mut self.queues;
        let mut dead = Vec::new();
        self.clients.retain(|id, client| {
            let alive = now < client.heard + ALIVE;
            if !alive {
                close(&client.link);
                dead.push(Arc::clone(id));
            }
            alive
        });
        for id in dead {
            queues.remove(&id);
        }
    }

    /// All connections, which are forgotten.
    pub(super) fn clear(&mut self, mut close: impl FnMut(&L)) {
        for link in
            self.clients.drain().map(|(_, client)| client.link).chain(self.displaced.drain().map(|(_, link)| link))
        {
            close(&link);
        }
        self.queues.clear();
        self.waiting.clear();
    }

    fn take_queue(&mut self, dst: &str) -> Vec<Waiting> {
        let messages = self.queues.remove(dst).map(|queue| queue.messages).unwrap_or_default();
        for message in &messages {
            if let Entry::Occupied(mut bytes) = self.waiting.entry(Arc::clone(&message.src)) {
                *bytes.get_mut() -= message.cost().min(*bytes.get());
                if *bytes.get() == 0 {
                    bytes.remove();
                }
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Sent = Vec<(u32, String)>;

    struct World {
        realm: Realm<u32>,
        now: Instant,
        sent: Sent,
        closed: Vec<u32>,
    }

    impl World {
        fn new() -> Self {
            Self { realm: Realm::new(3), now: Instant::now(), sent: Vec::new(), closed: Vec::new() }
        }

        fn attach(&mut self, id: &str, token: &str, link: u32) -> Attached {
            let sent = &mut self.sent;
            self.realm
                .attach(self.now, (&id.into(), token), Conn(link.into()), &link, |link, frame| put(sent, *link, frame))
        }

        fn say(&mut self, src: &str, text: &str) {
            let (message, sent) = (Incoming::parse(text).unwrap(), &mut self.sent);
            self.realm.hear(self.now, &src.into(), &message, |link, frame| put(sent, *link, frame));
        }

        fn wait(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now += Duration::from_secs(1);
                let (sent, closed) = (&mut self.sent, &mut self.closed);
                self.realm.tick(self.now, |link, frame| put(sent, *link, frame), |link| closed.push(*link));
            }
        }

        fn take(&mut self) -> Sent {
            std::mem::take(&mut self.sent)
        }
    }

    fn put(sent: &mut Sent, link: u32, frame: Frame) {
        match frame {
            Frame::Text(text) => sent.push((link, text.to_string())),
            Frame::Close { code, .. } => sent.push((link, format!("close {code}"))),
        }
    }

    const OPEN: &str = r#"{"type":"OPEN"}"#;

    #[test]
    fn a_message_is_relayed_with_the_senders_own_id() {
        let mut world = World::new();
        assert_eq!(world.attach("ann", "t", 1), Attached::New);
        assert_eq!(world.attach("bob", "t", 2), Attached::New);
        assert_eq!(world.take(), [(1, OPEN.into()), (2, OPEN.into())]);
        world.say("ann", r#"{"type":"OFFER","src":"cat","dst":"bob","payload":{"sdp":"x"},"more":1}"#);
        assert_eq!(world.take(), [(2, r#"{"type":"OFFER","src":"ann","dst":"bob","payload":{"sdp":"x"}}"#.into())]);
        world.say("bob", r#"{"type":"LEAVE","dst":"ann"}"#);
        assert_eq!(world.take(), [(1, r#"{"type":"LEAVE","src":"bob","dst":"ann"}"#.into())]);
    }

    #[test]
    fn what_comes_too_early_waits_five_seconds() {
        let mut world = World::new();
        world.attach("ann", "t", 1);
        world.say("ann", r#"{"type":"OFFER","dst":"bob","payload":1}"#);
        world.say("ann", r#"{"type":"CANDIDATE","dst":"bob","payload":2}"#);
        world.say("ann", r#"{"type":"LEAVE","dst":"cat"}"#);
        world.wait(4);
        world.take();
        world.attach("bob", "t", 2);
        let expected = [
            (2, OPEN.to_owned()),
            (2, r#"{"type":"OFFER","src":"ann","dst":"bob","payload":1}"#.to_owned()),
            (2, r#"{"type":"CANDIDATE","src":"ann","dst":"bob","payload":2}"#.to_owned()),
        ];
        assert_eq!(world.take(), expected);

        world.say("ann", r#"{"type":"OFFER","dst":"cat","payload":1}"#);
        world.say("ann", r#"{"type":"CANDIDATE","dst":"cat","payload":2}"#);
        world.wait(4);
        assert_eq!(world.take(), []);
        world.wait(2);
        assert_eq!(world.take(), [(1, r#"{"type":"EXPIRE","src":"cat","dst":"ann"}"#.into())], "once for both");
        assert!(world.realm.waiting.is_empty() && world.realm.queues.is_empty());
    }

    #[test]
    fn the_same_token_takes_the_id_again_and_another_one_does_not() {
        let mut world = World::new();
        world.attach("ann", "t", 1);
        assert_eq!(world.attach("ann", "other", 2), Attached::Taken);
        assert_eq!(world.attach("ann", "t", 3), Attached::Again);
        world.take();
        world.attach("bob", "t", 4);
        world.say("bob", r#"{"type":"OFFER","dst":"ann"}"#);
        assert_eq!(world.take()[1], (3, r#"{"type":"OFFER","src":"bob","dst":"ann"}"#.into()));
        world.realm.detach("ann", Conn(1));
        assert!(world.realm.has("ann"), "the end of the first connection does not concern the second");
        world.realm.detach("ann", Conn(3));
        assert!(!world.realm.has("ann"));
    }

    #[test]
    fn there_is_no_room_for_more_clients_than_allowed() {
        let mut world = World::new();
        for (link, id) in ["a", "b", "c"].into_iter().enumerate() {
            assert_eq!(world.attach(id, "t", link as u32), Attached::New);
        }
        assert_eq!(world.attach("d", "t", 9), Attached::Full);
        assert_eq!(world.attach("a", "t", 9), Attached::Again);
    }

    #[test]
    fn who_is_silent_for_ninety_seconds_is_dropped() {
        let mut world = World::new();
        world.attach("ann", "t", 1);
        world.attach("bob", "t", 2);
        world.wait(60);
        world.say("bob", r#"{"type":"HEARTBEAT"}"#);
        world.wait(40);
        assert_eq!(world.closed, [1]);
        assert!(world.realm.has("bob"));
    }

    #[test]
    fn a_leave_to_nobody_is_a_farewell() {
        let mut world = World::new();
        world.attach("ann", "t", 1);
        world.say("ann", r#"{"type":"LEAVE"}"#);
        assert!(!world.realm.has("ann"));
    }

    #[test]
    fn what_one_sender_has_waiting_is_bounded() {
        let mut world = World::new();
        world.attach("ann", "t", 1);
        world.take();
        let payload = "x".repeat(60_000);
        for n in 0..100 {
            world.say("ann", &format!(r#"{{"type":"OFFER","dst":"nobody-{n}","payload":"{payload}"}}"#));
        }
        assert!(world.realm.waiting[&Arc::from("ann")] <= WAITING_BYTES);
        let told = world.take();
        assert!(told.len() > 80 && told[0].1.contains("EXPIRE"), "{}", told.len());
        world.wait(6);
        assert!(world.realm.waiting.is_empty());
    }
}
