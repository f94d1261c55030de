//! Values that a model leaves on its device, as scorers have them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use scorehost_core::{
    BoxFuture, CallContext, DType, DeployedModel, DeviceMemory, DeviceTensor, ErrorKind, Failure, Graph, MemoryId,
    Model, ModelMetadata, ModelSet, NamedTensors, NamedValue, NamedValues, OutputSet, Value,
};

use crate::guests;
use crate::support::{Bench, Doubler, bench, engine, floats, x};

/// A card's memory that holds two floats, until the card is lost.
struct Card {
    id: MemoryId,
    lost: AtomicBool,
}

impl DeviceMemory for Card {
    fn id(&self) -> &MemoryId {
        &self.id
    }

    fn read(&self, _: u64, _: u64) -> Result<Bytes, Failure> {
        if self.lost.load(Relaxed) {
            return Err(Failure::new(ErrorKind::Unavailable, "card 0 is lost"));
        }
        Ok([1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn load(&self, _: &Bytes) -> Result<Arc<dyn Graph>, Failure> {
        Err(Failure::new(ErrorKind::Unsupported, "no kernels"))
    }
}

/// A model that always leaves its output on the card.
struct OnCard {
    card: Arc<Card>,
    doubler: Doubler,
}

impl Model for OnCard {
    fn metadata(&self) -> &ModelMetadata {
        self.doubler.metadata()
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        outputs: &'a [Arc<str>],
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        self.doubler.run(inputs, outputs, call)
    }

    fn memory(&self) -> Option<MemoryId> {
        Some(self.card.id.clone())
    }

    fn run_values<'a>(
        &'a self,
        _: NamedValues,
        _: &'a [Arc<str>],
        keep: OutputSet,
        _: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedValues, Failure>> {
        assert_eq!(keep, OutputSet::NONE, "nothing was ever passed on");
        let memory: Arc<dyn DeviceMemory> = Arc::<Card>::clone(&self.card);
        let tensor = DeviceTensor::new(DType::F32, [2u64].as_slice(), memory, 0).unwrap();
        let output = NamedValue { name: "y".into(), value: Value::Device(tensor) };
        Box::pin(std::future::ready(Ok(vec![output])))
    }
}

fn on_card() -> (Bench, Arc<Card>) {
    let mut bench = bench();
    let card = Arc::new(Card { id: MemoryId::new("card:0"), lost: AtomicBool::new(false) });
    let model = OnCard { card: Arc::clone(&card), doubler: Doubler::new(false) };
    let deployed = bench.environment.models.open("twice").unwrap().clone();
    bench.environment.models = ModelSet::new(vec![DeployedModel { model: Some(Arc::new(model)), ..deployed }]);
    (bench, card)
}

#[tokio::test]
async fn what_a_scorer_returns_or_reads_leaves_the_device() {
    for guest in [guests::calls_model("x"), guests::reads_model()] {
        let (bench, _) = on_card();
        let mut replica = bench.replica(&engine(), &guest).await.unwrap();
        let outputs = replica.infer(x(&[1.0, 2.0]), &CallContext::new("r")).await.unwrap();
        assert_eq!(floats(&outputs[0].tensor), [1.5, -2.0]);
    }
}

#[tokio::test]
async fn a_lost_device_ends_the_call_that_needs_its_values_in_its_own_words() {
    for guest in [guests::calls_model("x"), guests::reads_model()] {
        let (bench, card) = on_card();
        let mut replica = bench.replica(&engine(), &guest).await.unwrap();
        card.lost.store(true, Relaxed);
        let failure = replica.infer(x(&[1.0, 2.0]), &CallContext::new("r")).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.message), (ErrorKind::Unavailable, "card 0 is lost"));
    }
}
