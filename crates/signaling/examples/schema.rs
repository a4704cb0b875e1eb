//! Writes the JSON Schema of the signaling protocol to `docs/signaling.schema.json`: `cargo run -p parlour-signaling --example schema`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/signaling.schema.json");
    let text = serde_json::to_string_pretty(&parlour_signaling::schema())? + "\n";
    std::fs::write(&file, text)?;
    println!("{} is written.", file.display());
    Ok(())
}
