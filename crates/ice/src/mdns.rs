//! mDNS names that stand for host addresses (RFC 6762, draft-ietf-mmusic-mdns-ice-candidates): the names, and a
//! small machine that asks for them and answers for them. It speaks by a socket at port 5353 of the multicast groups
//! [`GROUP_V4`] and [`GROUP_V6`].

use parlour_turn::Rng;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// The IPv4 group (RFC 6762 §3).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The IPv6 group (RFC 6762 §3).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 0, 0, 0xFB);
/// The port (RFC 6762 §3).
pub const PORT: u16 = 5353;

/// When a question is asked again, and when it is given up.
const ASK_AGAIN: [Duration; 3] = [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1_500)];
const GIVE_UP: Duration = Duration::from_secs(5);
/// Names that are asked for, and answered for, at a time.
const MAX_QUESTIONS: usize = 32;
const MAX_NAMES: usize = 64;
/// How long others may keep an answer (RFC 6762 §10).
const TTL_SECONDS: u32 = 120;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
/// The top bit of a class: a unicast answer is welcome, or the answer replaces all others (RFC 6762 §5.4, §10.2).
const CLASS_FLAG: u16 = 0x8000;

/// A random UUID under `.local`, which says nothing about the host (draft §3.1.1).
pub(crate) fn random_name(rng: &mut Rng) -> String {
    let mut b = [0u8; 16];
    rng(&mut b);
    b[6] = b[6] & 0x0F | 0x40;
    b[8] = b[8] & 0x3F | 0x80;
    let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}.local", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

/// Whether a name is to be asked for by mDNS: one label and `.local`.
pub fn is_local_name(name: &str) -> bool {
    name.strip_suffix(".local").is_some_and(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    })
}

#[derive(Debug)]
struct Question {
    name: String,
    asked: Instant,
    sends: usize,
}

/// Asks for names and answers for names.
#[derive(Debug, Default)]
pub struct Mdns {
    names: Vec<(String, IpAddr)>,
    questions: Vec<Question>,
    outgoing: VecDeque<Vec<u8>>,
    resolved: VecDeque<(String, Option<IpAddr>)>,
}

impl Mdns {
    /// Answers for `name` from now on. `false` if there are too many names, or it is none.
    pub fn publish(&mut self, name: &str, address: IpAddr) -> bool {
        if !is_local_name(name) || self.names.len() >= MAX_NAMES {
            return false;
        }
        self.names.push((name.to_owned(), address));
        self.outgoing.push_back(answer(&[(name, address)]));
        true
    }

    /// Stops answering for `name`.
    pub fn withdraw(&mut self, name: &str) {
        self.names.retain(|(known, _)| known != name);
    }

    /// Asks for the address of `name`; the answer comes out of [`poll_resolved`](Self::poll_resolved). A name is asked
    /// for once at a time. `false` if too many are being asked for, or it is none.
    pub fn resolve(&mut self, now: Instant, name: &str) -> bool {
        if !is_local_name(name) {
            return false;
        }
        if let Some((_, address)) = self.names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            self.resolved.push_back((name.to_owned(), Some(*address)));
            return true;
        }
        if self.questions.iter().any(|question| question.name == name) {
            return true;
        }
        if self.questions.len() >= MAX_QUESTIONS {
            return false;
        }
        self.questions.push(Question { name: name.to_owned(), asked: now, sends: 0 });
        self.handle_timeout(now);
        true
    }

    /// Takes a datagram of the group.
    pub fn handle_datagram(&mut self, datagram: &[u8]) {
        let Some(message) = Reader::parse(datagram) else { return };
        if !message.is_response {
            let asked = |name: &str| message.questions.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            let fits = |name: &str, ip: &IpAddr| {
                let kind = if ip.is_ipv4() { TYPE_A } else { TYPE_AAAA };
                asked(name)
                    && message.questions.iter().any(|(known, asked)| {
                        known.eq_ignore_ascii_case(name) && (*asked == kind || *asked == TYPE_ANY)
                    })
            };
            let mine: Vec<(&str, IpAddr)> =
                self.names.iter().filter(|(name, ip)| fits(name, ip)).map(|(name, ip)| (name.as_str(), *ip)).collect();
            if !mine.is_empty() && self.outgoing.len() < MAX_NAMES {
                self.outgoing.push_back(answer(&mine));
            }
            return;
        }
        for (name, address) in message.addresses {
            if let Some(at) = self.questions.iter().position(|question| question.name.eq_ignore_ascii_case(&name)) {
                let question = self.questions.swap_remove(at);
                self.resolved.push_back((question.name, Some(address)));
            }
        }
    }

    /// Asks again, and gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        for question in &mut self.questions {
            if question.due() <= now && question.asked + GIVE_UP > now {
                question.sends += 1;
                due.push(question.name.clone());
            }
        }
        if !due.is_empty() {
            self.outgoing.push_back(query(&due));
        }
        for question in self.questions.extract_if(.., |question| question.asked + GIVE_UP <= now) {
            self.resolved.push_back((question.name, None));
        }
    }

    /// The next datagram for the group, appended to `out`.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        self.outgoing.pop_front().is_some_and(|bytes| {
            out.extend_from_slice(&bytes);
            true
        })
    }

    /// A name that was asked for, and its address; `None` if nobody has it.
    pub fn poll_resolved(&mut self) -> Option<(String, Option<IpAddr>)> {
        self.resolved.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.questions.iter().map(Question::due).min()
    }
}

