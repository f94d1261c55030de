//! Operations of scorers on values that stay on the device, against the processor's.

use scorehost_core::{DType, Graph, NamedValue, OutputSet, Tensor, Value};
use scorehost_device_opencl::OpenClGpus;
use scorehost_graph::{Model, ModelWriter};
use scorehost_operations as op;
use scorehost_operations::{Cpu, Device, Operation, Watch, WhereTheyAre};
use scorehost_plan::Style;

use crate::inputs::{Random, distance};
use crate::{devices, open, options};

/// A tensor on the device: what a model made that does nothing.
fn upload(gpus: &OpenClGpus, tensor: &Tensor) -> Value {
    let mut writer = ModelWriter::default();
    writer.input("x", tensor.dtype(), tensor.shape().len());
    writer.node("Identity", &["x"], "y", &[]);
    writer.output("y", tensor.dtype(), tensor.shape().len());
    let model = Model::read(writer.finish(), None).unwrap();
    let graph = gpus.load(0, &model, options(Style::Cores)).unwrap();
    let input = [NamedValue { name: "x".into(), value: tensor.clone().into() }];
    let value = graph.run_calls(&[&input], &[0], OutputSet::NONE.with(0), None).unwrap().remove(0).value;
    assert_eq!(value.memory(), graph.memory().as_ref());
    value
}

fn floats(shape: &[u64], seed: u64) -> Tensor {
    let mut random = Random::new(seed);
    let count = shape.iter().product::<u64>();
    let values: Vec<f32> = (0..count).map(|_| ((random.next() >> 40) as f32 / (1u64 << 22) as f32) - 2.0).collect();
    Tensor::from_f32(shape, &values).unwrap()
}

/// With NaN, infinities, zeros of both signs and equal numbers.
fn corners(shape: &[u64]) -> Tensor {
    let some = [1.5, f32::NAN, -0.0, f32::INFINITY, 0.0, 1.5, f32::NEG_INFINITY, -3.0, 7.0, f32::NAN, 7.0];
    let count = shape.iter().product::<u64>() as usize;
    Tensor::from_f32(shape, &some.iter().copied().cycle().take(count).collect::<Vec<_>>()).unwrap()
}

fn bytes(shape: &[u64], seed: u64) -> Tensor {
    let mut random = Random::new(seed);
    let count = shape.iter().product::<u64>();
    Tensor::new(DType::U8, shape, (0..count).map(|_| random.next() as u8).collect::<Vec<_>>().into()).unwrap()
}

fn integers(shape: &[u64], values: &[i64]) -> Tensor {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::new(DType::I64, shape, data.into()).unwrap()
}

fn range(start: Option<i64>, end: Option<i64>, step: i64) -> op::Range {
    op::Range { start, end, step }
}

fn normalize(from: op::Layout, to: op::Layout, reverse: bool) -> op::Normalize {
    op::Normalize {
        scale: 1.0 / 255.0,
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        from,
        to,
        reverse,
    }
}

/// The results on the device and on the processor.
fn both(gpus: &OpenClGpus, near: &WhereTheyAre, operation: &Operation, inputs: &[Tensor]) -> (Value, Tensor) {
    let expected = Cpu.compute(operation, inputs, &Watch::none()).unwrap().remove(0);
    let values: Vec<Value> = inputs.iter().map(|tensor| upload(gpus, tensor)).collect();
    assert!(near.follows(operation, &values), "{}", operation.name());
    (near.run(operation, &values, &Watch::none()).unwrap().remove(0), expected)
}

