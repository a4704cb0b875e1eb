//! Figures: a table for people, lines of JSON for machines.

use serde_json::json;

/// One figure.
pub(crate) struct Figure {
    pub(crate) case: &'static str,
    pub(crate) contender: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

/// Prints the medians over all rounds: one row a case, one column a contender, and how the first of each of `pairs` stands against the second.
pub(crate) fn print(bench: &str, figures: &[Figure], pairs: &[(&str, &str)], as_json: bool) {
    let mut cases: Vec<(&str, &str)> = Vec::new();
    let mut contenders: Vec<&str> = Vec::new();
    for figure in figures {
        if !cases.contains(&(figure.case, figure.unit)) {
            cases.push((figure.case, figure.unit));
        }
        if !contenders.contains(&figure.contender) {
            contenders.push(figure.contender);
        }
    }
    let value = |case: &str, contender: &str| {
        median(
            figures
                .iter()
                .filter(|figure| figure.case == case && figure.contender == contender)
                .map(|figure| figure.value)
                .collect(),
        )
    };
    if as_json {
        for (case, unit) in &cases {
            for contender in &contenders {
                if let Some(value) = value(case, contender) {
                    println!(
                        "{}",
                        json!({ "bench": bench, "case": case, "contender": contender, "unit": unit, "value": value })
                    );
                }
            }
        }
        return;
    }
    print!("\n{:<44}", format!("{bench} (medians)"));
    for contender in &contenders {
        print!("{contender:>19}");
    }
    for (_, theirs) in pairs {
        print!("{:>18}", format!("to {theirs}"));
    }
    println!();
    for (case, unit) in &cases {
        print!("{:<44}", format!("{case}, {unit}"));
        for contender in &contenders {
            match value(case, contender) {
                Some(value) => print!("{:>19}", format!("{value:.1}")),
                None => print!("{:>19}", "–"),
            }
        }
        for (ours, theirs) in pairs {
            match (value(case, ours), value(case, theirs)) {
                (Some(ours), Some(theirs)) if theirs > 0.0 => print!("{:>18}", format!("{:.2} ×", ours / theirs)),
                _ => print!("{:>18}", "–"),
            }
        }
        println!();
    }
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
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
}
