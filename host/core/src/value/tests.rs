#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::*;
use crate::ErrorKind;

/// Memory of a device that is the host's.
struct Fake {
    id: MemoryId,
    bytes: Bytes,
    reads: AtomicU32,
}

impl DeviceMemory for Fake {
    fn id(&self) -> &MemoryId {
        &self.id
    }

    fn read(&self, offset: u64, length: u64) -> Result<Bytes, Failure> {
        self.reads.fetch_add(1, Relaxed);
        if self.bytes.is_empty() {
            return Err(Failure::new(ErrorKind::Unavailable, "the device is lost"));
        }
        Ok(self.bytes.slice(offset as usize..(offset + length) as usize))
    }

    fn load(&self, _: &Bytes) -> Result<Arc<dyn Graph>, Failure> {
        Err(Failure::new(ErrorKind::Unsupported, "no kernels"))
    }
}

fn fake(bytes: &[u8]) -> Arc<Fake> {
    Arc::new(Fake { id: MemoryId::new("fake:0"), bytes: Bytes::copy_from_slice(bytes), reads: AtomicU32::new(0) })
}

fn on(memory: &Arc<Fake>, shape: &[u64], offset: u64) -> Value {
    Value::Device(DeviceTensor::new(DType::U8, shape, Arc::clone(memory) as Arc<dyn DeviceMemory>, offset).unwrap())
}

fn named(name: &str, value: Value) -> NamedValue {
    NamedValue { name: name.into(), value }
}

#[test]
fn elements_are_fetched_once_for_all_that_share_them() {
    let memory = fake(&[9, 0, 1, 2, 3, 4, 5]);
    let value = on(&memory, &[3, 2], 1);
    let flat = value.reshape([6u64].as_slice()).unwrap();
    assert_eq!(&value.fetch().unwrap().data()[..], &[0, 1, 2, 3, 4, 5]);
    assert_eq!(&flat.fetch().unwrap().data()[..], &[0, 1, 2, 3, 4, 5]);
    assert_eq!(&value.rows(1, 2).unwrap().fetch().unwrap().data()[..], &[2, 3]);
    assert_eq!(memory.reads.load(Relaxed), 1);
}

#[test]
fn rows_fetch_their_own_elements_only() {
    let memory = fake(&[0, 1, 2, 3, 4, 5]);
    let rows = on(&memory, &[3, 2], 0).rows(1, 3).unwrap().rows(1, 2).unwrap();
    assert_eq!((rows.shape(), rows.byte_len()), (&[1, 2][..], 2));
    assert_eq!(&rows.fetch().unwrap().data()[..], &[4, 5]);
}

#[test]
fn what_cannot_be_is_refused_as_for_tensors_of_the_host() {
    let memory = fake(&[0; 6]);
    let value = on(&memory, &[3, 2], 0);
    assert_eq!(value.reshape([5u64].as_slice()).unwrap_err(), TensorError::Reshape { from: vec![3, 2], to: vec![5] });
    assert_eq!(value.rows(2, 4).unwrap_err(), TensorError::Rows { start: 2, end: 4, shape: vec![3, 2] });
    let shared: Arc<dyn DeviceMemory> = memory;
    assert!(DeviceTensor::new(DType::Bytes, [1u64].as_slice(), Arc::clone(&shared), 0).is_err());
    assert!(DeviceTensor::new(DType::F64, [u64::MAX, 2].as_slice(), shared, 0).is_err());
}

#[test]
fn calls_are_joined_from_wherever_they_are() {
    let memory = fake(&[7, 8, 9]);
    let host = Tensor::new(DType::U8, [1u64].as_slice(), Bytes::from_static(&[1])).unwrap();
    let one = [named("x", on(&memory, &[2], 1))];
    let two = [named("x", host.into())];
    let joined = joined(&[&one, &two]).unwrap();
    assert_eq!((joined[0].tensor.shape(), &joined[0].tensor.data()[..]), (&[3][..], &[8, 9, 1][..]));
}

#[test]
fn a_lost_device_fails_the_call_that_needs_its_values() {
    let lost = [named("x", on(&fake(&[]), &[2], 0))];
    assert_eq!(joined(&[&lost]).unwrap_err().kind, ErrorKind::Unavailable);
}

#[test]
fn a_set_of_outputs_holds_the_first_64() {
    let set = OutputSet::NONE.with(0).with(63).with(64);
    assert_eq!([0, 1, 63, 64].map(|index| set.has(index)), [true, false, true, false]);
    assert_eq!(set.and(OutputSet::NONE.with(63)), OutputSet::NONE.with(63));
}