impl Question {
    fn due(&self) -> Instant {
        let sent = self.sends.checked_sub(1);
        let wait = sent.map_or(Duration::ZERO, |index| ASK_AGAIN.get(index).copied().unwrap_or(GIVE_UP));
        self.asked + wait
    }
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    for label in name.split('.') {
        out.push(label.len() as u8);
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
}

fn header(is_response: bool, questions: usize, answers: usize) -> Vec<u8> {
    let flags: u16 = if is_response { 0x8400 } else { 0 };
    [0, flags, questions as u16, answers as u16, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn query(names: &[String]) -> Vec<u8> {
    let mut out = header(false, 2 * names.len(), 0);
    for name in names {
        for kind in [TYPE_A, TYPE_AAAA] {
            write_name(name, &mut out);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&CLASS_IN.to_be_bytes());
        }
    }
    out
}

fn answer(names: &[(&str, IpAddr)]) -> Vec<u8> {
    let mut out = header(true, 0, names.len());
    for (name, address) in names {
        write_name(name, &mut out);
        let (kind, bytes) = match address {
            IpAddr::V4(v4) => (TYPE_A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (TYPE_AAAA, v6.octets().to_vec()),
        };
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&(CLASS_IN | CLASS_FLAG).to_be_bytes());
        out.extend_from_slice(&TTL_SECONDS.to_be_bytes());
        out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        out.extend_from_slice(&bytes);
    }
    out
}

/// What matters of a DNS message (RFC 1035 §4.1).
struct Reader {
    is_response: bool,
    questions: Vec<(String, u16)>,
    addresses: Vec<(String, IpAddr)>,
}

impl Reader {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, _) = bytes.split_first_chunk::<12>()?;
        let word = |at: usize| Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]));
        let is_response = word(2)? & 0x8000 != 0;
        let (questions, records) = (word(4)?, u32::from(word(6)?) + u32::from(word(8)?) + u32::from(word(10)?));
        let mut message = Self { is_response, questions: Vec::new(), addresses: Vec::new() };
        let mut at = 12;
        for _ in 0..questions.min(256) {
            let name = read_name(bytes, &mut at)?;
            let kind = read_word(bytes, &mut at)?;
            read_word(bytes, &mut at)?;
            message.questions.push((name, kind));
        }
        for _ in 0..records.min(256) {
            let Some(name) = read_name(bytes, &mut at) else { break };
            let (Some(kind), Some(class)) = (read_word(bytes, &mut at), read_word(bytes, &mut at)) else { break };
            at += 4;
            let Some(length) = read_word(bytes, &mut at) else { break };
            let Some(value) = bytes.get(at..at + usize::from(length)) else { break };
            at += usize::from(length);
            if class & !CLASS_FLAG != CLASS_IN {
                continue;
            }
            let address = match kind {
                TYPE_A => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
                TYPE_AAAA => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
                _ => None,
            };
            message.addresses.extend(address.map(|address| (name, address)));
        }
        Some(message)
    }
}

