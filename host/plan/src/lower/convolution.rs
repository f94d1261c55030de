//! Convolutions. On tensor cores they are products over kernel positions; a 1x1 one is a plain product; depthwise ones and odd
//! ones have kernels of their own. Images are kept with the channels last.

use std::rc::Rc;

use scorehost_core::DType;
use scorehost_graph::Node;

use super::attributes::{float, int, ints, text};
use super::elementwise::literal;
use super::panels::{self, Activation};
use crate::Dialect;
use crate::constants::Form;
use crate::expression::{Expression, THREADS, Tree};
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Gemm, GemmShape, Kernel, Place, Work, words};
use crate::planner::{Planner, Value};
use crate::view::{View, channels_last, elements};
use scorehost_core::Precision;

/// Bytes that tensor-core kernels copy at once.
const CHUNK: u64 = 16;

/// A convolution's window, three spatial dimensions, the missing ones of size 1 in front.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) kernel: [i64; 3],
    pub(super) stride: [i64; 3],
    pub(super) pad: [i64; 3],
    /// Padding behind the last element.
    pub(super) end: [i64; 3],
    pub(super) dilation: [i64; 3],
    pub(super) input: [i64; 3],
    pub(super) output: [i64; 3],
}

/// `values` as the last of three.
fn three(values: &[i64], fill: i64) -> [i64; 3] {
    let mut all = [fill; 3];
    all[3 - values.len()..].copy_from_slice(values);
    all
}

impl Window {
    /// The window of a node whose input has these spatial sizes.
    pub(super) fn of(node: &Node, input: &[u64], kernel: &[i64]) -> Result<Self, String> {
        let rank = input.len();
        if !(1..=3).contains(&rank) || kernel.len() != rank {
            return Err(format!("{rank} spatial dimensions are not supported on this device"));
        }
        let list = |name: &str, fill: i64, length: usize| {
            ints(node, name).filter(|all| all.len() == length).unwrap_or_else(|| vec![fill; length])
        };
        let (stride, dilation) = (list("strides", 1, rank), list("dilations", 1, rank));
        let pads = list("pads", 0, 2 * rank);
        if stride.iter().chain(&dilation).chain(kernel).any(|value| *value < 1) {
            return Err("strides, dilations and kernel sizes must be positive".to_owned());
        }
        let mut window = Self {
            kernel: three(kernel, 1),
            stride: three(&stride, 1),
            pad: three(&pads[..rank], 0),
            end: three(&pads[rank..], 0),
            dilation: three(&dilation, 1),
            input: three(&input.iter().map(|size| *size as i64).collect::<Vec<_>>(), 1),
            output: [1; 3],
        };
        let auto = text(node, "auto_pad", "NOTSET");
        let ceil = int(node, "ceil_mode", 0) != 0;
        for d in 0..3 {
            window.size(d, auto, ceil);
        }
        if window.output.iter().any(|size| *size < 1) {
            return Err(format!("the window is larger than the input {input:?}"));
        }
        Ok(window)
    }

    fn reach(&self, d: usize) -> i64 {
        (self.kernel[d] - 1) * self.dilation[d] + 1
    }

    fn size(&mut self, d: usize, auto: &str, ceil: bool) {
        let (input, stride, reach) = (self.input[d], self.stride[d], self.reach(d));
        match auto {
            "SAME_UPPER" | "SAME_LOWER" => {
                let output = (input + stride - 1) / stride;
                let pad = ((output - 1) * stride + reach - input).max(0);
                self.pad[d] = if auto == "SAME_LOWER" { pad - pad / 2 } else { pad / 2 };
                self.end[d] = pad - self.pad[d];
                self.output[d] = output;
                return;
            }
            "VALID" => (self.pad[d], self.end[d]) = (0, 0),
            _ => {}
        }
        let span = input + self.pad[d] + self.end[d] - reach;
        self.output[d] = if ceil { (span + stride - 1).div_euclid(stride) + 1 } else { span.div_euclid(stride) + 1 };
        // A window that would start in the padding behind the input does not count.
        if ceil && (self.output[d] - 1) * stride >= input + self.pad[d] {
            self.output[d] -= 1;
        }
    }

