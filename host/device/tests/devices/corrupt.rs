//! Damaged and hostile models are refused: no panic, no crash, no unbounded memory.

use bytes::Bytes;
use scorehost_core::ErrorKind;
use scorehost_device::{Devices, ModelSource};

use crate::encode::{Message, float_value, model, node};
use crate::fixtures::{expected, model as fixture, onnxruntime, reference, tensors};
use crate::memory::resident_bytes;

fn all() -> Vec<Devices> {
    [Some(reference()), onnxruntime()].into_iter().flatten().collect()
}

#[test]
fn a_model_cut_off_anywhere_is_refused() {
    for devices in all() {
        for name in expected().keys() {
            let whole = fixture(name);
            for part in 0..16 {
                let cut = whole.slice(..whole.len() * part / 16);
                let failure = devices.load(ModelSource::Bytes(cut)).err();
                let failure = failure.unwrap_or_else(|| panic!("{name} loads when cut at {part}/16"));
                assert_eq!(failure.kind, ErrorKind::InvalidInput, "{name}: {failure:?}");
            }
        }
    }
}

/// A fixed sequence of numbers (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

#[test]
fn flipped_bytes_never_bring_the_process_down() {
    // Most are refused; some still load, and then must run or fail in good order.
    let rounds = std::env::var("FLIP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(40);
    let mut refused = 0;
    for devices in all() {
        for (name, case) in expected() {
            let whole = fixture(&name);
            let mut numbers = Numbers(name.len() as u64);
            for _ in 0..rounds {
                let mut bytes = whole.to_vec();
                for _ in 0..=numbers.below(4) {
                    let at = numbers.below(bytes.len());
                    bytes[at] = numbers.below(256) as u8;
                }
                match devices.load(ModelSource::Bytes(bytes.into())) {
                    Ok(graph) => drop(graph.run(&tensors(&case["inputs"]), &[0])),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(refused > 0);
    assert!(resident_bytes() < 1 << 30);
}

#[test]
fn a_cycle_is_refused_before_any_device_sees_it() {
    let graph = Message::default()
        .message(1, node("Add", &["x", "b"], "a"))
        .message(1, node("Add", &["x", "a"], "b"))
        .message(11, float_value("x", &[1]))
        .message(12, float_value("b", &[1]));
    refused(model(graph).into(), "cycle");
}

#[test]
fn dimensions_beyond_any_memory_are_refused() {
    let huge = float_value("x", &[1 << 40, 1 << 40]);
    let graph = Message::default().message(1, node("Identity", &["x"], "y")).message(11, huge);
    refused(model(graph.message(12, float_value("y", &[1]))).into(), "dimensions");
}

#[test]
fn weights_that_are_shorter_than_they_say_are_refused() {
    let tensor = Message::default().int(1, 1 << 33).int(2, 1).bytes(8, "w").bytes(9, [0; 16]);
    let graph = Message::default().message(1, node("Identity", &["w"], "y")).message(5, tensor);
    refused(model(graph.message(12, float_value("y", &[1]))).into(), "needs");
}

#[test]
fn data_of_the_host_cannot_be_reached_through_external_weights() {
    // The second location is how ONNX Runtime itself marks an address in memory.
    for location in ["../../etc/passwd", "*/_ORT_MEM_ADDR_/*", "/etc/passwd"] {
        let entry = Message::default().bytes(1, "location").bytes(2, location);
        let tensor = Message::default().int(1, 1).int(2, 2).bytes(8, "w").message(13, entry).int(14, 1);
        let graph = Message::default().message(1, node("Identity", &["w"], "y")).message(5, tensor);
        refused(model(graph.message(12, float_value("y", &[1]))).into(), "data of tensor 'w'");
    }
}

fn refused(bytes: Bytes, why: &str) {
    for devices in all() {
        let failure = devices.load(ModelSource::Bytes(bytes.clone())).err().unwrap();
        assert_eq!(failure.kind, ErrorKind::InvalidInput);
        assert!(failure.message.contains(why), "{}", failure.message);
    }
}
