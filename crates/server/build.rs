//! Tells the crate whether the web app is built, so that the server compiles without it and says so in the browser.

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(web_dist)");
    let index = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist/index.html");
    println!("cargo::rerun-if-changed=../../web/dist");
    if index.is_file() {
        println!("cargo::rustc-cfg=web_dist");
    } else if std::env::var_os("CARGO_FEATURE_WEB").is_some() {
        println!(
            "cargo::warning=web/dist is missing: the server is built without the web app (`cargo xtask web` makes it)"
        );
    }
}