    /// The kernels' structure for an input and output view of the same rank.
    pub(super) fn words(&self, groups: i64, x: &View, y: &View) -> Vec<u32> {
        let spatial = |view: &View| three(&view.steps[2..], 0);
        let mut all = vec![x.shape[1] as i64, y.shape[1] as i64, groups];
        for part in [&self.input, &self.output, &self.kernel, &self.stride, &self.pad, &self.dilation] {
            all.extend(part);
        }
        all.extend([x.steps[0], x.steps[1]]);
        all.extend(spatial(x));
        all.extend([y.steps[0], y.steps[1]]);
        all.extend(spatial(y));
        all.push(y.elements() as i64);
        words(all)
    }
}

/// Number of an activation in the kernels.
pub(super) fn activation(name: &str) -> Result<u32, String> {
    Ok(match name {
        "" => 0,
        "Relu" => 1,
        "Clip" => 2,
        "Sigmoid" => 3,
        "HardSigmoid" => 4,
        "HardSwish" => 5,
        "Tanh" => 6,
        "LeakyRelu" => 7,
        "Gelu" => 8,
        "Swish" => 10,
        other => return Err(format!("activation {other} is unknown on this device")),
    })
}

/// The activation's parameters, ONNX's defaults where absent.
pub(super) fn parameters(node: &Node) -> [f32; 2] {
    let defaults = match text(node, "activation", "") {
        "Clip" => (f32::MIN, f32::MAX),
        "HardSigmoid" => (0.2, 0.5),
        "LeakyRelu" => (0.01, 0.0),
        "Swish" => (1.0, 0.0),
        _ => (0.0, 0.0),
    };
    [float(node, "activation_alpha", defaults.0), float(node, "activation_beta", defaults.1)]
}

/// C text of an activation over `$0`.
pub(super) fn activation_text(node: &Node, name: &str, dialect: Dialect) -> Result<String, String> {
    let [alpha, beta] = parameters(node).map(literal);
    Ok(match dialect {
        Dialect::Cuda { .. } => format!("activate<{}>($0, {alpha}, {beta})", activation(name)?),
        Dialect::OpenCl(_) => format!("activate_{}($0, {alpha}, {beta})", activation(name)?),
    })
}

/// A view joined with another value by some text over `$0` and `$1`.
pub(super) fn joined(view: View, dtype: DType, other: Option<Rc<Tree>>, text: &str) -> Expression {
    let shape = view.shape.clone();
    let mut arguments = vec![Rc::new(Tree::Read(view))];
    arguments.extend(other);
    Expression { dtype, shape, tree: Rc::new(Tree::Call { text: text.to_owned(), dtype, arguments }) }
}

/// A convolution with what happens to its result.
pub(super) struct Convolution<'n> {
    node: &'n Node,
    pub(super) x: View,
    dtype: DType,
    pub(super) weights: scorehost_core::Tensor,
    pub(super) bias: Option<View>,
    pub(super) residual: Option<View>,
    pub(super) groups: u64,
    pub(super) window: Window,
    pub(super) y: View,
}

pub(super) fn conv(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (x_id, w_id) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let weights = planner
        .host(w_id)
        .map_err(|_| "weights that are computed are not supported on this device".to_owned())?
        .clone();
    let (x, dtype) = planner.compute_view(x_id)?;
    if weights.shape().len() != x.shape.len() || x.shape.len() < 3 {
        return Err(format!("input {:?} and weights {:?} do not fit", x.shape, weights.shape()));
    }
    let groups = int(node, "group", 1).max(1) as u64;
    let kernel: Vec<i64> = weights.shape()[2..].iter().map(|size| *size as i64).collect();
    if weights.shape()[1] * groups != x.shape[1] || !weights.shape()[0].is_multiple_of(groups) {
        return Err(format!("{} channels in {groups} groups do not fit weights {:?}", x.shape[1], weights.shape()));
    }
    let window = Window::of(node, &x.shape[2..], &kernel)?;
    let x = planner.made_channels_last(&x, dtype)?;
    let rank = x.shape.len();
    let mut shape = vec![x.shape[0], weights.shape()[0]];
    shape.extend(window.output[5 - rank..].iter().map(|size| *size as u64));
    let mut y = planner.buffer(x.dtype, shape);
    y.steps = channels_last(&y.shape);
    let bias = bias(planner, node)?;
    let residual = match node.inputs.get(3).copied().flatten() {
        Some(id) => {
            let (view, _) = planner.compute_view(id)?;
            Some(planner.made_channels_last(&view, dtype)?)
        }
        None => None,
    };
    let convolution = Convolution { node, x, dtype, weights, bias, residual, groups, window, y };
    if convolution.y.elements() == 0 {
        planner.set_view(node, convolution.y, dtype);
        return Ok(());
    }
    convolution.lower(planner)
}

