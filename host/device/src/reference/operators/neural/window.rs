//! Windows that slide over one, two or three axes: kernels of convolutions and pools.

use crate::reference::array::count;
use crate::reference::attributes::Attributes;

/// Axes that a window slides over at most; fewer are filled up with 1 at the front.
pub(crate) const AXES: usize = 3;

/// How the edges of the input are continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Padding {
    Given,
    SameUpper,
    SameLower,
    Valid,
}

/// The attributes of an operator with a window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    padding: Padding,
    /// Whether a last window may hang over the end.
    ceil: bool,
}

/// A window on an input of known size. All axes from the outermost to the innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) rank: usize,
    pub(crate) input: [usize; AXES],
    pub(crate) output: [usize; AXES],
    pub(crate) kernel: [usize; AXES],
    pub(crate) strides: [usize; AXES],
    pub(crate) dilations: [usize; AXES],
    /// Padding before the first element.
    pub(crate) before: [usize; AXES],
    /// Padding behind the last element.
    pub(crate) after: [usize; AXES],
}

pub(super) fn sizes(attributes: &Attributes<'_>, name: &str) -> Result<Vec<usize>, String> {
    let size = |size: i64| usize::try_from(size).map_err(|_| format!("attribute '{name}' has the entry {size}"));
    attributes.ints(name)?.into_iter().map(size).collect()
}

impl Window {
    pub(crate) fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        let padding = match &*attributes.string("auto_pad", "NOTSET")? {
            b"NOTSET" | b"" => Padding::Given,
            b"SAME_UPPER" => Padding::SameUpper,
            b"SAME_LOWER" => Padding::SameLower,
            b"VALID" => Padding::Valid,
            other => return Err(format!("auto_pad '{}'", String::from_utf8_lossy(other))),
        };
        Ok(Self {
            kernel: sizes(attributes, "kernel_shape")?,
            strides: sizes(attributes, "strides")?,
            dilations: sizes(attributes, "dilations")?,
            pads: sizes(attributes, "pads")?,
            padding,
            ceil: attributes.int("ceil_mode", 0)? != 0,
        })
    }

    /// A window of given steps and padding; its size comes from the weights.
    pub(crate) fn with(strides: &[usize], dilations: &[usize], pads: Vec<usize>) -> Self {
        let (kernel, padding) = (Vec::new(), Padding::Given);
        Self { kernel, strides: strides.to_vec(), dilations: dilations.to_vec(), pads, padding, ceil: false }
    }

    /// The window over an input's spatial axes; `kernel` where the operator has it from its weights.
    ///
    /// # Errors
    /// Where the attributes do not fit each other or the input.
    pub(crate) fn over(&self, input: &[usize], kernel: Option<&[usize]>) -> Result<Geometry, String> {
        let rank = input.len();
        if rank == 0 || rank > AXES {
            return Err(format!("a window over {rank} axes is not supported here (1 to {AXES} are)"));
        }
        let kernel = kernel.unwrap_or(&self.kernel);
        let expect = |values: &[usize], name: &str, length: usize| {
            let fits = values.len() == length;
            if fits { Ok(()) } else { Err(format!("{name} has {} entries, expected {length}", values.len())) }
        };
        expect(kernel, "kernel_shape", rank)?;
        if !self.kernel.is_empty() && self.kernel != kernel {
            return Err(format!("kernel_shape {:?} differs from the weights' {kernel:?}", self.kernel));
        }
        let or = |values: &Vec<usize>, default: usize, length: usize| {
            if values.is_empty() { vec![default; length] } else { values.clone() }
        };
        let (strides, dilations) = (or(&self.strides, 1, rank), or(&self.dilations, 1, rank));
        let pads = or(&self.pads, 0, 2 * rank);
        expect(&strides, "strides", rank)?;
        expect(&dilations, "dilations", rank)?;
        expect(&pads, "pads", 2 * rank)?;
        if [kernel, &strides, &dilations].iter().any(|sizes| sizes.contains(&0)) {
            return Err("kernel_shape, strides and dilations must be positive".to_owned());
        }
        let ones = [1; AXES];
        let mut geometry = Geometry {
            rank,
            input: ones,
            output: ones,
            kernel: ones,
            strides: ones,
            dilations: ones,
            before: [0; AXES],
            after: [0; AXES],
        };
        for axis in 0..rank {
            let at = AXES - rank + axis;
            (geometry.input[at], geometry.kernel[at]) = (input[axis], kernel[axis]);
            (geometry.strides[at], geometry.dilations[at]) = (strides[axis], dilations[axis]);
            self.place(&mut geometry, at, (pads[axis], pads[rank + axis]))?;
        }
        count(&geometry.output)?;
        Ok(geometry)
    }

    /// Padding and output size of one axis.
    fn place(&self, geometry: &mut Geometry, at: usize, pads: (usize, usize)) -> Result<(), String> {
        let (input, stride) = (geometry.input[at], geometry.strides[at]);
        let extent = geometry.extent(at).ok_or("the window is too large")?;
        let (before, after) = match self.padding {
            Padding::Given => pads,
            Padding::Valid => (0, 0),
            same @ (Padding::SameUpper | Padding::SameLower) => {
                let output = input.div_ceil(stride);
                let total = (output.saturating_sub(1) * stride + extent).saturating_sub(input);
                let less = total / 2;
                if same == Padding::SameUpper { (less, total - less) } else { (total - less, less) }
            }
        };
        let padded = input.checked_add(before).and_then(|size| size.checked_add(after)).ok_or("pads are too large")?;
        let Some(room) = padded.checked_sub(extent) else {
            return Err(format!("a window of {extent} does not fit an axis of {padded}, padding included"));
        };
        let mut output = if self.ceil { room.div_ceil(stride) } else { room / stride } + 1;
        // A window that would start behind the input and its front padding sees nothing.
        if self.ceil && (output - 1) * stride >= input + before {
            output -= 1;
        }
        (geometry.output[at], geometry.before[at], geometry.after[at]) = (output, before, after);
        Ok(())
    }
}

