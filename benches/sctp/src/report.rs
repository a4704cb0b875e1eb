//! Figures: tables for people, lines of JSON for machines.

use serde_json::json;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) case: String,
    pub(crate) contender: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

impl Figure {
    /// Says on the standard error output that it is there, for a table may take long.
    pub(crate) fn tell(&self) {
        eprintln!("  {}, {}: {} {}", self.case, self.contender, rounded(self.value), self.unit);
    }
}

/// Makes figures, on any thread.
pub(crate) type Job = Box<dyn Fn() -> Vec<Figure> + Send + Sync>;

/// What is asked for.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) json: bool,
    /// Only tables whose name contains this.
    pub(crate) only: Option<String>,
}

impl Report {
    /// Whether the table `name` is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Runs `jobs` on all cores and prints what they find in their order.
    pub(crate) fn run(&self, title: &str, jobs: &[Job]) {
        let next = AtomicUsize::new(0);
        let found = Mutex::new(vec![Vec::new(); jobs.len()]);
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some((at, job)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| jobs.get(at).map(|job| (at, job)))
                    {
                        let figures = job();
                        figures.iter().for_each(Figure::tell);
                        found.lock().unwrap()[at] = figures;
                    }
                });
            }
        });
        let figures: Vec<Figure> = found.into_inner().unwrap().into_iter().flatten().collect();
        self.print(title, &figures);
    }

    /// One row a case, one column a contender.
    pub(crate) fn print(&self, title: &str, figures: &[Figure]) {
        if self.json {
            for Figure { case, contender, unit, value } in figures {
                println!(
                    "{}",
                    json!({"bench": "sctp", "case": case, "contender": contender, "unit": unit, "value": value})
                );
            }
            return;
        }
        let mut contenders: Vec<&str> = Vec::new();
        let mut cases: Vec<(&str, &str)> = Vec::new();
        for figure in figures {
            if !contenders.contains(&figure.contender) {
                contenders.push(figure.contender);
            }
            if !cases.contains(&(figure.case.as_str(), figure.unit)) {
                cases.push((figure.case.as_str(), figure.unit));
            }
        }
        print!("\n{title}\n{:<48}", "");
        contenders.iter().for_each(|name| print!("{name:>16}"));
        println!();
        for (case, unit) in cases {
            print!("{:<48}", format!("{case}, {unit}"));
            for name in &contenders {
                let value = figures.iter().find(|f| f.case == case && f.unit == unit && f.contender == *name);
                print!("{:>16}", value.map_or("–".to_owned(), |f| rounded(f.value)));
            }
            println!();
        }
    }
}

/// Three digits at least, whole numbers from a hundred on.
fn rounded(value: f64) -> String {
    let digits = if value.abs() < 10.0 {
        2
    } else if value.abs() < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$}")
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
