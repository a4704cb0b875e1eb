//! The `parlour` command.

fn main() {
    println!("parlour {}", env!("CARGO_PKG_VERSION"));
}
