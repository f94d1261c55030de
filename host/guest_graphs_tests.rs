#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_batcher::DispatchConfig;
use scorehost_core::SystemClock;
use scorehost_device::DeviceConfig;
use scorehost_memory::MemoryConfig;

use super::*;

fn fixture(name: &str) -> Bytes {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models").join(name);
    std::fs::read(path).unwrap().into()
}

/// Guests' graphs under a budget, and the memory that counts them.
fn bench(budget: Option<u64>) -> (GuestGraphs, ModelMemory) {
    let config = MemoryConfig { budget, ..MemoryConfig::default() };
    let memory = ModelMemory::new(config, Arc::new(SystemClock), tokio::runtime::Handle::current());
    let devices = Arc::new(Devices::discover(DeviceConfig::default()));
    let dispatcher = Arc::new(Dispatcher::new(DispatchConfig::default()).unwrap());
    (GuestGraphs::new(devices, dispatcher, memory.clone()), memory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_share_a_graph_by_its_bytes_and_the_last_one_frees_it() {
    let (graphs, memory) = bench(None);
    let (first, second) =
        tokio::join!(graphs.bring(fixture("linear_one.onnx")), graphs.bring(fixture("linear_one.onnx")));
    let snapshot = memory.snapshot();
    assert_eq!((snapshot.graphs.len(), snapshot.loaded(), snapshot.loads), (1, 1, 1));
    assert!(snapshot.graphs[0].pinned);
    assert!(snapshot.graphs[0].bytes > fixture("linear_one.onnx").len() as u64, "its file counts, too");
    assert!(snapshot.graphs[0].model.to_string().starts_with("wasi-nn-"));
    drop(first);
    assert_eq!(memory.snapshot().graphs.len(), 1, "the other instance has it");
    drop(second);
    assert_eq!(memory.snapshot().graphs.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphs_of_guests_take_their_part_of_the_budget_and_no_more() {
    let (unbounded, memory) = bench(None);
    let held = unbounded.bring(fixture("linear_one.onnx")).await.unwrap();
    let size = memory.snapshot().graphs[0].bytes;
    drop(held);
    // The second one is about as large as the first.
    let (graphs, memory) = bench(Some(size * 3));
    let held = graphs.bring(fixture("linear_one.onnx")).await.unwrap();
    let refused = graphs.bring(fixture("linear_two.onnx")).await.err().unwrap();
    assert_eq!(refused.kind, ErrorKind::TooLarge);
    assert!(refused.message.contains("wasi:nn") && refused.message.contains("half of the host's budget"), "{refused}");
    assert!(refused.hint.unwrap().contains("load-by-name"));
    assert!(graphs.bring(fixture("linear_one.onnx")).await.is_ok(), "what is there already takes nothing more");
    assert_eq!(memory.snapshot().graphs.len(), 1, "what was refused is not kept");
    drop(held);
    assert!(graphs.bring(fixture("linear_two.onnx")).await.is_ok(), "room comes back with the instance");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_model_leave_nothing_behind() {
    let (graphs, memory) = bench(Some(1 << 20));
    assert_eq!(graphs.bring(Bytes::from_static(b"no model")).await.err().unwrap().kind, ErrorKind::InvalidInput);
    let huge = graphs.bring(vec![0; 2 << 20].into()).await.err().unwrap();
    assert_eq!(huge.kind, ErrorKind::TooLarge, "{huge}");
    assert_eq!((memory.snapshot().graphs.len(), graphs.live().len()), (0, 0));
}