#[test]
fn results_are_those_of_the_processor_and_stay_on_the_device() {
    let Some(gpus) = devices() else { return };
    use op::Layout::{ChannelsFirst as First, ChannelsLast as Last};
    let near = WhereTheyAre::default();
    let exact: Vec<(Operation, Vec<Tensor>)> = vec![
        (op::Transpose { axes: vec![2, 0, 1] }.into(), vec![floats(&[2, 3, 5], 1)]),
        (op::Transpose { axes: vec![] }.into(), vec![bytes(&[4, 3], 2)]),
        (op::Slice { ranges: vec![range(None, None, -1), range(Some(-3), None, 2)] }.into(), vec![floats(&[3, 8], 3)]),
        (op::Slice { ranges: vec![range(Some(5), Some(-7), -2)] }.into(), vec![integers(&[6], &[1, 2, 3, 4, 5, 6])]),
        (op::Slice { ranges: vec![range(Some(1), Some(3), 1)] }.into(), vec![floats(&[4, 8], 4)]),
        (op::Concat { axis: -1 }.into(), vec![floats(&[2, 3], 5), floats(&[2, 1], 6), floats(&[2, 4], 7)]),
        (op::Stack { axis: -1 }.into(), vec![floats(&[2, 3], 8), floats(&[2, 3], 9)]),
        (op::Stack { axis: 0 }.into(), vec![bytes(&[5], 10)]),
        (op::Pad { before: vec![1, 0], after: vec![2, 3], fill: -1.5 }.into(), vec![floats(&[2, 3], 11)]),
        (op::Cast { to: DType::F32 }.into(), vec![bytes(&[7, 3], 12)]),
        (op::Cast { to: DType::F16 }.into(), vec![floats(&[9], 13)]),
        (op::Arithmetic { operator: op::Operator::Subtract }.into(), vec![corners(&[4, 6]), floats(&[6], 14)]),
        (op::Arithmetic { operator: op::Operator::Multiply }.into(), vec![floats(&[1], 15), corners(&[3, 5])]),
        (op::ArithmeticScalar { operator: op::Operator::Add, scalar: 0.25 }.into(), vec![corners(&[33])]),
        (op::Compare { comparison: op::Comparison::LessEqual, scalar: 1.5 }.into(), vec![corners(&[4, 11])]),
        (op::Compare { comparison: op::Comparison::NotEqual, scalar: 7.0 }.into(), vec![corners(&[44])]),
        (op::Compare { comparison: op::Comparison::Equal, scalar: 0.0 }.into(), vec![corners(&[44])]),
        (op::Clip { minimum: -1.0, maximum: 2.0 }.into(), vec![corners(&[5, 11])]),
        (op::Argmax { axis: 1, keep_dims: false }.into(), vec![floats(&[6, 50], 16)]),
        (op::Argmax { axis: -1, keep_dims: true }.into(), vec![corners(&[4, 11])]),
        (op::Argmax { axis: 0, keep_dims: false }.into(), vec![floats(&[6, 7, 2], 17)]),
    ];
    for (operation, inputs) in &exact {
        let (actual, expected) = both(gpus, &near, operation, inputs);
        assert!(actual.memory().is_some(), "{operation:?} left the device");
        let actual = actual.fetch().unwrap();
        assert_eq!((actual.dtype(), actual.shape()), (expected.dtype(), expected.shape()), "{operation:?}");
        assert_eq!(plain(&actual), plain(&expected), "{operation:?}");
    }
    let rounded: Vec<(Operation, Vec<Tensor>)> = vec![
        (op::Arithmetic { operator: op::Operator::Divide }.into(), vec![floats(&[8, 3], 18), floats(&[3], 19)]),
        (op::Softmax { axis: -1 }.into(), vec![floats(&[5, 9], 20)]),
        (op::Softmax { axis: 0 }.into(), vec![floats(&[6, 4], 21)]),
        (op::Matmul.into(), vec![floats(&[2, 5, 7], 22), floats(&[7, 3], 23)]),
        (op::Matmul.into(), vec![floats(&[7], 24), floats(&[7, 3], 25)]),
        (op::Matmul.into(), vec![floats(&[4, 7], 26), floats(&[7], 27)]),
        (reduce(op::Reduction::Sum, &[1], false), vec![floats(&[3, 40, 2], 28)]),
        (reduce(op::Reduction::Mean, &[], true), vec![floats(&[3, 4], 29)]),
        (reduce(op::Reduction::Mean, &[-1, 0], false), vec![floats(&[3, 4, 5], 30)]),
        (normalize(Last, First, false).into(), vec![bytes(&[6, 5, 3], 31)]),
        (normalize(First, Last, true).into(), vec![floats(&[2, 3, 4, 5], 32)]),
        (normalize(First, First, true).into(), vec![bytes(&[3, 4, 5], 33)]),
        (resize(7, 3, First).into(), vec![floats(&[2, 3, 4, 5], 34)]),
        (resize(9, 11, Last).into(), vec![floats(&[4, 5, 3], 35)]),
        (resize(2, 2, Last).into(), vec![floats(&[7, 5, 1], 36)]),
    ];
    for (operation, inputs) in &rounded {
        let (actual, expected) = both(gpus, &near, operation, inputs);
        assert!(actual.memory().is_some(), "{operation:?} left the device");
        let apart = distance(&actual.fetch().unwrap(), &expected);
        assert!(apart < 1e-6, "{operation:?}: {apart:e}");
    }
}

/// Bytes of a tensor with every NaN alike: which one it is, nobody promises.
fn plain(tensor: &Tensor) -> Vec<u8> {
    if tensor.dtype() != DType::F32 {
        return tensor.data().to_vec();
    }
    let one = |bytes: &[u8; 4]| f32::from_le_bytes(*bytes);
    let same = |value: f32| if value.is_nan() { f32::NAN } else { value };
    tensor.data().as_chunks().0.iter().flat_map(|bytes| same(one(bytes)).to_le_bytes()).collect()
}

fn resize(height: u32, width: u32, layout: op::Layout) -> op::Resize {
    op::Resize { height, width, interpolation: op::Interpolation::Bilinear, antialias: false, layout }
}

