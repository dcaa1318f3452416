// SPDX-License-Identifier: MIT
// A table of words and their vectors: rustc's default allocator is malloc, so preloading does.
use std::collections::HashMap;

fn main() {
    let (mut seed, mut table) = (1u64, HashMap::new());
    for i in 0..2_000_000u64 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let key = format!("word{}", (seed >> 33) % 400_000);
        table.entry(key).or_insert_with(Vec::new).push(i);
        if i % 4 == 0 {
            table.remove(&format!("word{}", (seed >> 20) % 400_000));
        }
    }
    let sum: u64 = table.values().map(|v: &Vec<u64>| v.iter().sum::<u64>() % 1_000_003).sum();
    println!("{} {}", table.len(), sum);
}
