//! Runs the target that `FUZZ_TARGET` names under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(init: { let _ = CHOSEN.parse; }, |bytes: &[u8]| { (CHOSEN.parse)(bytes) });

static CHOSEN: std::sync::LazyLock<&vedette_fuzz::FuzzTarget> = std::sync::LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    vedette_fuzz::target(&name).expect("FUZZ_TARGET names a target of fuzz/src/lib.rs")
});
