//! The corpus of `fuzz/` through the targets' entry points, as it is and with bytes changed, removed and repeated.

use std::fs;
use std::path::Path;

use tfruns_rs::fuzzing;

type Target = fn(&[u8]);

/// The targets, and how many changed forms each seed has: fewer where a file is large.
const TARGETS: [(&str, Target, usize); 4] = [
    ("frames", fuzzing::frames, 300),
    ("walk", fuzzing::walk, 300),
    ("rows", fuzzing::rows, 300),
    ("lazy", fuzzing::lazy, 10),
];

/// A seed and changed forms of it; always the same ones.
fn variants(seed: &[u8], changed: usize) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below.max(1)
    };
    let mut variants = vec![seed.to_vec()];
    for _ in 0..changed {
        let mut bytes = seed.to_vec();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes.truncate(at),
                1 if at < bytes.len() => bytes[at] ^= 1 << random(8),
                2 if at < bytes.len() => bytes[at] = u8::try_from(random(256)).expect("a byte"),
                _ => {
                    let part = bytes[at.min(bytes.len())..].to_vec();
                    bytes.extend(part);
                }
            }
        }
        variants.push(bytes);
    }
    variants
}

#[test]
fn the_corpus_passes() {
    let mut seeds = 0;
    for (name, target, changed) in TARGETS {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        for entry in fs::read_dir(&corpus).expect("a corpus") {
            let seed = fs::read(entry.expect("an entry").path()).expect("a seed");
            for bytes in variants(&seed, changed) {
                target(&bytes);
            }
            seeds += 1;
        }
    }
    assert!(seeds >= 10, "{seeds} seeds");
}
