//! Convolutions without a library: products over kernel positions, depthwise ones, and the rest one element a work item.

use scorehost_core::{DType, Tensor};

use super::{Product, Right, kernel, name};
use crate::constants::Form;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::lower::convolution::{Convolution, index};
use crate::planner::{OpenCl, Planner, Style};
use crate::view::View;

/// Work items of a group that computes pixels.
const PIXELS: u32 = 8;
/// Channels below which patches are gathered first: their loops are too short to be a product's.
const FEW_CHANNELS: u64 = 8;

/// Lowers a convolution of images whose channels are last; `false` where it is left to the direct kernel.
pub(in crate::lower) fn convolve(
    convolution: &Convolution<'_>,
    planner: &mut Planner<'_>,
    device: OpenCl,
) -> Result<bool, String> {
    let (channels, out) = (convolution.x.shape[1], convolution.y.shape[1]);
    let groups = convolution.groups;
    if !matches!(convolution.x.dtype, DType::F32 | DType::F16 | DType::BF16) || convolution.x.shape.len() > 4 {
        return Ok(false);
    }
    let one = convolution.window.kernel == [1; 3] && groups == 1;
    let still =
        convolution.window.stride == [1; 3] && convolution.window.pad == [0; 3] && convolution.window.end == [0; 3];
    if groups == channels && out == channels {
        depthwise(convolution, planner)?;
    } else if one && still {
        let x = flat(&convolution.x);
        multiply(convolution, planner, device, x)?;
    } else if groups == 1 && (channels < FEW_CHANNELS || device.style == Style::Groups) {
        let patches = patches(convolution, planner)?;
        multiply(convolution, planner, device, patches)?;
    } else if device.style == Style::Cores && (out / groups) >= u64::from(device.lanes) {
        implicit(convolution, planner, device)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Images with the channels last as `[pixels, channels]`.
fn flat(view: &View) -> View {
    let channels = view.shape[1];
    let pixels = view.elements().checked_div(channels).unwrap_or(0);
    View { shape: vec![pixels, channels], steps: vec![channels as i64, 1], ..view.clone() }
}

fn multiply(convolution: &Convolution<'_>, planner: &mut Planner<'_>, device: OpenCl, a: View) -> Result<(), String> {
    let weights = planner.constant(&convolution.weights, convolution.x.dtype, panels(convolution, device))?;
    let product = Product {
        a,
        b: Right::Packed(weights),
        out: flat(&convolution.y),
        bias: convolution.bias.clone(),
        residual: convolution.residual.as_ref().map(flat),
        scale: 1.0,
        activation: convolution.activation()?,
        cost: convolution.cost(),
    };
    product.lower(planner, device)
}

fn panels(convolution: &Convolution<'_>, device: OpenCl) -> Form {
    Form::ConvolutionPanels { width: device.panel(), groups: convolution.groups }
}

/// `[pixels, kernel positions * channels]`.
fn patches(convolution: &Convolution<'_>, planner: &mut Planner<'_>) -> Result<View, String> {
    let depth = convolution.weights.shape()[1..].iter().product::<u64>();
    let pixels = convolution.y.elements() / convolution.y.shape[1];
    let y = planner.buffer(convolution.x.dtype, vec![pixels, depth]);
    let total = index(pixels * depth / convolution.x.shape[1])?;
    index(y.elements())?;
    let args = vec![Arg::Place((&convolution.x).into()), Arg::Place((&y).into()), window(convolution, total)];
    launch(convolution, planner, "gather_patches", total, args, Cost::default())?;
    Ok(y)
}

/// The window with another count of what is computed.
fn window(convolution: &Convolution<'_>, total: u32) -> Arg {
    let mut words = convolution.window.words(convolution.groups as i64, &convolution.x, &convolution.y);
    if let Some(count) = words.last_mut() {
        *count = total;
    }
    Arg::Words(words)
}

/// One work item a pixel.
fn launch(
    convolution: &Convolution<'_>,
    planner: &mut Planner<'_>,
    entry: &'static str,
    total: u32,
    args: Vec<Arg>,
    cost: Cost,
) -> Result<(), String> {
    let act = convolution.activation()?.number.to_string();
    let kernel =
        kernels::fixed(planner.target.dialect, File::Conv, entry, &[("T", name(convolution.x.dtype)?), ("ACT", &act)]);
    let blocks = [total.div_ceil(PIXELS), 1, 1];
    planner.launch(Work::Kernel { kernel, blocks, threads: PIXELS, shared: 0, args }, cost);
    Ok(())
}

fn optional(view: Option<&View>) -> Arg {
    view.map_or(Arg::Null, |view| Arg::Place(view.into()))
}

fn depthwise(convolution: &Convolution<'_>, planner: &mut Planner<'_>) -> Result<(), String> {
    let w = planner.constant(&convolution.weights, convolution.x.dtype, Form::Depthwise)?;
    let pixels = index(convolution.y.elements() / convolution.y.shape[1])?;
    let mut args = vec![
        Arg::Place((&convolution.x).into()),
        Arg::Place((&w).into()),
        optional(convolution.bias.as_ref()),
        optional(convolution.residual.as_ref()),
        Arg::Place((&convolution.y).into()),
        window(convolution, pixels),
    ];
    args.extend(convolution.activation()?.parameters.map(Arg::Float));
    launch(convolution, planner, "conv_depthwise", pixels, args, convolution.cost())
}

/// A product whose rows are gathered while they are read.
fn implicit(convolution: &Convolution<'_>, planner: &mut Planner<'_>, device: OpenCl) -> Result<(), String> {
    let stored = convolution.x.dtype;
    let w = planner.constant(&convolution.weights, stored, panels(convolution, device))?;
    let each = convolution.x.shape[1] / convolution.groups;
    let nothing = vec![0u8; each as usize * stored.size().unwrap_or(4)];
    let zeros = Tensor::new(stored, [each].as_slice(), nothing.into()).map_err(|error| error.to_string())?;
    let zeros = planner.constant(&zeros, stored, Form::Plain)?;
    let pixels = convolution.y.elements() / convolution.y.shape[1];
    let columns = (convolution.y.shape[1] / convolution.groups).div_ceil(device.panel());
    let tile = device.tile(pixels);
    let chunk = device.chunk(pixels, tile, columns * convolution.groups);
    index(convolution.x.elements().max(convolution.y.elements()))?;
    let activation = convolution.activation()?;
    let mut args = vec![
        Arg::Place((&convolution.x).into()),
        Arg::Place((&w).into()),
        optional(convolution.bias.as_ref()),
        optional(convolution.residual.as_ref()),
        Arg::Place((&zeros).into()),
        Arg::Place((&convolution.y).into()),
        window(convolution, 0),
        Arg::Int(pixels as i32),
        Arg::Int(chunk as i32),
    ];
    args.extend(activation.parameters.map(Arg::Float));
    let kernel = kernel(planner, device, "conv", activation, tile, [stored; 3])?;
    let blocks = [columns as u32, pixels.div_ceil(chunk) as u32, convolution.groups as u32];
    planner.launch(Work::Kernel { kernel, blocks, threads: 1, shared: 0, args }, convolution.cost());
    Ok(())
}
