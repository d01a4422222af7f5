//! The engine's work with the system's allocator.
#![forbid(unsafe_code)]

fn main() {
    let seconds = vedette_measure::engine::measure().as_secs_f64();
    println!("{}", serde_json::json!({"seconds": seconds}));
}
