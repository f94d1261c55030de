//! Matrix products where no library computes them: the right matrix lies in panels of a few columns, packed once where it is a
//! constant and by a kernel of its own where the call computes it.

mod convolution;

use scorehost_core::{DType, Tensor};

use super::convolution::index;
use crate::constants::Form;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Kernel, Place, Work, words};
use crate::planner::{OpenCl, Planner, Style};
use crate::view::{View, elements};

pub(super) use convolution::convolve;

/// Work items of a group that packs.
const PACKERS: u32 = 16;
/// Rows that a work item on a core computes of a panel at most, so that they stay in its cache.
const CHUNK: u64 = 96;
/// Groups that every compute unit has at least, where there is enough work.
const SHARE: u64 = 4;
/// Rows and columns of a tile where groups share memory.
const TILE: u64 = 64;

/// An activation in the kernels: its number and parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Activation {
    pub(super) number: u32,
    pub(super) parameters: [f32; 2],
}

impl OpenCl {
    /// Columns of a panel.
    pub(super) const fn panel(self) -> u64 {
        match self.style {
            Style::Cores => 2 * self.lanes as u64,
            Style::Groups => TILE,
        }
    }

    /// Rows of the tile that takes the least time, among those whose sums fit the registers: a tile costs its rows, and what it
    /// reads and writes whatever their number.
    fn tile(self, rows: u64) -> u64 {
        if self.style == Style::Groups {
            return TILE;
        }
        let most = if self.lanes >= 16 { 12 } else { 6 };
        let time = |tile: &u64| rows.div_ceil(*tile) * (2 * tile + 3);
        [1, 2, 4, most].into_iter().min_by_key(time).unwrap_or(most)
    }

    /// Rows of a work item, and blocks of them.
    fn chunk(self, rows: u64, tile: u64, others: u64) -> u64 {
        if self.style == Style::Groups {
            return TILE;
        }
        let wanted = (SHARE * u64::from(self.units)).div_ceil(others.max(1));
        let fair = rows.div_ceil(wanted.max(1)).next_multiple_of(tile);
        fair.min(CHUNK.next_multiple_of(tile))
    }

    fn threads(self) -> u32 {
        if self.style == Style::Groups { 256 } else { 1 }
    }
}

/// The right matrix of a product.
pub(super) enum Right<'t> {
    /// A constant `[depth, columns]`, or `[columns, depth]` where it is turned.
    Constant { tensor: &'t Tensor, turned: bool },
    /// `[batch…, depth, columns]`, any steps.
    Computed(View),
    /// In panels already.
    Packed(View),
}

/// A product with what happens to its result: `activation(scale * a b + bias + residual)`.
pub(super) struct Product<'t> {
    /// `[batch…, rows, depth]`, depth without gaps.
    pub(super) a: View,
    pub(super) b: Right<'t>,
    /// `[batch…, rows, columns]`, columns without gaps.
    pub(super) out: View,
    /// One element a column.
    pub(super) bias: Option<View>,
    /// Of the result's shape, columns without gaps.
    pub(super) residual: Option<View>,
    pub(super) scale: f32,
    pub(super) activation: Activation,
    pub(super) cost: Cost,
}

/// Steps of a batch in two levels, the sizes of which all operands share.
struct Batch {
    count: u64,
    inner: u64,
    /// Outer and inner step of each operand.
    steps: Vec<[i64; 2]>,
}

impl Batch {
    /// `None` where the dimensions do not merge into two.
    fn of(sizes: &[u64], operands: &[&[i64]]) -> Option<Self> {
        let mut levels: Vec<(u64, Vec<i64>)> = Vec::new();
        for d in (0..sizes.len()).filter(|d| sizes[*d] != 1) {
            let steps: Vec<i64> = operands.iter().map(|operand| operand[d]).collect();
            let merges =
                |(_, outer): &(u64, Vec<i64>)| outer.iter().zip(&steps).all(|(o, s)| *o == s * sizes[d] as i64);
            match levels.last_mut() {
                Some(last) if merges(last) => *last = (last.0 * sizes[d], steps),
                _ => levels.push((sizes[d], steps)),
            }
        }
        let none = || vec![0; operands.len()];
        let (outer, inner) = match &levels[..] {
            [] => ((1, none()), (1, none())),
            [one] => ((1, none()), one.clone()),
            [outer, inner] => (outer.clone(), inner.clone()),
            _ => return None,
        };
        let steps = outer.1.iter().zip(&inner.1).map(|(outer, inner)| [*outer, *inner]).collect();
        Some(Self { count: outer.0 * inner.0, inner: inner.0, steps })
    }
}

