//! The operators of neural networks that take the time: convolutions, products, normalisations, attention.
//!
//! All compute in single precision; half precision is widened before and rounded behind, double precision is kept where
//! an operator's sum is long (products, convolutions) and narrowed otherwise.

mod activation;
mod attention;
mod columns;
mod conv;
mod norm;
mod pairs;
mod pointwise;
mod pool;
mod product;
mod recurrent;
mod resize;
mod softmax;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;

use half::{bf16, f16};
use scorehost_core::DType;

use super::{Arguments, Attributes, Kernel, Results, Table};
use crate::reference::array::{Array, Element, Elements};

/// The operators of this module. They come before the general forms of the same operators, which they fall back to for
/// other element types.
pub(super) const OPERATORS: Table = &[
    ("", "Conv", conv::conv),
    ("scorehost", "FusedConv", conv::conv),
    ("", "ConvTranspose", conv::conv_transpose),
    ("", "DeformConv", conv::deform_conv),
    ("", "MatMul", product::matmul),
    ("", "Gemm", product::gemm),
    ("scorehost", "FusedMatMul", product::fused),
    ("", "MaxPool", pool::max_pool),
    ("", "MaxUnpool", pool::max_unpool),
    ("", "AveragePool", pool::average_pool),
    ("", "LpPool", pool::lp_pool),
    ("", "GlobalAveragePool", pool::global),
    ("", "GlobalMaxPool", pool::global),
    ("", "GlobalLpPool", pool::global),
    ("", "BatchNormalization", norm::batch_norm),
    ("", "LayerNormalization", norm::layer_norm),
    ("scorehost", "SkipLayerNorm", norm::skip_layer_norm),
    ("", "RMSNormalization", norm::rms_norm),
    ("", "InstanceNormalization", norm::group_norm),
    ("", "GroupNormalization", norm::group_norm),
    ("", "Softmax", softmax::softmax),
    ("", "LogSoftmax", softmax::log_softmax),
    ("", "Add", pairs::add),
    ("", "Sub", pairs::sub),
    ("", "Mul", pairs::mul),
    ("", "Div", pairs::div),
    ("", "Pow", pairs::pow),
    ("", "ReduceMean", pairs::mean),
    ("", "RNN", recurrent::recurrent),
    ("", "LSTM", recurrent::recurrent),
    ("", "GRU", recurrent::recurrent),
    ("", "Resize", resize::resize),
    ("", "Upsample", resize::upsample),
    ("", "Attention", attention::attention),
    ("scorehost", "FusedAttention", attention::fused),
    ("", "Relu", pointwise::build),
    ("", "LeakyRelu", pointwise::build),
    ("", "Sigmoid", pointwise::build),
    ("", "HardSigmoid", pointwise::build),
    ("", "HardSwish", pointwise::build),
    ("", "Tanh", pointwise::build),
    ("", "Gelu", pointwise::build),
    ("", "Swish", pointwise::build),
    ("", "Clip", pointwise::build),
    ("", "Erf", pointwise::build),
    ("", "Exp", pointwise::build),
    ("", "Sqrt", pointwise::build),
    ("", "Neg", pointwise::build),
    ("", "Abs", pointwise::build),
    ("", "Reciprocal", pointwise::build),
    ("", "Softplus", pointwise::build),
    ("", "Mish", pointwise::build),
];

/// A kernel for single precision; other element types go to the operator's general form.
fn fast(
    attributes: &Attributes<'_>,
    run: impl Fn(&mut Arguments<'_>) -> Results + Send + Sync + 'static,
) -> Result<Kernel, String> {
    let general = super::general(attributes.0).map(|build| build(attributes)).transpose()?;
    Ok(Box::new(move |inputs| match (&inputs.get(0)?.elements, &general) {
        (Elements::F32(_), _) => run(inputs),
        (_, Some(general)) => general(inputs),
        (other, None) => Err(format!("{} is not supported here", other.dtype())),
    }))
}

/// A kernel for single precision; other floats are converted.
fn single(run: impl Fn(&mut Arguments<'_>) -> Results + Send + Sync + 'static) -> Kernel {
    Box::new(move |inputs| match &inputs.get(0)?.elements {
        Elements::F16(_) | Elements::BF16(_) | Elements::F64(_) => in_single(inputs, &run),
        _ => run(inputs),
    })
}

/// Runs with all floats in single precision, and gives results the type of the first input again.
fn in_single(inputs: &Arguments<'_>, run: impl Fn(&mut Arguments<'_>) -> Results) -> Results {
    let dtype = inputs.get(0)?.elements.dtype();
    let narrow = |input: &Option<Arc<Array>>| input.as_ref().map(narrowed);
    let mut narrowed: Vec<Option<Arc<Array>>> = inputs.0.iter().map(narrow).collect();
    let results = run(&mut Arguments(&mut narrowed))?;
    Ok(results.into_iter().map(|result| rounded(result, dtype)).collect())
}

fn narrowed(input: &Arc<Array>) -> Arc<Array> {
    let numbers: Vec<f32> = match &input.elements {
        Elements::F16(values) => values.iter().map(|x| x.to_f32()).collect(),
        Elements::BF16(values) => values.iter().map(|x| x.to_f32()).collect(),
        Elements::F64(values) => values.iter().map(|x| *x as f32).collect(),
        _ => return input.clone(),
    };
    Arc::new(Array { shape: input.shape.clone(), elements: f32::wrap(numbers) })
}

fn rounded(result: Array, dtype: DType) -> Array {
    let elements = match (&result.elements, dtype) {
        (Elements::F32(values), DType::F16) => f16::wrap(values.iter().map(|x| f16::from_f32(*x)).collect()),
        (Elements::F32(values), DType::BF16) => bf16::wrap(values.iter().map(|x| bf16::from_f32(*x)).collect()),
        (Elements::F32(values), DType::F64) => f64::wrap(values.iter().map(|x| f64::from(*x)).collect()),
        _ => return result,
    };
    Array { shape: result.shape, elements }
}
