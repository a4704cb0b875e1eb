//! What benchmarks found: a table for people, lines of JSON for machines.

use serde_json::json;

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was done.
    pub case: String,
    /// Who did it.
    pub contender: &'static str,
    /// The unit of `value`. The same case may have figures in several units.
    pub unit: &'static str,
    /// The figure.
    pub value: f64,
}

/// How figures are shown.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// The name of the benchmark in JSON.
    pub bench: &'a str,
    /// Stands over the table.
    pub title: &'a str,
    /// Contenders whose ratio is shown, the first to the second.
    pub ratios: &'a [(&'a str, &'a str)],
}

impl Table<'_> {
    /// Prints the medians of `figures` over all rounds: one row a case and unit, one column a contender, then the ratios.
    pub fn print(&self, figures: &[Figure], as_json: bool) {
        let mut rows: Vec<(&str, &str)> = Vec::new();
        let mut contenders: Vec<&str> = Vec::new();
        for figure in figures {
            if !rows.contains(&(&figure.case, figure.unit)) {
                rows.push((&figure.case, figure.unit));
            }
            if !contenders.contains(&figure.contender) {
                contenders.push(figure.contender);
            }
        }
        let value = |(case, unit): (&str, &str), contender: &str| {
            let same = |figure: &&Figure| figure.case == case && figure.unit == unit && figure.contender == contender;
            median(figures.iter().filter(same).map(|figure| figure.value).collect())
        };
        if as_json {
            for &(case, unit) in &rows {
                for contender in &contenders {
                    if let Some(value) = value((case, unit), contender) {
                        let line = json!({
                            "bench": self.bench, "case": case, "contender": contender, "unit": unit, "value": value
                        });
                        println!("{line}");
                    }
                }
            }
            return;
        }
        let name = |(case, unit): (&str, &str)| format!("{case}, {unit}");
        let first = rows.iter().map(|&row| name(row).chars().count()).chain([self.title.chars().count()]).max();
        let first = first.unwrap_or_default() + 2;
        let heads: Vec<String> = contenders
            .iter()
            .map(|contender| (*contender).to_owned())
            .chain(self.ratios.iter().map(|(_, theirs)| format!("to {theirs}")))
            .collect();
        print!("\n{:<first$}", self.title);
        heads.iter().for_each(|head| print!("{head:>width$}", width = width(head)));
        println!();
        for &row in &rows {
            print!("{:<first$}", name(row));
            let figures = contenders.iter().map(|contender| value(row, contender).map(rounded));
            let ratios = self.ratios.iter().map(|(ours, theirs)| match (value(row, ours), value(row, theirs)) {
                (Some(ours), Some(theirs)) if theirs > 0.0 => Some(format!("{:.2} ×", ours / theirs)),
                _ => None,
            });
            for (head, cell) in heads.iter().zip(figures.chain(ratios)) {
                print!("{:>width$}", cell.unwrap_or_else(|| "–".to_owned()), width = width(head));
            }
            println!();
        }
    }
}

fn width(head: &str) -> usize {
    head.len().max(10) + 2
}

/// Three digits at least, whole numbers from a hundred on.
#[must_use]
pub fn rounded(value: f64) -> String {
    let digits = match value.abs() {
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

/// The middle value, or the mean of the two in the middle. `None` without values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => values.get(middle).copied(),
        _ => Some((values.get(middle - 1)? + values.get(middle)?) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn three_digits() {
        assert_eq!([1.234, -12.34, 123.4, 1234.5].map(rounded), ["1.23", "-12.3", "123", "1234"]);
    }
}