fn read_word(bytes: &[u8], at: &mut usize) -> Option<u16> {
    let word = bytes.get(*at..)?.first_chunk::<2>()?;
    *at += 2;
    Some(u16::from_be_bytes(*word))
}

/// A name, whose pointers only lead backwards (RFC 1035 §4.1.4).
fn read_name(bytes: &[u8], at: &mut usize) -> Option<String> {
    let mut name = String::new();
    let mut here = *at;
    let mut limit = bytes.len();
    let mut jumped = false;
    loop {
        let length = usize::from(*bytes.get(here)?);
        if length & 0xC0 == 0xC0 {
            let target = (length & 0x3F) << 8 | usize::from(*bytes.get(here + 1)?);
            if !jumped {
                *at = here + 2;
            }
            if target >= here.min(limit) {
                return None;
            }
            (jumped, limit, here) = (true, target, target);
            continue;
        }
        here += 1;
        if length == 0 {
            if !jumped {
                *at = here;
            }
            return Some(name);
        }
        let label = bytes.get(here..here + length).filter(|_| length <= 63 && name.len() + length < 255)?;
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(label));
        here += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(a: &mut Mdns, b: &mut Mdns) {
        for _ in 0..4 {
            let mut bytes = Vec::new();
            while a.poll_transmit(&mut bytes) {
                b.handle_datagram(&bytes);
                bytes.clear();
            }
            while b.poll_transmit(&mut bytes) {
                a.handle_datagram(&bytes);
                bytes.clear();
            }
        }
    }

    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

    #[test]
    fn a_published_name_is_resolved_by_another_host() {
        let now = Instant::now();
        let (mut a, mut b) = (Mdns::default(), Mdns::default());
        let ip: IpAddr = "192.168.1.7".parse().unwrap();
        assert!(b.publish(NAME, ip));
        b.outgoing.clear();
        assert!(a.resolve(now, NAME) && a.resolve(now, NAME));
        exchange(&mut a, &mut b);
        assert_eq!(a.poll_resolved(), Some((NAME.to_owned(), Some(ip))));
        assert_eq!(a.poll_resolved(), None, "one question at a time for a name");
        assert_eq!(a.poll_timeout(), None);
    }

    #[test]
    fn a_name_that_nobody_has_is_given_up_after_five_seconds() {
        let start = Instant::now();
        let mut a = Mdns::default();
        assert!(a.resolve(start, NAME));
        while let Some(at) = a.poll_timeout() {
            a.handle_timeout(at);
        }
        assert_eq!(a.outgoing.len(), 4);
        assert_eq!(a.poll_resolved(), Some((NAME.to_owned(), None)));
    }

    #[test]
    fn names_are_random_uuids_and_other_names_are_never_asked_for() {
        let mut rng: Rng = Box::new(|bytes| bytes.fill(0xFF));
        assert_eq!(random_name(&mut rng), "ffffffff-ffff-4fff-bfff-ffffffffffff.local");
        let mut a = Mdns::default();
        for bad in ["example.org", "a.b.local", ".local", "a_b.local", "local"] {
            assert!(!a.resolve(Instant::now(), bad), "{bad}");
        }
    }

    #[test]
    fn broken_messages_and_pointer_loops_are_dropped() {
        let mut loops = header(true, 0, 1);
        loops.extend_from_slice(&[0xC0, 12, 0, 1, 0, 1]);
        let mut a = Mdns::default();
        a.resolve(Instant::now(), NAME);
        a.handle_datagram(&loops);
        let good = answer(&[(NAME, "192.0.2.1".parse().unwrap())]);
        for end in 0..good.len() {
            a.handle_datagram(&good[..end]);
            assert_eq!(a.poll_resolved(), None);
        }
        a.handle_datagram(&good);
        assert!(a.poll_resolved().is_some());
    }

    #[test]
    fn the_number_of_questions_is_bounded() {
        let mut a = Mdns::default();
        let taken = (0..100).filter(|i| a.resolve(Instant::now(), &format!("name-{i}.local"))).count();
        assert_eq!(taken, MAX_QUESTIONS);
    }
}
