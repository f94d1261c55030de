//! Choosing among devices, with devices that are not there.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicUsize};

use bytes::Bytes;
use parking_lot::Mutex;
use scorehost_core::{NamedTensor, NamedTensors, Shape, Signature, Tensor};

use super::*;

fn load(running: u64, used_bytes: u64, healthy: bool) -> DeviceLoad {
    DeviceLoad { name: "card".to_owned(), used_bytes, limit_bytes: 100, busy_seconds: 0.0, running, healthy }
}

/// A card of the test: what it says to a model, whether it is alive, and which calls it has answered.
struct Card {
    refuses: Option<ErrorKind>,
    alive: AtomicBool,
    calls: AtomicUsize,
    /// Held by a call while it runs.
    gate: Mutex<()>,
}

impl Card {
    fn new(refuses: Option<ErrorKind>) -> Arc<Self> {
        Arc::new(Self { refuses, alive: AtomicBool::new(true), calls: AtomicUsize::new(0), gate: Mutex::new(()) })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Cards(Vec<Arc<Card>>);

impl Accelerator for Cards {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn reports(&self) -> Vec<DeviceReport> {
        let report = |card: &Arc<Card>| {
            let alive = card.alive.load(Ordering::SeqCst);
            let detail = if alive { "a card" } else { "it fell off the bus" };
            DeviceReport { name: "cuda", kind: "cuda", available: alive, detail: detail.to_owned() }
        };
        self.0.iter().map(report).collect()
    }

    fn loads(&self) -> Vec<DeviceLoad> {
        self.0.iter().map(|card| load(0, 0, card.alive.load(Ordering::SeqCst))).collect()
    }

    fn load(&self, number: usize, request: &LoadRequest<'_>) -> Result<Arc<dyn Graph>, Failure> {
        let card = Arc::clone(&self.0[number]);
        match card.refuses {
            Some(kind) => Err(Failure::new(kind, "the card is full")),
            None => Ok(Arc::new(OnCard { card, signature: request.model.signature().clone() })),
        }
    }
}

/// Answers with its input.
struct OnCard {
    card: Arc<Card>,
    signature: Signature,
}

impl Graph for OnCard {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        "test"
    }

    fn run(&self, inputs: &[NamedTensor], _: &[usize]) -> Result<NamedTensors, Failure> {
        self.health()?;
        self.card.calls.fetch_add(1, Ordering::SeqCst);
        drop(self.card.gate.lock());
        Ok(vec![NamedTensor::new("y", inputs[0].tensor.clone())])
    }

    fn memory_bytes(&self) -> u64 {
        10
    }

    fn device(&self) -> DeviceKind {
        DeviceKind::Gpu
    }

    fn health(&self) -> Result<(), Failure> {
        if self.card.alive.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(Failure::new(ErrorKind::Unavailable, "it fell off the bus"))
        }
    }
}

/// One Identity node over a float: the smallest sound model, written by hand in ONNX's wire format.
fn model() -> Model {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, content.len() as u8], content].concat()
    }
    let element = [[1 << 3, 1].as_slice(), &field(2, &field(1, &[1 << 3, 2]))].concat();
    let value = |name: &[u8]| [field(1, name), field(2, &field(1, &element))].concat();
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Identity")].concat();
    let graph = [field(1, &node), field(2, b"g"), field(11, &value(b"x")), field(12, &value(b"y"))].concat();
    let bytes = [&[1 << 3, 8][..], &field(7, &graph), &field(8, &[2 << 3, 13])].concat();
    Model::read(Bytes::from(bytes), None).unwrap()
}

fn asked(device: DeviceKind, copies: u32, fallback: bool) -> Placement {
    Placement { device, copies, fallback, ..Placement::default() }
}

fn with(cards: &[Arc<Card>]) -> Accelerators {
    let (mut accelerators, cards) = (Accelerators::default(), cards.to_vec());
    let open = move || Ok(vec![Arc::new(Cards(cards.clone())) as Arc<dyn Accelerator>]);
    accelerators.add("cuda", &[DeviceKind::Gpu], Box::new(open));
    accelerators
}

fn call(graph: &dyn Graph) -> Result<NamedTensors, Failure> {
    let input = NamedTensor::new("x", Tensor::from_f32(Shape::from_slice(&[2]), &[1.0, 2.0]).unwrap());
    graph.run(&[input], &[0])
}

#[test]
fn the_least_busy_device_is_tried_first_and_a_lost_one_never() {
    let loads = [load(3, 0, true), load(0, 90, true), load(0, 10, true), load(0, 0, false)];
    assert_eq!(by_load(&loads), [2, 1, 0]);
}

#[test]
fn the_cpu_takes_a_model_only_where_the_placement_says_so() {
    let accelerators = with(&[Card::new(Some(ErrorKind::Overloaded))]);
    let load = |placement| accelerators.load(&model(), None, &placement).map(|graph| graph.is_none());
    assert!(load(asked(DeviceKind::Cpu, 1, false)).unwrap());
    assert_eq!(accelerators.fallbacks(), 0);
    assert_eq!(load(asked(DeviceKind::Gpu, 1, false)).unwrap_err().kind, ErrorKind::Overloaded);
    assert!(load(asked(DeviceKind::Gpu, 1, true)).unwrap());
    assert_eq!(accelerators.fallbacks(), 1);
}

