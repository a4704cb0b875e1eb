//! What `parlour serve` shows when it is ready.

use crate::qr;

/// What there is to show.
pub(crate) struct Banner<'a> {
    pub(crate) name: &'a str,
    pub(crate) local_url: &'a str,
    pub(crate) lan_urls: &'a [String],
    /// By the name in multicast DNS, which not every network and device knows.
    pub(crate) mdns_url: Option<&'a str>,
    /// Of the certificate that browsers see.
    pub(crate) fingerprint: Option<&'a str>,
    /// Of the authority that devices can trust; present if there is one.
    pub(crate) ca_fingerprint: Option<&'a str>,
    /// What should be known, such as another port than usual.
    pub(crate) notes: &'a [String],
}

/// Where it is shown.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    /// Columns of the terminal; `None` if it is none, so that plain lines are wanted.
    pub(crate) width: Option<usize>,
    pub(crate) colour: bool,
    pub(crate) qr: bool,
}

impl Banner<'_> {
    pub(crate) fn render(&self, screen: Screen) -> String {
        match screen.width {
            Some(width) => self.for_people(screen, width),
            None => self.plain(),
        }
    }

    /// One fact per line, for files and pipes.
    fn plain(&self) -> String {
        let mut text = format!("parlour {} is ready\nlocal: {}\n", env!("CARGO_PKG_VERSION"), self.local_url);
        for url in self.lan_urls {
            text += &format!("network: {url}\n");
        }
        if let Some(url) = self.mdns_url {
            text += &format!("network: {url}\n");
        }
        if let Some(fingerprint) = self.fingerprint {
            text += &format!("certificate: {fingerprint}\n");
        }
        if let Some(fingerprint) = self.ca_fingerprint {
            text += &format!("authority: {fingerprint}\n");
        }
        for note in self.notes {
            text += &format!("note: {note}\n");
        }
        text
    }

    fn for_people(&self, screen: Screen, width: usize) -> String {
        let style = |code: &str, text: &str| {
            if screen.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let mut text = format!("\n  {} {}\n\n", style("1", self.name), style("2", env!("CARGO_PKG_VERSION")));
        let address = |label: &str, url: &str| format!("  {label:<17} {}\n", style("1;36", url));
        text += &address("On this computer", self.local_url);
        for (i, url) in self.lan_urls.iter().enumerate() {
            text += &address(if i == 0 { "On your network" } else { "" }, url);
        }
        if let Some(url) = self.mdns_url {
            text += &format!("  {:<17} {} {}\n", "", style("36", url), style("2", "where .local names work"));
        }
        if let Some(url) = self.lan_urls.first() {
            let drawn = if screen.qr { qr::draw(url).filter(|qr| qr.width + 4 <= width) } else { None };
            if let Some(drawn) = drawn {
                text.push('\n');
                for line in drawn.lines {
                    text += &format!("  {}\n", style("97;40", &line));
                }
            }
            if self.ca_fingerprint.is_some() {
                let page = style("36", &format!("{url}/ca"));
                text += "\n  A new device warns once that it does not know this server. Go on past the\n";
                text += &format!("  warning, or open {page} there\n  and trust this server for good.\n");
            }
        }
        let fingerprints = [("of the certificate", self.fingerprint), ("on the page /ca", self.ca_fingerprint)];
        for (what, fingerprint) in fingerprints {
            let Some(fingerprint) = fingerprint else { continue };
            text += &format!("\n  {}\n", style("2", &format!("Fingerprint {what} (SHA-256):")));
            for part in wrap(fingerprint, width.saturating_sub(2)) {
                text += &format!("  {}\n", style("2", &part));
            }
        }
        for note in self.notes {
            text += &format!("\n  {} {note}\n", style("1;33", "Note:"));
        }
        text += &format!("\n  {}\n\n", style("2", "Ctrl-C stops the server."));
        text
    }
}

/// Breaks a fingerprint after a colon into lines of equal length that fit.
fn wrap(fingerprint: &str, width: usize) -> Vec<String> {
    let bytes: Vec<&str> = fingerprint.split(':').collect();
    let mut per_line = bytes.len().max(1);
    while per_line > 1 && per_line * 3 > width {
        per_line = per_line.div_ceil(2);
    }
    bytes.chunks(per_line).map(|chunk| chunk.join(":")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINGERPRINT: &str =
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

    fn banner(screen: Screen) -> String {
        let urls = ["https://192.0.2.2:8443".to_owned()];
        Banner {
            name: "Parlour",
            local_url: "http://localhost:8080",
            lan_urls: &urls,
            mdns_url: Some("https://host.local:8443"),
            fingerprint: Some(FINGERPRINT),
            ca_fingerprint: Some(FINGERPRINT),
            notes: &[],
        }
        .render(screen)
    }

    #[test]
    fn a_pipe_gets_plain_lines() {
        let text = banner(Screen { width: None, colour: false, qr: true });
        assert!(text.contains("\nlocal: http://localhost:8080\nnetwork: https://192.0.2.2:8443\n"));
        assert!(text.is_ascii() && !text.contains('\x1b'));
    }

    #[test]
    fn a_terminal_gets_a_code_that_fits() {
        let wide = banner(Screen { width: Some(80), colour: false, qr: true });
        assert!(wide.contains('█') && !wide.contains('\x1b'));
        for width in [24, 40, 80, 200] {
            let text = banner(Screen { width: Some(width), colour: false, qr: true });
            let code_width = text.lines().filter(|line| line.contains('█')).map(|line| line.chars().count()).max();
            assert!(code_width.is_none_or(|code| code <= width), "{width}");
        }
        assert!(!banner(Screen { width: Some(24), colour: false, qr: true }).contains('█'));
        assert!(!banner(Screen { width: Some(80), colour: false, qr: false }).contains('█'));
        assert!(banner(Screen { width: Some(80), colour: true, qr: false }).contains('\x1b'));
    }

    #[test]
    fn no_line_is_longer_than_a_usual_terminal() {
        let text = banner(Screen { width: Some(80), colour: false, qr: true });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_fingerprint_is_broken_evenly() {
        assert_eq!(wrap(FINGERPRINT, 100).len(), 1);
        assert_eq!(wrap(FINGERPRINT, 78).len(), 2);
        assert!(wrap(FINGERPRINT, 30).iter().all(|line| line.len() <= 30));
    }
}