/// The bias as F32, which all kernels of this file add.
fn bias(planner: &mut Planner<'_>, node: &Node) -> Result<Option<View>, String> {
    match node.inputs.get(2).copied().flatten() {
        Some(id) => {
            let tensor = planner.host(id)?.clone();
            planner.constant(&tensor, DType::F32, Form::Plain).map(Some)
        }
        None => Ok(None),
    }
}

impl Convolution<'_> {
    fn lower(self, planner: &mut Planner<'_>) -> Result<(), String> {
        if let Some(device) = planner.target.dialect.opencl() {
            if !panels::convolve(&self, planner, device)? {
                return self.direct(planner);
            }
            planner.set_view(self.node, self.y, self.dtype);
            return Ok(());
        }
        if !matches!(self.x.dtype, DType::F32 | DType::F16 | DType::BF16) {
            return self.direct(planner);
        }
        let [_, kh, kw] = self.window.kernel;
        let flat = self.x.shape.len() < 5;
        let (channels, out) = (self.x.shape[1], self.weights.shape()[0]);
        let narrow = self.x.dtype != DType::F32;
        let tensor_cores =
            planner.target.dialect.has_tensor_cores() && (narrow || planner.target.precision == Precision::Tf32);
        let one = kh == 1 && kw == 1 && self.groups == 1;
        let still = self.window.stride == [1; 3] && self.window.pad == [0; 3] && self.window.end == [0; 3];
        let chunk = CHUNK / self.x.dtype.size().unwrap_or(4) as u64;
        if flat && self.groups == channels && out == channels {
            self.depthwise(planner)
        } else if flat && one && still {
            self.pointwise(planner)
        } else if flat && tensor_cores && (self.groups == 1 || (channels / self.groups).is_multiple_of(chunk)) {
            self.product(planner, chunk)
        } else if flat && self.groups == 1 {
            self.gathered(planner)
        } else {
            self.direct(planner)
        }
    }

    /// What ends it.
    pub(super) fn activation(&self) -> Result<Activation, String> {
        let number = activation(text(self.node, "activation", ""))?;
        Ok(Activation { number, parameters: parameters(self.node) })
    }

    fn act(&self) -> Result<String, String> {
        activation(text(self.node, "activation", "")).map(|number| number.to_string())
    }

    fn kernel(
        &self,
        planner: &Planner<'_>,
        file: File,
        entry: &'static str,
        more: &[(&str, &str)],
    ) -> Result<Kernel, String> {
        let (name, act) = (kernels::name(self.x.dtype).ok_or("strings cannot be convolved")?, self.act()?);
        let mut definitions = vec![("T", name), ("ACT", &*act)];
        definitions.extend(more);
        Ok(kernels::fixed(planner.target.dialect, file, entry, &definitions))
    }

    /// The ends of all argument lists: alpha and beta of the activation.
    fn numbers(&self) -> [Arg; 2] {
        parameters(self.node).map(Arg::Float)
    }

    fn optional(view: Option<&View>) -> Arg {
        view.map_or(Arg::Null, |view| Arg::Place(view.into()))
    }

    pub(super) fn cost(&self) -> Cost {
        let size = self.x.dtype.size().unwrap_or(1) as u64;
        let residual = self.residual.as_ref().map_or(0, View::elements);
        let bytes = (self.x.elements() + self.y.elements() + residual + self.weights.elements()) * size;
        let depth = self.weights.shape()[1..].iter().product::<u64>();
        Cost { bytes, operations: 2 * self.y.elements() * depth }
    }

    fn direct(self, planner: &mut Planner<'_>) -> Result<(), String> {
        let w = planner.constant(&self.weights, self.x.dtype, Form::Plain)?;
        let kernel = self.kernel(planner, File::Conv, "conv_direct", &[("VEC", "1")])?;
        let total = index(self.y.elements())?;
        let mut args = vec![
            Arg::Place((&self.x).into()),
            Arg::Place((&w).into()),
            Self::optional(self.bias.as_ref()),
            Self::optional(self.residual.as_ref()),
            Arg::Place((&self.y).into()),
            Arg::Words(self.window.words(self.groups as i64, &self.x, &self.y)),
        ];
        args.extend(self.numbers());
        planner.launch(
            Work::Kernel { kernel, blocks: [total.div_ceil(THREADS), 1, 1], threads: THREADS, shared: 0, args },
            self.cost(),
        );
        planner.set_view(self.node, self.y, self.dtype);
        Ok(())
    }

    fn depthwise(self, planner: &mut Planner<'_>) -> Result<(), String> {
        let w = planner.constant(&self.weights, self.x.dtype, Form::Depthwise)?;
        let size = self.x.dtype.size().unwrap_or(4) as u64;
        let pack = [8, 4, 2, 1]
            .into_iter()
            .find(|pack| pack * size <= 16 && self.x.shape[1].is_multiple_of(*pack))
            .unwrap_or(1);
        let kernel = self.kernel(planner, File::Conv, "conv_depthwise", &[("VEC", &pack.to_string())])?;
        let threads = index(self.y.elements())? / pack as u32;
        let mut args = vec![
            Arg::Place((&self.x).into()),
            Arg::Place((&w).into()),
            Self::optional(self.bias.as_ref()),
            Self::optional(self.residual.as_ref()),
            Arg::Place((&self.y).into()),
            Arg::Words(self.window.words(self.groups as i64, &self.x, &self.y)),
        ];
        args.extend(self.numbers());
        planner.launch(
            Work::Kernel { kernel, blocks: [threads.div_ceil(128), 1, 1], threads: 128, shared: 0, args },
            self.cost(),
        );
        planner.set_view(self.node, self.y, self.dtype);
        Ok(())
    }

    /// The matrix library's product of `[rows, depth]` and the weights as `[columns, depth]`.
    fn multiply(&self, planner: &mut Planner<'_>, a: Place, w: &View, rows: u64, depth: u64) -> Result<(), String> {
        let columns = self.y.shape[1];
        let relu = text(self.node, "activation", "") == "Relu";
        let bias = match node_bias(self.node) {
            Some(id) => {
                let tensor = planner.host(id)?.clone();
                Some(planner.constant(&tensor, self.x.dtype, Form::Plain)?)
            }
            None => None,
        };
        let shape = GemmShape {
            dtype: self.x.dtype,
            rows,
            columns,
            depth,
            turned: [false, true],
            pitch: [depth as i64, depth as i64, columns as i64],
            batch: 1,
            step: [0; 3],
            tf32: planner.target.precision == Precision::Tf32,
        };
        let gemm = Gemm {
            a,
            b: w.into(),
            d: (&self.y).into(),
            residual: self.residual.as_ref().map(Place::from),
            bias: bias.as_ref().map(Place::from),
            relu,
            alpha: 1.0,
            shape,
        };
        planner.launch(Work::Gemm(gemm), self.cost());
        Ok(())
    }

    /// Sets the result of a library's product, whose activation is computed by whoever reads it.
    fn finish(self, planner: &mut Planner<'_>) -> Result<(), String> {
        let name = text(self.node, "activation", "");
        if name.is_empty() || name == "Relu" {
            planner.set_view(self.node, self.y, self.dtype);
        } else {
            let text = activation_text(self.node, name, planner.target.dialect)?;
            planner.set(self.node, 0, Value::Pending(joined(self.y, self.dtype, None, &text)));
        }
        Ok(())
    }

    fn pointwise(self, planner: &mut Planner<'_>) -> Result<(), String> {
        let w = planner.constant(&self.weights, self.x.dtype, Form::Plain)?;
        let (rows, depth) = (self.x.elements() / self.x.shape[1], self.x.shape[1]);
        self.multiply(planner, (&self.x).into(), &w, rows, depth)?;
        self.finish(planner)
    }

    fn gathered(self, planner: &mut Planner<'_>) -> Result<(), String> {
        let channels = self.x.shape[1];
        let w = planner.constant(&self.weights, self.x.dtype, Form::ChannelsLast { padded: channels })?;
        let depth = self.weights.shape()[1..].iter().product::<u64>();
        let pixels = self.y.elements() / self.y.shape[1];
        let patches = planner.buffer(self.x.dtype, vec![pixels, depth]);
        let kernel = self.kernel(planner, File::Conv, "gather_patches", &[("VEC", "1")])?;
        let total = index(pixels * depth)?;
        let mut window = self.window.words(self.groups as i64, &self.x, &self.y);
        if let Some(count) = window.last_mut() {
            *count = total;
        }
        let args = vec![
            Arg::Place((&self.x).into()),
            Arg::Place((&patches).into()),
            Arg::Words(window),
            Arg::Int(depth as i32),
            Arg::Int(0),
        ];
        planner.launch(
            Work::Kernel { kernel, blocks: [total.div_ceil(THREADS), 1, 1], threads: THREADS, shared: 0, args },
            Cost::default(),
        );
        self.multiply(planner, (&patches).into(), &w, pixels, depth)?;
        self.finish(planner)
    }

    /// On tensor cores, without gathering.
    fn product(mut self, planner: &mut Planner<'_>, chunk: u64) -> Result<(), String> {
        let channels = self.x.shape[1] / self.groups;
        let padded = channels.next_multiple_of(chunk);
        if padded != channels {
            self.x = padded_channels(planner, &self.x, padded, self.dtype)?;
        }
        let w = planner.constant(&self.weights, self.x.dtype, Form::ChannelsLast { padded })?;
        let taps = self.weights.shape()[2..].iter().product::<u64>();
        let (depth, pixels) = (padded * taps, self.y.elements() / self.y.shape[1]);
        let tile = Tile::fitting(
            pixels,
            self.y.shape[1] / self.groups,
            depth,
            self.groups,
            &self.x,
            planner.target.dialect.units(),
        );
        let parts = (tile.splits > 1).then(|| planner.buffer(DType::F32, vec![tile.splits, pixels, self.y.shape[1]]));
        let kernel = self.kernel(planner, File::Igemm, "igemm", &tile.definitions())?;
        let [_, height, width] = self.window.input;
        let [_, out_height, out_width] = self.window.output;
        let (pads, strides, dilations) = (self.window.pad, self.window.stride, self.window.dilation);
        let pitch = self.y.shape[1] as i64;
        let fields = [
            height,
            width,
            padded as i64,
            out_height,
            out_width,
            (self.y.shape[1] / self.groups) as i64,
            self.window.kernel[2],
            strides[1],
            strides[2],
            pads[1],
            pads[2],
            dilations[1],
            dilations[2],
            depth as i64,
            pixels as i64,
            self.x.shape[1] as i64,
            pitch,
            pitch,
            tile.splits as i64,
            tile.steps as i64,
        ];
        index(self.x.elements().max(pixels * tile.splits * self.y.shape[1]))?;
        let mut args = vec![
            Arg::Place((&self.x).into()),
            Arg::Place((&w).into()),
            Self::optional(self.bias.as_ref()),
            Self::optional(self.residual.as_ref()),
            Arg::Place((&self.y).into()),
            Self::optional(parts.as_ref()),
            Arg::Words(words(fields)),
        ];
        args.extend(self.numbers());
        let columns = (self.y.shape[1] / self.groups).div_ceil(tile.n) as u32;
        let blocks = [pixels.div_ceil(tile.m) as u32, columns, (self.groups * tile.splits) as u32];
        planner.launch(
            Work::Kernel { kernel: kernel.clone(), blocks, threads: 256, shared: tile.shared(), args },
            self.cost(),
        );
        if let Some(parts) = parts {
            self.sum(planner, &kernel, &parts, tile.splits, pixels)?;
        }
        planner.set_view(self.node, self.y, self.dtype);
        Ok(())
    }

    fn sum(
        &self,
        planner: &mut Planner<'_>,
        product: &Kernel,
        parts: &View,
        splits: u64,
        pixels: u64,
    ) -> Result<(), String> {
        let kernel = Kernel { entry: "igemm_finish", ..product.clone() };
        let total = index(pixels * self.y.shape[1])?;
        let channels = self.y.shape[1] as i32;
        let mut args = vec![
            Arg::Place(parts.into()),
            Self::optional(self.bias.as_ref()),
            Self::optional(self.residual.as_ref()),
            Arg::Place((&self.y).into()),
        ];
        args.extend([splits as i32, pixels as i32, channels, channels, channels].map(Arg::Int));
        args.extend(self.numbers());
        planner.launch(
            Work::Kernel { kernel, blocks: [total.div_ceil(THREADS), 1, 1], threads: THREADS, shared: 0, args },
            Cost::default(),
        );
        Ok(())
    }
}

