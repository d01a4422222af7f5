//! Replays each target's corpus, and every truncation and many bit flips of it.
#![cfg(test)]

use std::{fs, path::Path};

use vedette_fuzz::TARGETS;

#[test]
fn no_input_of_a_corpus_panics() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target.name);
        let mut seeds = 0;
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            (target.parse)(&bytes);
            mutations(&bytes).for_each(|altered| (target.parse)(&altered));
            seeds += 1;
        }
        assert!(seeds > 0, "{} has no seed", folder.display());
    }
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            vedette_fuzz::target(&name).is_some(),
            "corpus/{name} belongs to no target"
        );
    }
}

fn mutations(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let step = (seed.len() / 256).max(1);
    let truncated = (0..seed.len())
        .step_by(step)
        .map(|length| seed[..length].to_vec());
    let flipped = (0..seed.len()).step_by(step).flat_map(move |at| {
        [0x01, 0x80, 0xff].map(|mask| {
            let mut altered = seed.to_vec();
            altered[at] ^= mask;
            altered
        })
    });
    truncated.chain(flipped)
}