fn reduce(reduction: op::Reduction, axes: &[i32], keep_dims: bool) -> Operation {
    op::Reduce { reduction, axes: axes.to_vec(), keep_dims }.into()
}

#[test]
fn indices_are_looked_at_before_a_device_follows_them() {
    let Some(gpus) = devices() else { return };
    let near = WhereTheyAre::default();
    let values = upload(gpus, &floats(&[4, 3], 1));
    let gather: Operation = op::Gather { axis: 0 }.into();
    let run = |indices: &Value| near.run(&gather, &[values.clone(), indices.clone()], &Watch::none());
    let good: Value = integers(&[3], &[2, -4, 3]).into();
    let found = run(&good).unwrap().remove(0);
    assert!(found.memory().is_some());
    let expected = Cpu.run(&gather, &[values.clone(), good.clone()], &Watch::none()).unwrap().remove(0);
    assert_eq!(found.fetch().unwrap().data(), expected.fetch().unwrap().data());
    // Indices on the device are fetched, and those out of range refused by the processor.
    let far = integers(&[1], &[4]);
    let on_device = upload(gpus, &integers(&[3], &[2, -4, 3]));
    assert_eq!(run(&on_device).unwrap().remove(0).memory(), None);
    for bad in [far.clone().into(), upload(gpus, &far)] {
        assert!(run(&bad).unwrap_err().to_string().contains('4'));
    }
}

#[test]
fn what_the_device_does_not_compute_the_processor_does() {
    let Some(gpus) = devices() else { return };
    let near = WhereTheyAre::default();
    let values = [upload(gpus, &corners(&[4, 6]))];
    let others: [Operation; 3] = [
        op::TopK { k: 2, axis: -1, largest: true }.into(),
        op::Reduce { reduction: op::Reduction::Max, axes: vec![], keep_dims: false }.into(),
        op::Cast { to: DType::I32 }.into(),
    ];
    for operation in &others {
        assert!(!near.follows(operation, &values) && !near.prepares(operation, &values));
        let found = near.run(operation, &values, &Watch::none()).unwrap();
        let expected = Cpu.run(operation, &values, &Watch::none()).unwrap();
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found.memory(), None);
            assert_eq!(plain(&found.fetch().unwrap()), plain(&expected.fetch().unwrap()), "{operation:?}");
        }
    }
}

#[test]
fn arguments_are_refused_with_the_processors_words() {
    let Some(gpus) = devices() else { return };
    let near = WhereTheyAre::default();
    let tensor = floats(&[4, 6], 1);
    let value = upload(gpus, &tensor);
    let wrong: [Operation; 3] = [
        op::Transpose { axes: vec![0, 0] }.into(),
        op::Softmax { axis: 2 }.into(),
        op::Clip { minimum: 2.0, maximum: 1.0 }.into(),
    ];
    for operation in &wrong {
        assert!(!near.follows(operation, std::slice::from_ref(&value)));
        let found = near.run(operation, std::slice::from_ref(&value), &Watch::none()).unwrap_err();
        let expected = Cpu.compute(operation, std::slice::from_ref(&tensor), &Watch::none()).unwrap_err();
        assert_eq!(found.to_string(), expected.to_string());
    }
}

#[test]
fn an_operation_is_prepared_once_for_each_shape() {
    let Some(gpus) = devices() else { return };
    let near = WhereTheyAre::default();
    let operation: Operation = op::ArithmeticScalar { operator: op::Operator::Multiply, scalar: 3.0 }.into();
    let (one, two) = ([upload(gpus, &floats(&[4, 6], 1))], [upload(gpus, &floats(&[5, 6], 1))]);
    assert!(near.prepares(&operation, &one));
    near.run(&operation, &one, &Watch::none()).unwrap();
    assert_eq!([near.prepares(&operation, &one), near.prepares(&operation, &two)], [false, true]);
    near.run(&operation, &two, &Watch::none()).unwrap();
    assert!(!near.prepares(&operation, &two));
}

#[test]
fn a_full_device_leaves_an_operation_to_the_processor() {
    let Some(gpus) = open(Some(1 << 20), true) else { return };
    let near = WhereTheyAre::default();
    let tensor = floats(&[128, 256], 1);
    let value = upload(&gpus, &tensor);
    let Value::Device(on_device) = &value else { panic!("128 KiB stay in 1 MiB") };
    // 32 copies need 4 MiB.
    let copies: Vec<Value> = std::iter::repeat_n(value.clone(), 32).collect();
    let operation: Operation = op::Concat { axis: 0 }.into();
    let joined = near.run(&operation, &copies, &Watch::none()).unwrap().remove(0);
    assert_eq!((joined.memory(), joined.shape()), (None, &[128 * 32, 256][..]));
    assert_eq!(&joined.fetch().unwrap().data()[..tensor.data().len()], &tensor.data()[..]);
    assert_eq!(on_device.memory().read(0, 4).unwrap(), tensor.data().slice(..4));
}
