//! Convolutions: batch at axis 0, channels at axis 1, then space.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{one, wrong};
use crate::infer::dim::Symbols;
use crate::infer::dim::shown;
use crate::infer::flow::first;
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Conv" => Operator::new(conv, first),
        "ConvInteger" => Operator::new(conv_integer, first),
        "QLinearConv" => Operator::new(conv_quantised, first),
        "ConvTranspose" => Operator::new(transposed, first),
        "DeformConv" => Operator::new(conv, crate::infer::flow::mixes),
        _ => return None,
    })
}

pub(super) fn conv(context: &mut Context<'_>) -> Answer {
    let dims = convolved(context, 0, 1)?;
    one(context.dtype(0)?, dims)
}

fn conv_integer(context: &mut Context<'_>) -> Answer {
    let dims = convolved(context, 0, 1)?;
    one(DType::I32, dims)
}

fn conv_quantised(context: &mut Context<'_>) -> Answer {
    let dims = convolved(context, 0, 3)?;
    one(context.dtype(7).or_else(|_| context.dtype(0))?, dims)
}

fn convolved(context: &mut Context<'_>, x: usize, w: usize) -> Result<Dims, Stop> {
    let (x, w) = (context.dims(x)?, context.dims(w)?);
    if x.len() != w.len() || x.len() < 3 {
        return wrong(format!("input {} and weights {} are no convolution", shown(&x), shown(&w)));
    }
    let group = Dim::known(context.node.int("group", 1).max(1));
    if w[1].times(&group).is_some_and(|channels| channels.differs(&x[1])) {
        return wrong(format!("input {} has other channels than weights {}", shown(&x), shown(&w)));
    }
    let window = Window::read(context, &w[2..])?;
    let mut dims = Dims::from_iter([x[0].clone(), w[0].clone()]);
    for (index, size) in x[2..].iter().enumerate() {
        dims.push(window.output(context.symbols, index, size)?);
    }
    Ok(dims)
}

/// A window that moves over space: how kernels and pools are described.
pub(super) struct Window {
    kernel: Vec<Option<i64>>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    pads: Vec<i64>,
    auto: String,
    ceil: bool,
}

impl Window {
    pub(super) fn read(context: &Context<'_>, kernel: &[Dim]) -> Result<Self, Stop> {
        let rank = kernel.len();
        let list = |name: &str, default: i64, length: usize| match context.node.ints(name) {
            Some(values) if values.len() == length => Ok(values.to_vec()),
            Some(values) => wrong(format!("'{name}' has {} entries, {length} are needed", values.len())),
            None => Ok(vec![default; length]),
        };
        let window = Self {
            kernel: kernel.iter().map(Dim::value).collect(),
            strides: list("strides", 1, rank)?,
            dilations: list("dilations", 1, rank)?,
            pads: list("pads", 0, 2 * rank)?,
            auto: context.node.text("auto_pad", "NOTSET").to_owned(),
            ceil: context.node.int("ceil_mode", 0) != 0,
        };
        if window.strides.iter().chain(&window.dilations).any(|value| *value < 1) {
            return wrong("a stride or dilation is below 1");
        }
        Ok(window)
    }

    /// Places of the window along a dimension.
    pub(super) fn output(&self, symbols: &mut Symbols, index: usize, size: &Dim) -> Result<Dim, Stop> {
        let stride = self.strides[index];
        let same = self.auto.starts_with("SAME");
        let pads = match &*self.auto {
            "NOTSET" | "" => (self.pads[index], self.pads[index + self.kernel.len()]),
            _ => (0, 0),
        };
        let (Some(size), Some(kernel)) = (size.value(), self.kernel[index]) else {
            let Some(kernel) = self.kernel[index] else { return Ok(symbols.from([size])) };
            let reach = (kernel - 1).saturating_mul(self.dilations[index]);
            if stride == 1 && (same || reach == pads.0.saturating_add(pads.1)) {
                return Ok(size.clone());
            }
            // Equal sizes come of equal differences between padding and reach, whatever the two are.
            let free = pads.0.saturating_add(pads.1).saturating_sub(reach);
            return Ok(match (same, self.ceil) {
                (true, _) => symbols.derived(size, [0, 0, stride, 0, 0, 0]),
                (_, false) => symbols.derived(size, [1, free, stride, 0, 0, 0]),
                (_, true) => symbols.derived(size, [2, free, stride, pads.0, 0, 0]),
            });
        };
        let ceil = |value: i64| value.max(0).unsigned_abs().div_ceil(stride.unsigned_abs()) as i64;
        if same {
            return Ok(Dim::known(ceil(size)));
        }
        let reach = kernel.saturating_sub(1).saturating_mul(self.dilations[index]).saturating_add(1);
        let free = size.saturating_add(pads.0).saturating_add(pads.1).saturating_sub(reach);
        if free < 0 {
            return wrong(format!(
                "the window of {reach} is larger than the padded input of {}",
                free.saturating_add(reach)
            ));
        }
        let mut places = if self.ceil { ceil(free) } else { free / stride }.saturating_add(1);
        // A window that would start in the padding behind the input has no element.
        if self.ceil && (places - 1).saturating_mul(stride) >= size.saturating_add(pads.0) {
            places -= 1;
        }
        Ok(Dim::known(places))
    }
}

fn transposed(context: &mut Context<'_>) -> Answer {
    let (x, w) = (context.dims(0)?, context.dims(1)?);
    if x.len() != w.len() || x.len() < 3 {
        return wrong(format!("input {} and weights {} are no convolution", shown(&x), shown(&w)));
    }
    let group = Dim::known(context.node.int("group", 1).max(1));
    let channels = w[1].times(&group).ok_or(Stop::Unknown)?;
    let window = Window::read(context, &w[2..])?;
    let mut dims = Dims::from_iter([x[0].clone(), channels]);
    for (index, size) in x[2..].iter().enumerate() {
        let out = enlarged(context, &window, index, size);
        let kernel = w[index + 2].value().unwrap_or(0);
        let pads = window.pads[index].saturating_add(window.pads[index + window.kernel.len()]);
        let parameters = [3, kernel, window.strides[index], window.dilations[index], pads, index as i64];
        dims.push(out.unwrap_or_else(|| context.symbols.derived(size, parameters)));
    }
    one(context.dtype(0)?, dims)
}

fn enlarged(context: &Context<'_>, window: &Window, index: usize, size: &Dim) -> Option<Dim> {
    if let Some(shape) = context.node.ints("output_shape") {
        let skip = shape.len().checked_sub(window.kernel.len())?;
        return shape.get(index + skip).map(|size| Dim::known((*size).max(0)));
    }
    let (size, stride) = (size.value()?, window.strides[index]);
    if window.auto.starts_with("SAME") {
        return Some(Dim::known(size.checked_mul(stride)?));
    }
    let extra = context.node.ints("output_padding").and_then(|extra| extra.get(index)).copied().unwrap_or(0);
    let reach = (window.kernel[index]? - 1).checked_mul(window.dilations[index])?.checked_add(1)?;
    let pads = match &*window.auto {
        "VALID" => 0,
        _ => window.pads[index].checked_add(window.pads[index + window.kernel.len()])?,
    };
    let out = (size - 1).checked_mul(stride)?.checked_add(extra)?.checked_add(reach)?.checked_sub(pads)?;
    Some(Dim::known(out.max(0)))
}
