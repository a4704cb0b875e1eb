//! QR codes in the terminal: half blocks, two modules in one character.

use fast_qr::{ECL, QRBuilder};

/// Modules of light around the code, which scanners need (ISO/IEC 18004 §9.1 asks for four; scanners accept two).
const QUIET: usize = 2;

/// A QR code as lines of text, each the same width.
pub(crate) struct Qr {
    pub(crate) lines: Vec<String>,
    pub(crate) width: usize,
}

/// Draws `text`; `None` if it is too long for a code.
///
/// Blocks are the *light* modules, as terminals are mostly dark; scanners read the opposite as well.
pub(crate) fn draw(text: &str) -> Option<Qr> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let size = code.size + 2 * QUIET;
    let light = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < code.size);
        match (inside(row), inside(column)) {
            (Some(row), Some(column)) => !code[row][column].value(),
            _ => row < size,
        }
    };
    let lines = (0..size)
        .step_by(2)
        .map(|row| {
            (0..size)
                .map(|column| match (light(row, column), light(row + 1, column)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                })
                .collect()
        })
        .collect();
    Some(Qr { lines, width: size })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the modules back from the drawing.
    fn modules(qr: &Qr) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in &qr.lines {
            rows.push(line.chars().map(|c| !matches!(c, '█' | '▀')).collect());
            rows.push(line.chars().map(|c| !matches!(c, '█' | '▄')).collect());
        }
        rows
    }

    #[test]
    fn the_drawing_holds_every_module_and_a_quiet_zone() {
        let text = "https://192.0.2.2:8443";
        let code = QRBuilder::new(text).ecl(ECL::L).build().unwrap();
        let qr = draw(text).unwrap();
        assert_eq!(qr.width, code.size + 2 * QUIET);
        assert!(qr.lines.iter().all(|line| line.chars().count() == qr.width));
        let drawn = modules(&qr);
        for row in 0..code.size {
            for column in 0..code.size {
                assert_eq!(drawn[row + QUIET][column + QUIET], code[row][column].value(), "{row} {column}");
            }
        }
        assert!(drawn[0].iter().all(|dark| !dark) && drawn[..qr.width].iter().all(|row| !row[0]));
    }

    #[test]
    fn a_text_that_is_too_long_is_not_drawn() {
        assert!(draw(&"x".repeat(5000)).is_none());
    }
}