fn node_bias(node: &Node) -> Option<scorehost_graph::ValueId> {
    node.inputs.get(2).copied().flatten()
}

/// A number of elements that kernels index with 32 bits.
pub(super) fn index(count: u64) -> Result<u32, String> {
    i32::try_from(count)
        .map(|count| count as u32)
        .map_err(|_| format!("{count} elements are more than this device's kernels index"))
}

/// The image with more channels, the new ones zero.
fn padded_channels(planner: &mut Planner<'_>, x: &View, padded: u64, dtype: DType) -> Result<View, String> {
    let mut shape = x.shape.clone();
    shape[1] = padded;
    let mut wide = planner.buffer(x.dtype, shape);
    wide.steps = channels_last(&wide.shape);
    let bytes = elements(&wide.shape) * x.dtype.size().unwrap_or(1) as u64;
    planner.launch(Work::Zero { at: Place { base: wide.base, offset: 0 }, bytes }, Cost::default());
    let tree = Rc::new(Tree::Read(x.clone()));
    planner.store(&Expression { dtype, shape: x.shape.clone(), tree }, &wide.sliced(1, 0, x.shape[1], 1))?;
    Ok(wide)
}

/// How a product is cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tile {
    m: u64,
    n: u64,
    warps: [u64; 2],
    stages: u64,
    splits: u64,
    /// Steps of depth of one part.
    steps: u64,
}