#[test]
fn a_family_is_opened_by_the_first_model_that_asks_for_it() {
    let opened = Arc::new(AtomicUsize::new(0));
    let (mut accelerators, count) = (Accelerators::default(), Arc::clone(&opened));
    let open = move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(vec![Arc::new(Cards(vec![Card::new(None)])) as Arc<dyn Accelerator>])
    };
    accelerators.add("cuda", &[DeviceKind::Gpu], Box::new(open));
    assert!(accelerators.load(&model(), None, &asked(DeviceKind::Cpu, 1, false)).unwrap().is_none());
    assert!(accelerators.load(&model(), None, &asked(DeviceKind::Fpga, 1, false)).is_err());
    let [row] = accelerators.reports(Vec::new()).try_into().unwrap();
    assert!(!row.available && row.detail.contains("not opened"), "{row:?}");
    assert_eq!(opened.load(Ordering::SeqCst), 0);
    for _ in 0..2 {
        assert!(accelerators.load(&model(), None, &asked(DeviceKind::Gpu, 1, false)).unwrap().is_some());
    }
    assert_eq!((opened.load(Ordering::SeqCst), accelerators.capacity(DeviceKind::Gpu)), (1, 100));
    assert!(accelerators.reports(Vec::new())[0].available);
}

#[test]
fn a_missing_device_is_named_with_its_reason() {
    let mut accelerators = Accelerators::default();
    accelerators.add("cuda", &[DeviceKind::Gpu], Box::new(|| Err("libcuda.so.1 cannot be opened".to_owned())));
    let failure = accelerators.load(&model(), None, &asked(DeviceKind::Gpu, 1, false)).map(drop).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    assert!(failure.message.contains("no gpu that works") && failure.message.contains("libcuda.so.1"), "{failure}");
    let failure = accelerators.load(&model(), None, &asked(DeviceKind::Fpga, 1, false)).map(drop).unwrap_err();
    assert!(failure.message.contains("no fpga") && failure.message.contains("no support"), "{failure}");
}

#[test]
fn the_first_family_that_has_devices_serves_alone() {
    let (first, second) = (Card::new(None), Card::new(None));
    let family = |cards: Vec<Arc<Card>>| -> Opening {
        Box::new(move || Ok(vec![Arc::new(Cards(cards.clone())) as Arc<dyn Accelerator>]))
    };
    let mut accelerators = Accelerators::default();
    accelerators.add("none", &[DeviceKind::Gpu], Box::new(|| Err("no driver".to_owned())));
    accelerators.add("empty", &[DeviceKind::Gpu], family(Vec::new()));
    accelerators.add("cuda", &[DeviceKind::Gpu], family(vec![Arc::clone(&first)]));
    accelerators.add("opencl", &[DeviceKind::Gpu], family(vec![Arc::clone(&second)]));
    let graph = accelerators.load(&model(), None, &asked(DeviceKind::Gpu, 1, false)).unwrap().unwrap();
    call(&*graph).unwrap();
    assert_eq!((first.calls(), second.calls(), accelerators.capacity(DeviceKind::Gpu)), (1, 0, 100));
    assert!(accelerators.load(&model(), None, &asked(DeviceKind::Gpu, 2, false)).is_err(), "one card is not two");
}

#[test]
fn copies_are_on_different_devices_and_calls_go_where_the_fewest_are() {
    let cards = [Card::new(None), Card::new(Some(ErrorKind::Overloaded)), Card::new(None)];
    let accelerators = with(&cards);
    let graph = accelerators.load(&model(), None, &asked(DeviceKind::Gpu, 2, false)).unwrap().unwrap();
    assert_eq!((graph.memory_bytes(), graph.device()), (20, DeviceKind::Gpu));
    let held = cards[0].gate.lock();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| call(&*graph).unwrap());
        while cards[0].calls() == 0 {
            std::thread::yield_now();
        }
        // The first card is busy, so the other one answers.
        call(&*graph).unwrap();
        assert_eq!((cards[0].calls(), cards[2].calls()), (1, 1));
        drop(held);
        first.join().unwrap();
    });
}

#[test]
fn a_copy_on_a_lost_device_gets_no_calls_and_the_last_one_says_why() {
    let cards = [Card::new(None), Card::new(None)];
    let graph = with(&cards).load(&model(), None, &asked(DeviceKind::Gpu, 2, false)).unwrap().unwrap();
    cards[0].alive.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        call(&*graph).unwrap();
    }
    assert_eq!((cards[0].calls(), cards[1].calls()), (0, 3));
    assert!(graph.health().is_ok());
    cards[1].alive.store(false, Ordering::SeqCst);
    assert_eq!(call(&*graph).unwrap_err().kind, ErrorKind::Unavailable);
    assert!(graph.health().unwrap_err().message.contains("fell off the bus"));
}

#[test]
fn fewer_devices_than_asked_for_are_told_with_what_the_others_said() {
    let accelerators = with(&[Card::new(None), Card::new(Some(ErrorKind::Overloaded))]);
    let failure = accelerators.load(&model(), None, &asked(DeviceKind::Gpu, 2, false)).map(drop).unwrap_err();
    assert!(failure.message.contains("on 2 devices (gpu), and 1 can") && failure.message.contains("full"), "{failure}");
}

#[test]
fn a_room_that_speaks_for_its_family_hides_the_drivers_seen_on_disk() {
    let accelerators = with(&[Card::new(None)]);
    accelerators.open();
    let seen = |kind| DeviceReport { name: "none", kind, available: false, detail: "on disk".to_owned() };
    let rows = accelerators.reports(vec![seen("cuda"), seen("opencl")]);
    let kinds: Vec<_> = rows.iter().map(|row| (row.kind, row.available)).collect();
    assert_eq!(kinds, [("cuda", true), ("opencl", false)]);
}
