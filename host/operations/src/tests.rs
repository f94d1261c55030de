#![allow(clippy::unwrap_used, reason = "tests")]

mod cases;
mod hostile;
mod limits;

use scorehost_core::{DType, Tensor};

use crate::{Cpu, Operation, OperationError, Watch};

fn run(operation: impl Into<Operation>, inputs: &[Tensor]) -> Result<Vec<Tensor>, OperationError> {
    Cpu.compute(&operation.into(), inputs, &Watch::none())
}

fn one(operation: impl Into<Operation>, inputs: &[Tensor]) -> Tensor {
    run(operation, inputs).unwrap().remove(0)
}

fn u8s(shape: &[u64], values: &[u8]) -> Tensor {
    Tensor::new(DType::U8, shape, values.to_vec().into()).unwrap()
}

fn f32s(shape: &[u64], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape, values).unwrap()
}

fn i64s(shape: &[u64], values: &[i64]) -> Tensor {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::new(DType::I64, shape, data.into()).unwrap()
}

/// The same tensor with its bytes one off the elements' alignment.
fn unaligned(tensor: &Tensor) -> Tensor {
    let size = tensor.dtype().size().unwrap();
    let data = tensor.data();
    let mut room = vec![0; data.len() + 2 * size];
    let odd = (0..size).find(|at| room[*at..].as_ptr().align_offset(size) == size - 1).unwrap_or(1);
    room[odd..odd + data.len()].copy_from_slice(data);
    let bytes = bytes::Bytes::from(room).slice(odd..odd + data.len());
    Tensor::new(tensor.dtype(), tensor.shape(), bytes).unwrap()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    let wide = if tensor.dtype() == DType::F64 {
        tensor.clone()
    } else {
        one(crate::Cast { to: DType::F64 }, std::slice::from_ref(tensor))
    };
    crate::element::view::<f64>(&wide).into_owned()
}