impl Tile {
    /// The largest tile that gives every multiprocessor work; the depth is split where none does.
    fn fitting(pixels: u64, columns: u64, depth: u64, groups: u64, x: &View, multiprocessors: u32) -> Self {
        let per_step = 128 / x.dtype.size().unwrap_or(4) as u64;
        let steps = depth.div_ceil(per_step);
        let whole = |m, n, warps, stages| Self { m, n, warps, stages, splits: 1, steps };
        let sizes = [whole(128, 128, [2, 4], 3), whole(128, 64, [4, 2], 3), whole(64, 64, [2, 4], 4)];
        let wide_enough = |tile: &&Self| tile.n <= columns.next_multiple_of(64);
        let blocks = |tile: &Self| pixels.div_ceil(tile.m) * columns.div_ceil(tile.n) * groups;
        let wanted = u64::from(multiprocessors);
        let full = sizes.iter().filter(wide_enough).find(|tile| blocks(tile) >= wanted);
        if let Some(tile) = full {
            return *tile;
        }
        let mut tile = sizes[2];
        let parts = (wanted / blocks(&tile).max(1)).min(steps / 4).clamp(1, 16);
        tile.steps = steps.div_ceil(parts);
        tile.splits = steps.div_ceil(tile.steps);
        tile
    }

