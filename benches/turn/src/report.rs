//! Figures: a table for people, lines of JSON for machines.

use serde_json::json;

/// One figure.
pub(crate) struct Figure {
    pub(crate) case: String,
    pub(crate) contender: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
}

/// Prints the medians over all rounds: one row a case, one column a contender, and how Parlour stands against the others.
pub(crate) fn print(figures: &[Figure], as_json: bool) {
    let mut cases: Vec<(&str, &str)> = Vec::new();
    let mut contenders: Vec<&str> = Vec::new();
    for figure in figures {
        if !cases.contains(&(figure.case.as_str(), figure.unit)) {
            cases.push((figure.case.as_str(), figure.unit));
        }
        if !contenders.contains(&figure.contender) {
            contenders.push(figure.contender);
        }
    }
    let value = |case: (&str, &str), contender: &str| {
        let same = |figure: &&Figure| (figure.case.as_str(), figure.unit) == case && figure.contender == contender;
        median(figures.iter().filter(same).map(|figure| figure.value).collect())
    };
    if as_json {
        for &(case, unit) in &cases {
            for contender in &contenders {
                if let Some(value) = value((case, unit), contender) {
                    println!(
                        "{}",
                        json!({"bench": "turn", "case": case, "contender": contender, "unit": unit, "value": value})
                    );
                }
            }
        }
        return;
    }
    print!("\n{:<52}", "turn (medians)");
    for contender in &contenders {
        print!("{contender:>12}");
    }
    println!("{:>12}{:>12}", "to coturn", "to floor");
    for &(case, unit) in &cases {
        print!("{:<52}", format!("{case}, {unit}"));
        for contender in &contenders {
            match value((case, unit), contender) {
                Some(value) => print!("{:>12}", format!("{value:.2}")),
                None => print!("{:>12}", "–"),
            }
        }
        for other in ["coturn", "floor"] {
            match (value((case, unit), "parlour"), value((case, unit), other)) {
                (Some(ours), Some(theirs)) if theirs > 0.0 => print!("{:>12}", format!("{:.2} ×", ours / theirs)),
                _ => print!("{:>12}", "–"),
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
