//! Which tables are asked for, and how their figures are made: on all cores, for a table may take long.

use parlour_bench_report::{Figure, Table, rounded};
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

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
                        figures.iter().for_each(tell);
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
        Table { bench: "sctp", title, ratios: &[] }.print(figures, self.json);
    }
}

/// Says on the standard error output that a figure is there.
pub(crate) fn tell(Figure { case, contender, unit, value }: &Figure) {
    eprintln!("  {case}, {contender}: {} {unit}", rounded(*value));
}
