//! What the relay counts, in Prometheus' text format.

use std::fmt::Write as _;

use parlour_net::relay::Report;

/// All figures of the relay. They are counted by its threads, so that they are asked for when somebody reads them.
pub(crate) fn render(report: &Report) -> String {
    let mut text = String::with_capacity(4096);
    let mut figure = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "# HELP parlour_turn_{name} {help}\n# TYPE parlour_turn_{name} {kind}\nparlour_turn_{name} {value}\n"
        );
    };
    figure("allocations", "gauge", "Allocations.", report.allocations as u64);
    figure("streams", "gauge", "Client connections by TCP and TLS.", report.streams as u64);
    figure(
        "kernel_drops_total",
        "counter",
        "Datagrams that the kernel dropped before the relay fetched them.",
        report.kernel_drops,
    );
    figure(
        "send_drops_total",
        "counter",
        "Datagrams dropped because a send buffer or a client's stream was full.",
        report.send_drops,
    );
    figure(
        "cross_shard_trains_total",
        "counter",
        "Trains of packets that went between two threads of the relay.",
        report.cross_shard,
    );
    for (name, value) in report.counters.iter() {
        figure(&format!("{name}_total"), "counter", help(name), value);
    }
    text
}

fn help(counter: &str) -> &'static str {
    match counter {
        "malformed" => "Inputs that are neither STUN nor ChannelData, or break their rules.",
        "bindings" => "STUN binding requests answered.",
        "challenges" => "Challenges (401, 438) sent.",
        "limited" => "Answers withheld by the limit on challenges.",
        "refused" => "Requests refused with an error, challenges excluded.",
        "allocations_created" => "Allocations made.",
        "allocations_ended" => "Allocations ended.",
        "packets_to_peers" => "Packets from clients to peers.",
        "bytes_to_peers" => "Bytes from clients to peers.",
        "packets_to_clients" => "Packets from peers to clients.",
        "bytes_to_clients" => "Bytes from peers to clients.",
        "short_cuts" => "Packets that went from client to client in memory.",
        "dropped_unpermitted" => "Packets dropped for want of an allocation, channel or permission.",
        "dropped_bandwidth" => "Packets dropped by a bandwidth limit.",
        "dropped_denied" => "Packets to or from peers that the policy refuses.",
        "peer_errors" => "ICMP errors and failed sends of relays.",
        _ => "See the documentation.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_help_line_and_a_value() {
        let text = render(&Report { allocations: 3, ..Report::default() });
        assert!(text.contains("\nparlour_turn_allocations 3\n"));
        assert!(text.contains("\nparlour_turn_challenges_total 0\n"));
        assert!(!text.contains("See the documentation."), "{text}");
        let names: Vec<_> =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').next()).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}
