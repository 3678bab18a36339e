//! The seeds of the fuzz target, replayed: a finding that is added to them stays fixed.

use std::{fs, path::Path};

use super::differential::check;

#[test]
fn seeds_of_the_fuzz_target_agree_with_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/sse_parser");
    let mut replayed = 0;
    for seed in fs::read_dir(&folder).unwrap() {
        check(&fs::read(seed.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 20, "{replayed} seeds in {}", folder.display());
}