impl Geometry {
    /// Elements from the first to the last that a window touches on an axis.
    fn extent(&self, axis: usize) -> Option<usize> {
        (self.kernel[axis] - 1).checked_mul(self.dilations[axis])?.checked_add(1)
    }

    /// Output sizes of the axes that the operator has.
    pub(crate) fn output_shape(&self) -> &[usize] {
        &self.output[AXES - self.rank..]
    }

    /// Elements of one channel of the input.
    pub(crate) fn input_plane(&self) -> usize {
        self.input.iter().product()
    }

    /// Elements of one channel of the output.
    pub(crate) fn output_plane(&self) -> usize {
        self.output.iter().product()
    }

    /// Elements of the window.
    pub(crate) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// Where a tap of the window at an output place lies in the input; `None` in the padding.
    #[inline(always)]
    pub(crate) fn source(&self, axis: usize, output: usize, tap: usize) -> Option<usize> {
        let place = output * self.strides[axis] + tap * self.dilations[axis];
        place.checked_sub(self.before[axis]).filter(|place| *place < self.input[axis])
    }

    /// The output places along an axis at which a tap lies inside the input.
    #[inline(always)]
    pub(crate) fn inside(&self, axis: usize, tap: usize) -> std::ops::Range<usize> {
        let (stride, offset) = (self.strides[axis], tap * self.dilations[axis]);
        let first = self.before[axis].saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis] + self.before[axis]).saturating_sub(offset).div_ceil(stride);
        let end = end.min(self.output[axis]);
        first.min(end)..end
    }

    /// Whether the window is one element that moves by one, so that the input is its own column matrix.
    pub(crate) fn is_pointwise(&self) -> bool {
        let ones = [1; AXES];
        self.kernel == ones && self.strides == ones && self.before == [0; AXES] && self.after == [0; AXES]
    }
}
