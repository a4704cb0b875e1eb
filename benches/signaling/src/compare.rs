//! Parlour's server and the relays of others, in turn, in one run.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use parlour_bench_report::{Figure, Table};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::Error;
use crate::client::Client;
use crate::contender::{Bodies, Contender, Heard, Payload};
use crate::process::Server;

/// What to run.
pub(crate) struct Options {
    pub(crate) json: bool,
    pub(crate) rounds: usize,
    pub(crate) only: Option<String>,
}

/// How many clients talk at once; two belong together.
const TALKERS: usize = 400;
/// How many connections are held idle.
const IDLE: usize = 10_000;
/// How many connections are being made at once.
const HANDSHAKES: usize = 64;
/// Before the clock starts: just-in-time compilers need it.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the clock runs.
const MEASURE: Duration = Duration::from_secs(6);

/// What the talkers do.
#[derive(Clone, Copy)]
enum Talk {
    /// A call's set-up each second: one offers, the other answers, both send ten candidates.
    SetUp,
    /// Small messages, evenly: 20 a second each.
    Steady,
}

/// Runs Parlour's own protocol and its rivals, and prints it.
pub(crate) async fn run(options: &Options) -> Result<(), Error> {
    all("signaling", &Contender::ALL, &[(Contender::Parlour, Contender::Ws)], options).await
}

/// Runs the servers that clients of other systems have, and Parlour in their place, and prints it.
pub(crate) async fn run_compatible(options: &Options) -> Result<(), Error> {
    let pairs = [(Contender::ParlourSocketIo, Contender::SocketIo), (Contender::ParlourPeerJs, Contender::PeerJs)];
    all("compat", &Contender::COMPATIBLE, &pairs, options).await
}

async fn all(
    bench: &str,
    contenders: &[Contender],
    pairs: &[(Contender, Contender)],
    options: &Options,
) -> Result<(), Error> {
    let contenders: Vec<Contender> = contenders
        .iter()
        .copied()
        .filter(|contender| options.only.as_deref().is_none_or(|only| only == contender.name()))
        .collect();
    let mut figures = Vec::new();
    for round in 1..=options.rounds.max(1) {
        for &contender in &contenders {
            eprintln!("round {round} of {}: {}", options.rounds, contender.name());
            LocalSet::new()
                .run_until(round_of(contender, &mut figures))
                .await
                .map_err(|error| format!("{}: {error}", contender.name()))?;
        }
    }
    let ratios: Vec<_> = pairs.iter().map(|(ours, theirs)| (ours.name(), theirs.name())).collect();
    let title = format!("{bench} (medians)");
    Table { bench, title: &title, ratios: &ratios }.print(&figures, options.json);
    Ok(())
}