    const fn shared(&self) -> u32 {
        (self.stages * (self.m + self.n) * 128) as u32
    }

    const fn definitions(&self) -> [(&'static str, &'static str); 5] {
        let (m, n) = match (self.m, self.n) {
            (128, 128) => ("128", "128"),
            (128, _) => ("128", "64"),
            _ => ("64", "64"),
        };
        let (wm, wn) = if self.warps[0] == 2 { ("2", "4") } else { ("4", "2") };
        let stages = if self.stages == 3 { "3" } else { "4" };
        [("BM", m), ("BN", n), ("WARPS_M", wm), ("WARPS_N", wn), ("STAGES", stages)]
    }
}

pub(super) fn transposed(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let (x_id, w_id) = (planner.input(node, 0)?, planner.input(node, 1)?);
    let weights = planner
        .host(w_id)
        .map_err(|_| "weights that are computed are not supported on this device".to_owned())?
        .clone();
    let (x, dtype) = planner.compute_view(x_id)?;
    if weights.shape().len() != x.shape.len() || x.shape.len() < 3 || weights.shape()[0] != x.shape[1] {
        return Err(format!("input {:?} and weights {:?} do not fit", x.shape, weights.shape()));
    }
    let groups = int(node, "group", 1).max(1);
    let window = transposed_window(node, &x.shape[2..], &weights.shape()[2..])?;
    let mut shape = vec![x.shape[0], weights.shape()[1] * groups as u64];
    shape.extend(window.output[5 - x.shape.len()..].iter().map(|size| *size as u64));
    let y = planner.buffer(x.dtype, shape);
    let w = planner.constant(&weights, x.dtype, Form::Plain)?;
    let bias = bias(planner, node)?;
    let name = kernels::name(x.dtype).ok_or("strings cannot be convolved")?;
    let kernel = kernels::fixed(
        planner.target.dialect,
        File::Conv,
        "conv_transposed",
        &[("T", name), ("ACT", "0"), ("VEC", "1")],
    );
    let total = index(y.elements())?;
    let args = vec![
        Arg::Place((&x).into()),
        Arg::Place((&w).into()),
        bias.as_ref().map_or(Arg::Null, |view| Arg::Place(view.into())),
        Arg::Place((&y).into()),
        Arg::Words(window.words(groups, &x, &y)),
    ];
    let taps = weights.shape()[2..].iter().product::<u64>();
    let cost = Cost { bytes: 0, operations: 2 * x.elements() * weights.shape()[1] * taps };
    planner.launch(
        Work::Kernel { kernel, blocks: [total.div_ceil(THREADS), 1, 1], threads: THREADS, shared: 0, args },
        cost,
    );
    planner.set_view(node, y, dtype);
    Ok(())
}

