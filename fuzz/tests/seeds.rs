//! The seeds go through their targets: the fuzzer starts from inputs that work, and what once broke stays repaired.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn below(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn stems(folder: &str) -> BTreeSet<String> {
    entries(&below(folder)).iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_target_has_a_program_and_seeds() {
    let names: BTreeSet<String> = parlour_fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("src/bin"), names);
    assert_eq!(stems("seeds"), names);
}

#[test]
fn every_seed_passes() {
    for (name, run) in parlour_fuzz::TARGETS {
        let mut folders = vec![below("seeds").join(name)];
        if *name == "sdp" {
            folders.push(below("../crates/sdp/tests/corpus"));
        }
        let files: Vec<_> = folders.iter().flat_map(|folder| entries(folder)).filter(|path| path.is_file()).collect();
        assert!(files.len() > 2, "{name}: {} seeds", files.len());
        for file in files {
            // A panic ends the test; what was running is then the last line.
            println!("{name}: {}", file.display());
            run(&std::fs::read(file).unwrap());
        }
    }
}
