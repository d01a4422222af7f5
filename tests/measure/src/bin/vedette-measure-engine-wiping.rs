//! The engine's work with the allocator of `vedette-worker`.
#![forbid(unsafe_code)]

use vedette_sys::memory::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() {
    let seconds = vedette_measure::engine::measure().as_secs_f64();
    println!("{}", serde_json::json!({"seconds": seconds}));
}