async fn round_of(contender: Contender, figures: &mut Vec<Figure>) -> Result<(), Error> {
    let data = std::env::temp_dir().join(format!("parlour-bench-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&data);
    let mut note = |case, unit, value| {
        figures.push(Figure { case: str::to_owned(case), contender: contender.name(), unit, value })
    };
    {
        let first = contender.start(&data)?;
        note("first start to first connection", "ms", ms(first.startup));
    }
    let server = contender.start(&data)?;
    note("start to first connection", "ms", ms(server.startup));
    note("memory when idle", "MB", server.settled_rss_kb().await as f64 / 1024.0);
    note("call set-up, processor time a message", "µs", talk(contender, &server, Talk::SetUp).await?);
    drop(server);
    // Sessions that were cut may come back for a while and are partners until then: this one knows of none.
    let _ = std::fs::remove_dir_all(&data);
    let server = contender.start(&data)?;
    note("small messages, processor time a message", "µs", talk(contender, &server, Talk::Steady).await?);
    drop(server);
    let server = contender.start(&data)?;
    note("memory an idle connection, of 10,000", "kB", idle(contender, &server).await?);
    drop(server);
    let _ = std::fs::remove_dir_all(&data);
    Ok(())
}

/// Processor time of the server for each relayed message, in microseconds.
async fn talk(contender: Contender, server: &Server, talk: Talk) -> Result<f64, Error> {
    let clients = connect(contender, server.port, TALKERS).await?;
    let bodies = Rc::new(Bodies::new());
    let relayed = Rc::new(Cell::new(0_u64));
    let start = Instant::now() + Duration::from_millis(200);
    let mut tasks = JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        tasks.spawn_local(talk_as(client, talk, number, start, bodies.clone(), relayed.clone()));
    }
    sleep(WARM_UP).await;
    let (cpu, messages) = (server.cpu(), relayed.get());
    sleep(MEASURE).await;
    let (cpu, messages) = (server.cpu() - cpu, relayed.get() - messages);
    if let Some(ended) = tasks.try_join_next() {
        return Err(ended?.map_or_else(|error| error, |()| "a client ended".into()));
    }
    tasks.shutdown().await;
    let per_second = messages as f64 / MEASURE.as_secs_f64();
    let expected = match talk {
        Talk::SetUp => TALKERS as f64 / 2.0 * 22.0,
        Talk::Steady => TALKERS as f64 * 20.0,
    };
    if per_second < 0.9 * expected {
        return Err(format!(
            "only {per_second:.0} messages a second of {expected:.0} arrived: something is overloaded"
        )
        .into());
    }
    Ok(cpu.as_secs_f64() * 1e6 / messages as f64)
}

async fn talk_as(
    mut client: Client,
    talk: Talk,
    number: usize,
    start: Instant,
    bodies: Rc<Bodies>,
    relayed: Rc<Cell<u64>>,
) -> Result<(), Error> {
    let offers = number.is_multiple_of(2);
    let period = match talk {
        Talk::SetUp => Duration::from_secs(1),
        Talk::Steady => Duration::from_millis(50),
    };
    // Spread evenly, so that messages come one by one as they do in life.
    let mut ticks = interval_at(start + period.mul_f64(number as f64 / TALKERS as f64), period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut beats = interval_at(start + client.beat_period(), client.beat_period());
    loop {
        tokio::select! {
            heard = client.hear() => match heard? {
                Heard::Offer => {
                    relayed.set(relayed.get() + 1);
                    if !offers {
                        set_up(&mut client, &bodies).await?;
                    }
                }
                Heard::Relayed => relayed.set(relayed.get() + 1),
                Heard::Refused(why) => return Err(why.into()),
                _ => {}
            },
            _ = ticks.tick() => match talk {
                Talk::SetUp if offers => set_up(&mut client, &bodies).await?,
                Talk::SetUp => {}
                Talk::Steady => client.send(Payload::Small, &bodies).await?,
            },
            _ = beats.tick() => client.beat().await?,
        }
    }
}

/// A description and its candidates.
async fn set_up(client: &mut Client, bodies: &Bodies) -> Result<(), Error> {
    client.send(Payload::Description, bodies).await?;
    for _ in 0..10 {
        client.send(Payload::Candidate, bodies).await?;
    }
    Ok(())
}

/// Resident memory that each of many idle connections adds, in kB.
async fn idle(contender: Contender, server: &Server) -> Result<f64, Error> {
    let before = server.settled_rss_kb().await;
    let mut tasks = JoinSet::new();
    for (number, mut client) in connect(contender, server.port, IDLE).await?.into_iter().enumerate() {
        let first = client.beat_period().mul_f64(number as f64 / IDLE as f64);
        tasks.spawn_local(async move {
            let mut beats = interval_at(Instant::now() + first, client.beat_period());
            loop {
                tokio::select! {
                    heard = client.hear() => if let Heard::Refused(why) = heard? { return Err::<(), Error>(why.into()) },
                    _ = beats.tick() => client.beat().await?,
                }
            }
        });
    }
    // Long enough that every connection has been heard of once.
    sleep(Duration::from_secs(11)).await;
    let after = server.settled_rss_kb().await;
    if let Some(ended) = tasks.try_join_next() {
        return Err(ended?.map_or_else(|error| error, |()| "a client ended".into()));
    }
    tasks.shutdown().await;
    Ok(after.saturating_sub(before) as f64 / IDLE as f64)
}

/// Connects clients 0 to `count`, and waits until each knows its partner.
async fn connect(contender: Contender, port: u16, count: usize) -> Result<Vec<Client>, Error> {
    let mut clients: Vec<Client> = Vec::with_capacity(count);
    for first in (0..count).step_by(HANDSHAKES) {
        let mut tasks = JoinSet::new();
        for number in first..count.min(first + HANDSHAKES) {
            tasks.spawn_local(
                async move { Client::connect(contender, port, number).await.map(|client| (number, client)) },
            );
        }
        let mut some = Vec::new();
        while let Some(done) = tasks.join_next().await {
            some.push(done??);
        }
        some.sort_by_key(|(number, _)| *number);
        clients.extend(some.into_iter().map(|(_, client)| client));
    }
    for client in &mut clients {
        while client.partner.is_none() {
            client.hear_within(Duration::from_secs(10)).await?;
        }
    }
    Ok(clients)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
