use scorehost_core::{DType, Described, Tensor};

use crate::element::{tensor, view};
use crate::plan::Pace;
use crate::{OperationError, Plan, Watch};

/// What the four numbers of a box are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxFormat {
    /// Left, top, right, bottom.
    Corners,
    /// Top, left, bottom, right.
    CornersYx,
    /// Horizontal centre, vertical centre, width, height.
    Center,
}

/// The indices of boxes, best first, without those that overlap a better one. Inputs: boxes `[n, 4]` and scores `[n]`, `fp32`, and
/// where boxes of different classes do not suppress each other, classes `[n]`, `i64`. Result: `i64 [k]`.
#[derive(Clone, Debug, PartialEq)]
pub struct NonMaxSuppression {
    /// A box goes when intersection over union with a better one is greater.
    pub iou_threshold: f32,
    /// Only boxes with a greater score count.
    pub score_threshold: f32,
    /// Most boxes returned; 0 means all.
    pub max_boxes: u32,
    /// What the numbers of a box are.
    pub format: BoxFormat,
}

/// Left, top, right, bottom, area.
type Area = [f32; 5];

impl NonMaxSuppression {
    pub(crate) const NAME: &'static str = "non-max-suppression";

    fn check<'a, T: Described>(&self, inputs: &'a [T]) -> Result<(&'a T, &'a T, Option<&'a T>), OperationError> {
        let (boxes, scores, classes) = match inputs {
            [boxes, scores] => (boxes, scores, None),
            [boxes, scores, classes] => (boxes, scores, Some(classes)),
            _ => {
                let (given, expected) = (inputs.len(), "boxes, scores, and classes where there are some");
                return Err(OperationError::Inputs { operation: Self::NAME, given, expected });
            }
        };
        let dtypes =
            [Some((boxes, DType::F32)), Some((scores, DType::F32)), classes.map(|classes| (classes, DType::I64))];
        for (tensor, wanted) in dtypes.into_iter().flatten() {
            let dtype = tensor.dtype();
            if dtype != wanted {
                return Err(OperationError::DType {
                    operation: Self::NAME,
                    dtype,
                    expected: "FP32 boxes and scores, INT64 classes",
                });
            }
        }
        let [count, 4] = *boxes.shape() else {
            return Err(OperationError::shape(Self::NAME, boxes.shape(), "boxes [n, 4]"));
        };
        for other in std::iter::once(scores).chain(classes) {
            if *other.shape() != [count] {
                return Err(OperationError::mismatch(Self::NAME, boxes, other, "one score and one class for each box"));
            }
        }
        Ok((boxes, scores, classes))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (_, scores, _) = self.check(inputs)?;
        let count = scores.elements();
        // Most boxes are dropped by their score; what stays is compared with what is kept.
        Ok(Plan::of(count.saturating_mul(8), 0.0)
            .with_scratch(count.saturating_mul(64))
            .with_nanos(count.saturating_mul(60)))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (boxes, scores, classes) = self.check(inputs)?;
        let (boxes, scores) = (view::<f32>(boxes), view::<f32>(scores));
        let classes = classes.map(view::<i64>);
        let mut order: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] > self.score_threshold).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let most = if self.max_boxes == 0 { usize::MAX } else { self.max_boxes as usize };
        let mut kept: Vec<(i64, Area)> = Vec::new();
        let mut indices: Vec<i64> = Vec::new();
        let mut pace = Pace::new(watch);
        for at in order {
            if indices.len() >= most {
                break;
            }
            pace.step(2 * kept.len() + 8)?;
            let class = classes.as_ref().map_or(0, |classes| classes[at]);
            let area = self.area(&boxes[at * 4..at * 4 + 4]);
            if !kept.iter().any(|(other, better)| *other == class && overlap(better, &area) > self.iou_threshold) {
                kept.push((class, area));
                indices.push(at as i64);
            }
        }
        Ok(vec![tensor([indices.len() as u64].as_slice(), indices)?])
    }

    fn area(&self, numbers: &[f32]) -> Area {
        let [a, b, c, d] = [numbers[0], numbers[1], numbers[2], numbers[3]];
        let [left, top, right, bottom] = match self.format {
            BoxFormat::Corners => [a, b, c, d],
            BoxFormat::CornersYx => [b, a, d, c],
            BoxFormat::Center => [a - c / 2.0, b - d / 2.0, a + c / 2.0, b + d / 2.0],
        };
        [left, top, right, bottom, (right - left).max(0.0) * (bottom - top).max(0.0)]
    }
}

/// Intersection over union; 0 where there is neither.
fn overlap(a: &Area, b: &Area) -> f32 {
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    let shared = width * height;
    let union = a[4] + b[4] - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}
