//! Convolutions with what follows them: normalisation, scales and shifts for each channel, and a sum with an earlier value.

use scorehost_core::{DType, Tensor};

use super::net::{Net, instead};
use crate::{Node, ValueId};

/// A convolution with constant weights, whose output nobody else reads.
struct Convolution {
    index: usize,
    node: Node,
    weights: Vec<f32>,
    shape: Vec<u64>,
    bias: Vec<f32>,
    /// Elements of the weights between one output channel and the next.
    inner: usize,
}

impl Convolution {
    fn find(net: &Net<'_>, value: ValueId) -> Option<Self> {
        let (index, node) = net.own(value, "Conv").or_else(|| net.own(value, "ConvTranspose"))?;
        let weights = net.constant(node.input(1)?).filter(|tensor| tensor.dtype() == DType::F32)?;
        let shape = weights.shape().to_vec();
        // A transposed convolution has its output channels at the second place, and in groups in another order.
        let at = usize::from(node.is("ConvTranspose"));
        if at == 1 && node.int("group", 1) != 1 {
            return None;
        }
        let channels = usize::try_from(*shape.get(at)?).ok().filter(|channels| *channels > 0)?;
        let bias = match node.input(2) {
            Some(bias) => net.floats(bias)?,
            None => vec![0.0; channels],
        };
        let inner = shape[at + 1..].iter().product::<u64>() as usize;
        let weights = net.floats(node.input(1)?)?;
        (bias.len() == channels).then(|| Self { index, node: node.clone(), weights, shape, bias, inner })
    }

    fn channels(&self) -> usize {
        self.bias.len()
    }

    /// Multiplies each output channel by a number and adds another.
    fn apply(mut self, net: &mut Net<'_>, last: usize, scale: &[f32], shift: &[f32]) -> Option<()> {
        let channels = self.channels();
        if scale.iter().any(|scale| *scale != 1.0) {
            for (chunk, elements) in self.weights.chunks_mut(self.inner.max(1)).enumerate() {
                elements.iter_mut().for_each(|element| *element *= scale[chunk % channels]);
            }
            self.node.inputs[1] = Some(net.add_constant(self.node.input(1)?, &self.shape, &self.weights)?);
        }
        let bias: Vec<f32> =
            (0..channels).map(|channel| self.bias[channel] * scale[channel] + shift[channel]).collect();
        let bias = net.add_constant(self.node.input(1)?, &[channels as u64], &bias)?;
        self.node.inputs.resize(3, None);
        self.node.inputs[2] = Some(bias);
        self.node.outputs = vec![net.node(last)?.output(0)];
        net.replace(last, &[self.index], self.node)
    }
}

/// The numbers of a constant that has one, or one for each channel of an output of `rank` dimensions.
fn per_channel(net: &Net<'_>, value: ValueId, channels: usize, rank: usize) -> Option<Vec<f32>> {
    let tensor: &Tensor = net.constant(value)?;
    let numbers = net.floats(value)?;
    let shape = tensor.shape();
    if numbers.len() == 1 && shape.len() <= rank {
        return Some(vec![numbers[0]; channels]);
    }
    let at = (shape.len() + 1).checked_sub(rank)?;
    let fits = shape.get(at) == Some(&(channels as u64)) && numbers.len() == channels && shape.len() <= rank;
    fits.then_some(numbers)
}

/// `BatchNormalization`, or a product or sum with constants, behind a convolution.
pub(super) fn affine(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.node(index)?;
    let scales = match (&*node.domain, &*node.operator) {
        ("", "BatchNormalization") => return normalised(net, index),
        ("", "Mul") => true,
        ("", "Add") => false,
        _ => return None,
    };
    let (value, constant) = net.with_constant(node)?;
    let conv = Convolution::find(net, value)?;
    let numbers = per_channel(net, constant, conv.channels(), conv.shape.len())?;
    let (ones, zeros) = (vec![1.0; numbers.len()], vec![0.0; numbers.len()]);
    if scales { conv.apply(net, index, &numbers, &zeros) } else { conv.apply(net, index, &ones, &numbers) }
}

fn normalised(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.node(index)?;
    let trains = node.int("training_mode", 0) != 0 || node.outputs.iter().skip(1).any(Option::is_some);
    if trains || node.int("spatial", 1) == 0 {
        return None;
    }
    let conv = Convolution::find(net, node.input(0)?)?;
    let part = |index: usize| net.floats(node.input(index)?).filter(|values| values.len() == conv.channels());
    let (gamma, beta, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
    let epsilon = node.float("epsilon", 1e-5);
    let scale: Vec<f32> =
        gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + epsilon).sqrt()).collect();
    let shift: Vec<f32> = (0..scale.len()).map(|channel| beta[channel] - mean[channel] * scale[channel]).collect();
    // A variance that is no number makes weights that are none; then the model's own nodes shall say so.
    if !scale.iter().chain(&shift).all(|number| number.is_finite()) {
        return None;
    }
    conv.apply(net, index, &scale, &shift)
}

/// A convolution of a · x + b with two numbers, where no padding brings in elements that are neither multiplied nor added to.
pub(super) fn before(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "Conv")?;
    let padded = node.ints("pads").is_some_and(|pads| pads.iter().any(|pad| *pad != 0));
    let (_, add) = net.own(node.input(0)?, "Add")?;
    if padded || !matches!(node.text("auto_pad", "NOTSET"), "NOTSET" | "VALID") {
        return None;
    }
    let (scaled, shift) = net.with_constant(add)?;
    let (_, mul) = net.own(scaled, "Mul")?;
    let (x, scale) = net.with_constant(mul)?;
    let (scale, shift) = (net.number(scale)?, net.number(shift)?);
    let same = net.dims(x)? == net.dims(node.input(0)?)?;
    let weights = net.floats(node.input(1)?)?;
    let shape = net.constant(node.input(1)?)?.shape().to_vec();
    let channels = usize::try_from(*shape.first()?).ok().filter(|channels| *channels > 0)?;
    let inner = (weights.len() / channels).max(1);
    let mut bias = match node.input(2) {
        Some(bias) => net.floats(bias)?,
        None => vec![0.0; channels],
    };
    if !same || !net.is_f32(x) || bias.len() != channels {
        return None;
    }
    for (bias, weights) in bias.iter_mut().zip(weights.chunks(inner)) {
        *bias += shift * weights.iter().sum::<f32>();
    }
    let weights: Vec<f32> = weights.iter().map(|weight| weight * scale).collect();
    let (add, _) = net.own(node.input(0)?, "Add")?;
    let (mul, _) = net.own(scaled, "Mul")?;
    let (mut node, like) = (node.clone(), node.input(1)?);
    let made = [net.add_constant(like, &shape, &weights)?, net.add_constant(like, &[channels as u64], &bias)?];
    node.inputs = vec![Some(x), Some(made[0]), Some(made[1])];
    net.replace(index, &[add, mul], node)
}

/// A sum of a convolution and an earlier value of the same shape.
pub(super) fn residual(net: &mut Net<'_>, index: usize) -> Option<()> {
    let node = net.operator(index, "Add")?;
    let (at, conv, other) = Net::both_ways(node)?.into_iter().find_map(|(value, other)| {
        let (at, conv) = net.own(value, "Conv")?;
        (net.is_f32(value) && net.dims(value)? == net.dims(other)?).then_some((at, conv, other))
    })?;
    let mut inputs = conv.inputs.clone();
    inputs.resize(3, None);
    inputs.push(Some(other));
    let mut fused = instead(node, "FusedConv", inputs);
    fused.attributes = conv.attributes.clone();
    net.replace(index, &[at], fused)
}
