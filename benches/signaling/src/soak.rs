//! Many small calls that come and go on Parlour's server: no error, no memory that stays, no room that stays.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use parlour_bench_report::median;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::Error;
use crate::client::Client;
use crate::contender::{Bodies, Contender, Heard, Payload, parlour};
use crate::process::{Server, free_port};

/// What to run.
pub(crate) struct Options {
    pub(crate) rooms: usize,
    pub(crate) seconds: usize,
}

/// From one call in a room to the next.
const PERIOD: Duration = Duration::from_secs(8);
/// How much more memory than in its first third the last third may take, beside what an allocator keeps anyway.
const GROWTH: f64 = 1.05;
const SLACK_KB: f64 = 4096.0;

/// What all rooms count together.
#[derive(Default)]
struct Tally {
    calls: Cell<u64>,
    relayed: Cell<u64>,
    errors: RefCell<Vec<String>>,
}

/// Runs it; an error says what was wrong.
pub(crate) async fn run(options: &Options) -> Result<(), Error> {
    LocalSet::new().run_until(soak(options)).await
}

async fn soak(options: &Options) -> Result<(), Error> {
    let data = std::env::temp_dir().join(format!("parlour-soak-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let port = free_port()?;
    let server = Server::start(parlour(port, &data, &["--room-empty-timeout", "2s"])?, port)?;
    let tally = Rc::new(Tally::default());
    let bodies = Rc::new(Bodies::new());
    let start = Instant::now();
    let end = start + Duration::from_secs(options.seconds as u64);
    let mut rooms = JoinSet::new();
    for number in 0..options.rooms {
        // Calls begin one after another over the whole period, never all at once.
        let first = start + PERIOD.mul_f64(number as f64 / options.rooms as f64);
        rooms.spawn_local(one_room(port, number, first, end, tally.clone(), bodies.clone()));
    }
    let mut memory = Vec::new();
    while Instant::now() < end {
        sleep(Duration::from_secs(1)).await;
        memory.push(server.rss_kb() as f64);
    }
    while rooms.join_next().await.is_some() {}
    let left = rooms_left(port).await;
    let cpu = server.cpu();
    drop(server);
    let _ = std::fs::remove_dir_all(&data);

    let third = (memory.len() / 3).max(1);
    let middle = |part: &[f64]| median(part.to_vec()).unwrap_or(0.0);
    // The first seconds fill the caches; a leak shows between the middle and the end.
    let (early, late) =
        (middle(memory.get(third..2 * third).unwrap_or(&memory)), middle(memory.get(2 * third..).unwrap_or(&memory)));
    println!(
        "soak signaling: {} rooms, {} s: {} calls, {} relayed messages, {:.1} s of processor time; memory {:.1} MB in the middle, {:.1} MB at the end; rooms left {}",
        options.rooms,
        options.seconds,
        tally.calls.get(),
        tally.relayed.get(),
        cpu.as_secs_f64(),
        early / 1024.0,
        late / 1024.0,
        left.as_ref().map_or("unknown".into(), u64::to_string),
    );
    let errors = tally.errors.borrow();
    if let Some(first) = errors.first() {
        return Err(format!("{} errors; the first: {first}", errors.len()).into());
    }
    if tally.calls.get() == 0 {
        return Err("No call was completed.".into());
    }
    if late > early * GROWTH + SLACK_KB {
        return Err(format!("Memory grew from {early:.0} kB to {late:.0} kB.").into());
    }
    match left {
        Ok(0) => Ok(()),
        Ok(left) => Err(format!("{left} rooms are left after everybody has gone.").into()),
        Err(error) => Err(error),
    }
}

async fn one_room(port: u16, number: usize, first: Instant, end: Instant, tally: Rc<Tally>, bodies: Rc<Bodies>) {
    let mut next = first;
    while next < end {
        sleep_until(next).await;
        match one_call(port, number, &tally, &bodies).await {
            Ok(()) => tally.calls.set(tally.calls.get() + 1),
            Err(error) => tally.errors.borrow_mut().push(format!("room {number}: {error}")),
        }
        next += PERIOD;
    }
}

/// Two join, exchange descriptions, candidates and a word, stay for a moment, and leave.
async fn one_call(port: u16, room: usize, tally: &Tally, bodies: &Bodies) -> Result<(), Error> {
    let mut ann = Client::connect(Contender::Parlour, port, 2 * room).await?;
    let mut bob = Client::connect(Contender::Parlour, port, 2 * room + 1).await?;
    while ann.partner.as_deref() != Some(&bob.id) {
        refused(ann.hear_within(Duration::from_secs(10)).await?)?;
    }
    if bob.partner.as_deref() != Some(&ann.id) {
        return Err("the second to come was not told of the first".into());
    }
    for newcomer in [true, false] {
        let [from, to] = if newcomer { [&mut bob, &mut ann] } else { [&mut ann, &mut bob] };
        from.send(Payload::Description, bodies).await?;
        for _ in 0..4 {
            from.send(Payload::Candidate, bodies).await?;
        }
        let mut arrived = 0;
        while arrived < 5 {
            match to.hear_within(Duration::from_secs(10)).await? {
                Heard::Offer | Heard::Relayed => arrived += 1,
                heard => refused(heard)?,
            }
        }
        tally.relayed.set(tally.relayed.get() + arrived);
    }
    ann.send_numbered("chat", r#","text":"hello""#).await?;
    sleep(PERIOD / 2).await;
    for mut client in [ann, bob] {
        client.send_numbered("bye", "").await?;
        client.close().await;
    }
    Ok(())
}

fn refused(heard: Heard) -> Result<(), Error> {
    match heard {
        Heard::Refused(why) => Err(why.into()),
        _ => Ok(()),
    }
}

/// How many rooms the server still has, once that no longer changes; from its metrics.
async fn rooms_left(port: u16) -> Result<u64, Error> {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let metrics = get(port, "/metrics").await?;
        let rooms = metrics
            .lines()
            .find(|line| line.starts_with("parlour_rooms ") || line.starts_with("parlour_rooms{"))
            .and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .ok_or("The metrics have no `parlour_rooms`.")?;
        if rooms == 0.0 || Instant::now() > deadline {
            return Ok(rooms as u64);
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn get(port: u16, path: &str) -> Result<String, Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}
