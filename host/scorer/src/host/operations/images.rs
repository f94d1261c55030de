//! Interface `images`.

use scorehost_core::{ErrorKind, Failure};
use scorehost_operations as op;

use super::{Answer, Handle};
use crate::bindings::operations::scorehost::operations::images::{
    Color, DecodeOptions, Host, Interpolation, Layout, Letterboxed, Normalization, Point, Rectangle, Sampling,
};
use crate::state::State;

impl From<Layout> for op::Layout {
    fn from(layout: Layout) -> Self {
        match layout {
            Layout::ChannelsLast => Self::ChannelsLast,
            Layout::ChannelsFirst => Self::ChannelsFirst,
        }
    }
}

impl From<Interpolation> for op::Interpolation {
    fn from(interpolation: Interpolation) -> Self {
        match interpolation {
            Interpolation::Nearest => Self::Nearest,
            Interpolation::Bilinear => Self::Bilinear,
            Interpolation::Bicubic => Self::Bicubic,
        }
    }
}

impl From<Color> for op::Color {
    fn from(color: Color) -> Self {
        match color {
            Color::Grey => Self::Grey,
            Color::Rgb => Self::Rgb,
            Color::Bgr => Self::Bgr,
            Color::Rgba => Self::Rgba,
        }
    }
}

impl Host for State {
    async fn decode(&mut self, file: Handle, options: DecodeOptions) -> Answer<Handle> {
        let DecodeOptions { color, orient, max_pixels } = options;
        self.operate(op::Decode { color: color.into(), orient, max_pixels }, &[file]).await
    }

    async fn resize(&mut self, value: Handle, height: u32, width: u32, sampling: Sampling) -> Answer<Handle> {
        let Sampling { interpolation, antialias, layout } = sampling;
        let (interpolation, layout) = (interpolation.into(), layout.into());
        self.operate(op::Resize { height, width, interpolation, antialias, layout }, &[value]).await
    }

    async fn letterbox(
        &mut self,
        value: Handle,
        height: u32,
        width: u32,
        sampling: Sampling,
        fill: f64,
        center: bool,
    ) -> Answer<Letterboxed> {
        let Sampling { interpolation, antialias, layout } = sampling;
        let (interpolation, layout) = (interpolation.into(), layout.into());
        let letterbox = op::Letterbox { height, width, interpolation, antialias, fill, center, layout };
        let placed = match letterbox.placement(&self.held(&value)?.value) {
            Ok(placed) => placed,
            Err(error) => return Ok(Err(self.report(&error.into()))),
        };
        let op::Placement { scale, top, left, height, width } = placed;
        let image = self.operate(letterbox, &[value]).await?;
        Ok(image.map(|image| Letterboxed { image, scale, top, left, height, width }))
    }

    async fn crop_and_resize(
        &mut self,
        value: Handle,
        boxes: Vec<Rectangle>,
        height: u32,
        width: u32,
        sampling: Sampling,
    ) -> Answer<Handle> {
        let Sampling { interpolation, antialias, layout } = sampling;
        let boxes =
            boxes.into_iter().map(|corners| [corners.left, corners.top, corners.right, corners.bottom]).collect();
        let (interpolation, layout) = (interpolation.into(), layout.into());
        self.operate(op::CropAndResize { boxes, height, width, interpolation, antialias, layout }, &[value]).await
    }

    async fn crop_quad(
        &mut self,
        value: Handle,
        (a, b, c, d): (Point, Point, Point, Point),
        height: u32,
        width: u32,
        interpolation: Interpolation,
    ) -> Answer<Handle> {
        let corners = [a, b, c, d].map(|corner| [corner.x, corner.y]);
        self.operate(op::CropQuad { corners, height, width, interpolation: interpolation.into() }, &[value]).await
    }

    async fn warp_perspective(
        &mut self,
        value: Handle,
        matrix: Vec<f64>,
        height: u32,
        width: u32,
        interpolation: Interpolation,
        fill: Option<f64>,
    ) -> Answer<Handle> {
        let Ok(matrix) = <[f64; 9]>::try_from(matrix.as_slice()) else {
            let message = format!("warp-perspective: the matrix has {} numbers, expected 9", matrix.len());
            return Ok(Err(self.report(&Failure::new(ErrorKind::InvalidInput, message))));
        };
        let interpolation = interpolation.into();
        self.operate(op::WarpPerspective { matrix, height, width, interpolation, fill }, &[value]).await
    }

    async fn normalize(&mut self, value: Handle, normalization: Normalization) -> Answer<Handle> {
        let Normalization { scale, mean, std, from, to, reverse } = normalization;
        let (from, to) = (from.into(), to.into());
        self.operate(op::Normalize { scale, mean, std, from, to, reverse }, &[value]).await
    }
}