fn name(dtype: DType) -> Result<&'static str, String> {
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => Ok(kernels::name(dtype).unwrap_or("f32")),
        other => Err(format!("{other} matrices have no panels on this device")),
    }
}

/// A kernel of products over panels; `types` are those that the left and the right matrix and the result are stored as.
fn kernel(
    planner: &Planner<'_>,
    device: OpenCl,
    entry: &'static str,
    activation: Activation,
    tile: u64,
    types: [DType; 3],
) -> Result<Kernel, String> {
    let (act, tile, panel) = (activation.number.to_string(), tile.to_string(), device.panel().to_string());
    let [a, b, y] = [name(types[0])?, name(types[1])?, name(types[2])?];
    let (narrow, implicit) = (if types[0] == DType::F32 { "0" } else { "1" }, if entry == "conv" { "1" } else { "0" });
    let definitions = [
        ("ACT", &*act),
        ("ROWS", &*tile),
        ("PANEL", &*panel),
        ("IMPLICIT", implicit),
        ("NARROW", narrow),
        ("A", a),
        ("B", b),
        ("Y", y),
    ];
    Ok(kernels::fixed(planner.target.dialect, File::Panels, entry, &definitions))
}

/// Whether a dimension is read without gaps.
pub(super) fn is_close(view: &View, d: usize) -> bool {
    view.shape[d] == 1 || view.steps[d] == 1
}

/// The view with its last dimension without gaps, copied where it has some.
pub(super) fn closed(planner: &mut Planner<'_>, view: View, dtype: DType) -> Result<View, String> {
    let last = view.shape.len() - 1;
    if is_close(&view, last) { Ok(view) } else { planner.made_dense(&view, dtype) }
}

impl Product<'_> {
    pub(super) fn lower(self, planner: &mut Planner<'_>, device: OpenCl) -> Result<(), String> {
        if self.out.elements() == 0 {
            return Ok(());
        }
        let rank = self.out.shape.len();
        let (sizes, columns) = (self.out.shape[..rank - 2].to_vec(), self.out.shape[rank - 1]);
        let depth = self.a.shape[self.a.shape.len() - 1];
        let expanded = |view: &View| {
            let last = view.shape.len() - 2;
            view.expanded(&[&sizes[..], &view.shape[last..]].concat()).ok_or("does not broadcast")
        };
        let a = expanded(&self.a)?;
        let residual = self.residual.as_ref().map(expanded).transpose()?;
        let (b, b_steps) = self.right(planner, device, &sizes, depth, columns)?;
        let zeros = vec![0; rank];
        let residual_steps = residual.as_ref().map_or(&zeros, |view| &view.steps);
        let operands: [&[i64]; 4] = [&a.steps, &b_steps, &self.out.steps, residual_steps];
        let Some(batch) = Batch::of(&sizes, &operands) else {
            return Err(format!("a batch of {sizes:?} with these steps is not multiplied on this device"));
        };
        let rows = self.out.shape[rank - 2];
        let tile = device.tile(rows);
        let panels = columns.div_ceil(device.panel());
        let chunk = device.chunk(rows, tile, panels * batch.count);
        index(self.out.elements().max(a.elements()))?;
        let fields = [
            rows as i64,
            columns as i64,
            depth as i64,
            a.steps[rank - 2],
            batch.steps[0][0],
            batch.steps[0][1],
            batch.steps[1][0],
            batch.steps[1][1],
            self.out.steps[rank - 2],
            batch.steps[2][0],
            batch.steps[2][1],
            residual_steps[rank - 2],
            batch.steps[3][0],
            batch.steps[3][1],
            batch.inner as i64,
            chunk as i64,
        ];
        let mut fields = words(fields);
        fields.extend([self.scale, self.activation.parameters[0], self.activation.parameters[1]].map(f32::to_bits));
        let place = |view: Option<&View>| view.map_or(Arg::Null, |view| Arg::Place(view.into()));
        let args = vec![
            Arg::Place((&a).into()),
            Arg::Place((&b).into()),
            place(self.bias.as_ref()),
            place(residual.as_ref()),
            Arg::Place((&self.out).into()),
            Arg::Words(fields),
        ];
        let types = [a.dtype, b.dtype, self.out.dtype];
        if self.residual.as_ref().is_some_and(|view| view.dtype != self.out.dtype) {
            return Err("what is added to a product is stored otherwise than its result".to_owned());
        }
        let kernel = kernel(planner, device, "gemm", self.activation, tile, types)?;
        let blocks = [panels as u32, rows.div_ceil(chunk) as u32, batch.count as u32];
        planner.launch(Work::Kernel { kernel, blocks, threads: device.threads(), shared: 0, args }, self.cost);
        Ok(())
    }

    /// The right matrix in panels, and its steps in the batch.
    fn right(
        &self,
        planner: &mut Planner<'_>,
        device: OpenCl,
        sizes: &[u64],
        depth: u64,
        columns: u64,
    ) -> Result<(View, Vec<i64>), String> {
        match &self.b {
            Right::Packed(view) => Ok((view.clone(), vec![0; sizes.len()])),
            Right::Constant { tensor, turned } => {
                let form = Form::Panels { width: device.panel(), turned: *turned };
                let stored = planner.stored(tensor.dtype());
                Ok((planner.constant(tensor, stored, form)?, vec![0; sizes.len()]))
            }
            Right::Computed(view) => packed(planner, device, view, sizes, [depth, columns]),
        }
    }
}

