//! Plots for `docs/performance.md`, as SVG.

use crate::{
    goodput::{ALL, bottleneck, cut, with_loss},
    world::{World, ms, percentile},
};
use parlour_sctp::congestion::Algorithm;
use std::{fmt::Write as _, fs, io, path::Path, time::Duration};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 110.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
/// Told apart also by those who do not see red and green as others do (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#666666"];

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

struct Plot {
    title: &'static str,
    x: &'static str,
    y: &'static str,
    /// Marks on the axes.
    x_marks: Vec<f64>,
    y_marks: Vec<f64>,
    logarithmic: bool,
    lines: Vec<Line>,
}

impl Plot {
    fn svg(&self) -> String {
        let (x0, x1) = (self.x_marks[0], self.x_marks[self.x_marks.len() - 1]);
        let (y0, y1) = (self.y_marks[0], self.y_marks[self.y_marks.len() - 1]);
        let scale = |v: f64| if self.logarithmic { v.max(y0).ln() } else { v };
        let across = |v: f64| LEFT + (v - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
        let up = |v: f64| {
            let share = (scale(v.clamp(y0, y1)) - scale(y0)) / (scale(y1) - scale(y0));
            HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
        };
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
             <title>{0}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"18\" font-size=\"14\" fill=\"#222\">{0}</text>\n",
            self.title
        );
        for mark in &self.y_marks {
            let y = up(*mark);
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#444\">{mark}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
        }
        for mark in &self.x_marks {
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{mark}</text>",
                across(*mark),
                HEIGHT - BOTTOM + 16.0
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{}</text>\n\
             <text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"#444\">{}</text>",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            self.x,
            (TOP + HEIGHT - BOTTOM) / 2.0,
            self.y
        );
        let mut labels: Vec<f64> = Vec::new();
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            let points: Vec<String> =
                line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
            // Labels stand at the ends of their lines, but not on each other.
            let mut y = up(line.points.last().map_or(y0, |p| p.1));
            while let Some(other) = labels.iter().find(|other| (*other - y).abs() < 14.0) {
                y = other + 14.0;
            }
            labels.push(y);
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" stroke-linejoin=\"round\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                points.join(" "),
                WIDTH - RIGHT + 6.0,
                y + 4.0,
                line.name
            );
        }
        out.push_str("</svg>\n");
        out
    }
}

/// The name of its file, and what draws it.
type Drawing = (&'static str, fn() -> Plot);

/// Writes all plots to `folder`.
pub(crate) fn run(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let plots: [Drawing; 5] = [
        ("sctp-loss-1", || loss("Goodput at 1 % random loss, 100 Mbit/s", 1)),
        ("sctp-loss-5", || loss("Goodput at 5 % random loss, 100 Mbit/s", 5)),
        ("sctp-outage", outage),
        ("sctp-queue", queue),
        ("sctp-share", share),
    ];
    std::thread::scope(|scope| {
        let written: Vec<_> = plots
            .iter()
            .map(|(name, plot)| scope.spawn(move || fs::write(folder.join(name).with_extension("svg"), plot().svg())))
            .collect();
        written.into_iter().try_for_each(|thread| thread.join().expect("a plot"))
    })
}

fn loss(title: &'static str, percent: u64) -> Plot {
    let lines = ALL.map(|(name, algorithm)| Line {
        name: name.into(),
        points: [10, 50, 100, 200].map(|rtt| (rtt as f64, with_loss(algorithm, rtt, percent))).into(),
    });
    Plot {
        title,
        x: "round trip, ms",
        y: "user data, Mbit/s",
        x_marks: vec![10.0, 50.0, 100.0, 150.0, 200.0],
        y_marks: vec![0.1, 1.0, 10.0, 100.0],
        logarithmic: true,
        lines: lines.into(),
    }
}

/// The rate of flow `n` in steps of `step`, from the time at which the world stands.
fn rates(world: &mut World, step: Duration, until: Duration, n: usize) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    while world.net.elapsed() < until {
        world.mark();
        world.run(step);
        points.push((world.net.elapsed().as_secs_f64(), world.goodput(n, step)));
    }
    points
}

fn outage() -> Plot {
    let lines = ALL.map(|(name, algorithm)| {
        let mut world = cut(algorithm, 50);
        world.run(ms(4000));
        Line { name: name.into(), points: rates(&mut world, ms(40), ms(9000), 0) }
    });
    Plot {
        title: "The path is cut from 5 s to 6 s; round trip 50 ms",
        x: "seconds",
        y: "user data, Mbit/s",
        x_marks: vec![4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
        y_marks: vec![0.0, 25.0, 50.0, 75.0, 100.0],
        logarithmic: false,
        lines: lines.into(),
    }
}

fn queue() -> Plot {
    let lines = ALL.map(|(name, algorithm)| {
        let mut world = World::new(2, ms(50), bottleneck(50, 300), &[(algorithm, Duration::ZERO)]);
        let mut points = Vec::new();
        while world.net.elapsed() < ms(20_000) {
            world.mark();
            world.run(ms(100));
            let delay = percentile(&mut world.delays, 0.5);
            points.push((world.net.elapsed().as_secs_f64(), delay.as_secs_f64() * 1e3));
        }
        Line { name: name.into(), points }
    });
    Plot {
        title: "Queue that one flow makes; round trip 50 ms, room for 300 ms",
        x: "seconds",
        y: "queueing delay, ms",
        x_marks: vec![0.0, 5.0, 10.0, 15.0, 20.0],
        y_marks: vec![0.0, 100.0, 200.0, 300.0],
        logarithmic: false,
        lines: lines.into(),
    }
}

fn share() -> Plot {
    let flows = [(Algorithm::Bbr, Duration::ZERO), (Algorithm::Cubic, ms(3000))];
    let mut world = World::new(5, ms(50), bottleneck(50, 100), &flows);
    let mut lines = ["bbr", "cubic"].map(|name| Line { name: name.into(), points: Vec::new() });
    while world.net.elapsed() < ms(60_000) {
        world.mark();
        world.run(ms(500));
        let at = world.net.elapsed().as_secs_f64();
        for (n, line) in lines.iter_mut().enumerate() {
            line.points.push((at, world.goodput(n, ms(500))));
        }
    }
    Plot {
        title: "One flow of BBR, and one of CUBIC from 3 s on; round trip 50 ms, queue of 100 ms",
        x: "seconds",
        y: "user data, Mbit/s",
        x_marks: vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
        y_marks: vec![0.0, 25.0, 50.0, 75.0, 100.0],
        logarithmic: false,
        lines: lines.into(),
    }
}
