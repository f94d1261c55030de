//! The fuzz targets of `fuzz/` over their seeds and some thousand mutations of them: the same numbers in every run. What the
//! fuzzer once found lies among the seeds, so that it stays fixed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

#[path = "../../fuzz/src/sandbox.rs"]
mod sandbox;
#[path = "../../fuzz/src/targets.rs"]
mod targets;

/// Mutations per target.
const MUTATIONS: usize = 3000;
/// Bytes of an input at most.
const LONGEST: usize = 64 << 10;

/// What parsers trip over.
const PIECES: &[&[u8]] = &[
    b"0",
    b"-1",
    b"1e309",
    b"NaN",
    b"18446744073709551615",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"null",
    b"true",
    b"[",
    b"{",
    b"]",
    b"}",
    b"\"",
    b"\\u0000",
    b"\\ud800",
    b",",
    b":",
    b"=",
    b"%",
    b"%00",
    b"..",
    b"/",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
];

#[test]
fn parsers_take_any_bytes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, target) in targets::TARGETS.iter().chain(sandbox::TARGETS) {
        let seeds = seeds(&folder.join(name));
        assert!(!seeds.is_empty(), "target {name} has no seeds");
        for (path, seed) in &seeds {
            assert!(passes(*target, seed), "target {name} fails on {}", path.display());
        }
        let mut dice = Dice(name.bytes().fold(0, |seed, byte| seed * 31 % (1 << 40) + u64::from(byte)));
        for _ in 0..MUTATIONS {
            let input = mutated(&seeds, &mut dice);
            assert!(
                passes(*target, &input),
                "target {name} fails on {}; keep it below fuzz/seeds",
                kept(name, &input).display()
            );
        }
    }
}

fn seeds(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
    let mut seeds: Vec<_> = files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    seeds.sort();
    seeds
}

fn passes(target: fn(&[u8]), input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| target(input))).is_ok()
}

/// Writes a failing input where it can be looked at.
fn kept(name: &str, input: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("scorehost-fuzz-{name}.bin"));
    std::fs::write(&path, input).unwrap();
    path
}

fn mutated(seeds: &[(PathBuf, Vec<u8>)], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].1.clone();
    for _ in 0..=dice.below(6) {
        mutate(&mut input, seeds, dice);
    }
    input.truncate(LONGEST);
    input
}

fn mutate(input: &mut Vec<u8>, seeds: &[(PathBuf, Vec<u8>)], dice: &mut Dice) {
    let place = dice.below(input.len() + 1);
    let end = (place + dice.below(16)).min(input.len());
    match dice.below(8) {
        0 if place < input.len() => input[place] ^= 1 << dice.below(8),
        1 if place < input.len() => input[place] = dice.below(256) as u8,
        2 => drop(input.drain(place..end)),
        3 => input.truncate(place),
        4 => drop(input.splice(place..end, PIECES[dice.below(PIECES.len())].iter().copied())),
        5 => drop(input.splice(place..place, PIECES[dice.below(PIECES.len())].repeat(1 + dice.below(200)))),
        6 => {
            let piece = input[place..end].to_vec();
            input.splice(place..place, piece.repeat(1 + dice.below(20)));
        }
        _ => {
            let other = &seeds[dice.below(seeds.len())].1;
            input.splice(place.., other[dice.below(other.len() + 1)..].iter().copied());
        }
    }
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }
}