/// Packs a matrix that the call computes, once for each of its own matrices.
fn packed(
    planner: &mut Planner<'_>,
    device: OpenCl,
    view: &View,
    sizes: &[u64],
    [depth, columns]: [u64; 2],
) -> Result<(View, Vec<i64>), String> {
    let own = view.shape.len() - 2;
    let (mut view, mut batch) = (view.clone(), Batch::of(&view.shape[..own], &[&view.steps[..own]]));
    if batch.is_none() {
        view = planner.made_dense(&view, view.dtype)?;
        batch = Batch::of(&view.shape[..own], &[&view.steps[..own]]);
    }
    let batch = batch.ok_or("has steps that no batch has")?;
    let panels = columns.div_ceil(device.panel());
    let whole = panels * depth * device.panel();
    let to = planner.buffer(view.dtype, vec![batch.count, panels, depth, device.panel()]);
    let total = index(panels * depth)?;
    index(to.elements())?;
    let steps = batch.steps.first().copied().unwrap_or_default();
    let fields = [
        depth as i64,
        columns as i64,
        view.steps[own],
        view.steps[own + 1],
        steps[0],
        steps[1],
        batch.inner as i64,
        i64::from(total),
    ];
    let args = vec![Arg::Place((&view).into()), Arg::Place(Place::from(&to)), Arg::Words(words(fields))];
    let width = device.panel().to_string();
    let kernel =
        kernels::fixed(planner.target.dialect, File::Pack, "pack", &[("PANEL", &width), ("T", name(view.dtype)?)]);
    let cost = Cost { bytes: 2 * view.dtype.size().unwrap_or(4) as u64 * to.elements(), operations: 0 };
    let blocks = [total.div_ceil(PACKERS), batch.count as u32, 1];
    if to.elements() > 0 {
        planner.launch(Work::Kernel { kernel, blocks, threads: PACKERS, shared: 0, args }, cost);
    }
    // Steps of the packed matrices in the product's batch: none along dimensions that repeat.
    let missing = sizes.len() - own;
    let mut all = vec![0; sizes.len()];
    let mut step = whole as i64;
    for d in (0..own).rev() {
        all[missing + d] = if view.shape[d] == 1 { 0 } else { step };
        step *= view.shape[d] as i64;
    }
    debug_assert_eq!(elements(&view.shape[..own]), batch.count);
    Ok((to, all))
}