fn transposed_window(node: &Node, input: &[u64], kernel: &[u64]) -> Result<Window, String> {
    let rank = input.len();
    if rank > 3 {
        return Err(format!("{rank} spatial dimensions are not supported on this device"));
    }
    let list = |name: &str, fill: i64, length: usize| {
        ints(node, name).filter(|all| all.len() == length).unwrap_or_else(|| vec![fill; length])
    };
    let signed = |sizes: &[u64]| sizes.iter().map(|size| *size as i64).collect::<Vec<_>>();
    let pads = list("pads", 0, 2 * rank);
    let (extra, wanted) = (three(&list("output_padding", 0, rank), 0), ints(node, "output_shape"));
    let mut window = Window {
        kernel: three(&signed(kernel), 1),
        stride: three(&list("strides", 1, rank), 1),
        pad: three(&pads[..rank], 0),
        end: three(&pads[rank..], 0),
        dilation: three(&list("dilations", 1, rank), 1),
        input: three(&signed(input), 1),
        output: [1; 3],
    };
    let auto = text(node, "auto_pad", "NOTSET");
    let wanted = wanted.filter(|all| all.len() >= rank).map(|all| three(&all[all.len() - rank..], 1));
    for d in 3 - rank..3 {
        let full = window.stride[d] * (window.input[d] - 1) + extra[d] + window.reach(d);
        let same = auto.starts_with("SAME").then(|| window.input[d] * window.stride[d]);
        if let Some(size) = wanted.map(|all| all[d]).or(same) {
            let total = (full - size).max(0);
            window.pad[d] = if auto == "SAME_UPPER" { total / 2 } else { total - total / 2 };
            window.end[d] = total - window.pad[d];
            window.output[d] = size;
        } else {
            window.output[d] = full - window.pad[d] - window.end[d];
        }
    }
    if window.output.iter().chain(&window.stride).any(|size| *size < 1) {
        return Err("the output would be empty".to_owned());
    }
    Ok(window)
}
