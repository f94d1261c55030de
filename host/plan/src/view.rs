//! Where a value's elements are: a base, a shape and the step of each dimension.

use scorehost_core::DType;

/// What holds elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Base {
    /// A buffer of the plan.
    Buffer(usize),
    /// A constant that all plans of a loaded graph share.
    Weight(usize),
}

/// Elements of a base, seen as a tensor. Transposing, slicing and broadcasting make another view and move nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) base: Base,
    /// How the elements are stored; may be narrower than the value's declared dtype.
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    /// Elements from one index of a dimension to the next; 0 repeats, negative runs backwards.
    pub(crate) steps: Vec<i64>,
    /// Elements before the first one.
    pub(crate) start: i64,
}

/// Row-major steps.
pub(crate) fn dense(shape: &[u64]) -> Vec<i64> {
    let mut step = 1i64;
    let mut steps: Vec<i64> = shape
        .iter()
        .rev()
        .map(|size| {
            let this = step;
            step *= (*size).max(1) as i64;
            this
        })
        .collect();
    steps.reverse();
    steps
}

/// Steps of `[batch, channels, height, width]` stored with the channels last.
pub(crate) fn channels_last(shape: &[u64]) -> Vec<i64> {
    let mut physical = vec![shape[0]];
    physical.extend(&shape[2..]);
    physical.push(shape[1]);
    let steps = dense(&physical);
    let mut logical = vec![steps[0], 1];
    logical.extend(&steps[1..steps.len() - 1]);
    logical
}

pub(crate) fn elements(shape: &[u64]) -> u64 {
    shape.iter().product()
}

impl View {
    pub(crate) fn new(base: Base, dtype: DType, shape: Vec<u64>) -> Self {
        let steps = dense(&shape);
        Self { base, dtype, shape, steps, start: 0 }
    }

    pub(crate) fn elements(&self) -> u64 {
        elements(&self.shape)
    }

    /// Whether the steps are those given, dimensions of one element aside.
    pub(crate) fn has_steps(&self, steps: &[i64]) -> bool {
        self.shape.iter().zip(self.steps.iter().zip(steps)).all(|(size, (a, b))| *size == 1 || a == b)
    }

    pub(crate) fn is_dense(&self) -> bool {
        self.has_steps(&dense(&self.shape))
    }

    /// Whether a view of four dimensions is stored with the channels last, and not row-major as well.
    pub(crate) fn is_channels_last(&self) -> bool {
        self.shape.len() >= 3 && self.has_steps(&channels_last(&self.shape))
    }

    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let pick = |from: &[u64]| order.iter().map(|d| from[*d]).collect();
        let steps = order.iter().map(|d| self.steps[*d]).collect();
        Self { shape: pick(&self.shape), steps, ..self.clone() }
    }

    /// `count` elements of a dimension from `first` on, every `by`-th.
    pub(crate) fn sliced(&self, dimension: usize, first: i64, count: u64, by: i64) -> Self {
        let mut view = self.clone();
        view.start += first * view.steps[dimension];
        view.steps[dimension] *= by;
        view.shape[dimension] = count;
        view
    }

    /// Broadcast to a larger shape; `None` where the shapes do not fit.
    pub(crate) fn expanded(&self, shape: &[u64]) -> Option<Self> {
        let missing = shape.len().checked_sub(self.shape.len())?;
        let mut steps = vec![0; shape.len()];
        for (d, size) in self.shape.iter().enumerate() {
            steps[missing + d] = match (*size, shape[missing + d]) {
                (a, b) if a == b => self.steps[d],
                (1, _) => 0,
                _ => return None,
            };
        }
        Some(Self { shape: shape.to_vec(), steps, ..self.clone() })
    }

    /// The same elements under another shape without moving them; `None` where that is impossible.
    pub(crate) fn reshaped(&self, shape: &[u64]) -> Option<Self> {
        if elements(shape) != self.elements() {
            return None;
        }
        if self.is_dense() {
            return Some(Self { shape: shape.to_vec(), steps: dense(shape), ..self.clone() });
        }
        let steps = regrouped(&self.shape, &self.steps, shape)?;
        Some(Self { shape: shape.to_vec(), steps, ..self.clone() })
    }
}

/// Steps of `to` over the elements that `from` walks with `steps`, where every group of dimensions is uniform in itself.
fn regrouped(from: &[u64], steps: &[i64], to: &[u64]) -> Option<Vec<i64>> {
    let kept: Vec<(u64, i64)> =
        from.iter().copied().zip(steps.iter().copied()).filter(|(size, _)| *size != 1).collect();
    let mut result = vec![0i64; to.len()];
    let (mut i, mut j) = (0, 0);
    while i < kept.len() {
        let (mut size, first) = (kept[i].0, i);
        i += 1;
        let group = j;
        let mut wanted = 1u64;
        while wanted != size || (j < to.len() && wanted == 1) {
            if wanted < size {
                wanted *= *to.get(j)?;
                j += 1;
            } else {
                let (next, step) = *kept.get(i)?;
                // Merging needs the outer step to be the inner one times its size.
                if kept[i - 1].1 != step * next as i64 {
                    return None;
                }
                size *= next;
                i += 1;
            }
            if size == 0 {
                return None;
            }
        }
        for k in first..i - 1 {
            if kept[k].1 != kept[k + 1].1 * kept[k + 1].0 as i64 {
                return None;
            }
        }
        let mut step = kept[i - 1].1;
        for d in (group..j).rev() {
            result[d] = step;
            step *= to[d] as i64;
        }
    }
    Some(result)
}
