//! Interface `detection`.

use scorehost_operations as op;

use super::{Answer, Handle};
use crate::bindings::operations::scorehost::operations::detection::{BoxFormat, Host, Suppression};
use crate::state::State;

impl From<BoxFormat> for op::BoxFormat {
    fn from(format: BoxFormat) -> Self {
        match format {
            BoxFormat::Corners => Self::Corners,
            BoxFormat::CornersYx => Self::CornersYx,
            BoxFormat::Center => Self::Center,
        }
    }
}

impl Host for State {
    async fn non_max_suppression(
        &mut self,
        boxes: Handle,
        scores: Handle,
        classes: Option<Handle>,
        suppression: Suppression,
    ) -> Answer<Handle> {
        let Suppression { iou_threshold, score_threshold, max_boxes, format } = suppression;
        let operation = op::NonMaxSuppression { iou_threshold, score_threshold, max_boxes, format: format.into() };
        let inputs: Vec<Handle> = [Some(boxes), Some(scores), classes].into_iter().flatten().collect();
        self.operate(operation, &inputs).await
    }
}
