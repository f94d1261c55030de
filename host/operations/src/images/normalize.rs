use scorehost_core::{DType, Described, Tensor};

use super::Layout;
use super::picture::{Frame, check_pixels};
use crate::element::{Element, tensor, view};
use crate::plan::Pace;
use crate::shape::{bytes, one};
use crate::{OperationError, Plan, Watch};

/// Pixels as a network takes them: `(value * scale - mean[c]) / std[c]` in `fp32`, in another layout and order of channels where
/// wanted. What is torchvision's `ToTensor` and `Normalize` together.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    /// What values are multiplied with first: 1/255 for pixels from 0 to 1.
    pub scale: f32,
    /// One for each channel of the result, or one for all; empty is 0.
    pub mean: Vec<f32>,
    /// One for each channel of the result, or one for all; empty is 1.
    pub std: Vec<f32>,
    /// Where the channels are in the input.
    pub from: Layout,
    /// Where they are in the result.
    pub to: Layout,
    /// Whether the channels are reversed, such as red, green, blue to blue, green, red.
    pub reverse: bool,
}

impl Normalize {
    pub(crate) const NAME: &'static str = "normalize";

    fn frames(&self, input: &impl Described) -> Result<(Frame, Frame), OperationError> {
        check_pixels(Self::NAME, input)?;
        let from = Frame::of(Self::NAME, input, self.from)?;
        for (argument, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() > 1 && values.len() as u64 != from.channels {
                let expected = format!("one number, or {}, one for each channel", from.channels);
                return Err(OperationError::argument(Self::NAME, argument, values, expected));
            }
        }
        if self.std.contains(&0.0) {
            return Err(OperationError::argument(Self::NAME, "std", &self.std, "numbers other than 0"));
        }
        Ok((from, Frame { layout: self.to, ..from }))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let (_, to) = self.frames(input)?;
        let plan = Plan::of(bytes(DType::F32, &to.shape())?, 0.3);
        Ok(if input.dtype() == DType::F32 { plan.with_scratch(input.byte_len()) } else { plan })
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let (from, to) = self.frames(input)?;
        let values = match input.dtype() {
            DType::U8 => self.normalized(&view::<u8>(input), (&from, &to), f32::from, watch)?,
            _ => self.normalized(&view::<f32>(input), (&from, &to), |value| value, watch)?,
        };
        Ok(vec![tensor(to.shape(), values)?])
    }

    /// Channel by channel of every picture.
    fn normalized<T: Element>(
        &self,
        values: &[T],
        (from, to): (&Frame, &Frame),
        number: impl Fn(T) -> f32,
        watch: &Watch<'_>,
    ) -> Result<Vec<f32>, OperationError> {
        let (pixels, channels) = ((from.height * from.width) as usize, from.channels as usize);
        let mut out = vec![0.0; values.len()];
        let mut pace = Pace::new(watch);
        let pictures = values.chunks_exact(pixels * channels).zip(out.chunks_exact_mut(pixels * channels));
        for (source, target) in pictures {
            for channel in 0..channels {
                pace.step(pixels)?;
                let (mean, std) = (self.of(&self.mean, channel, 0.0), self.of(&self.std, channel, 1.0));
                let value = |value: &T| (number(*value) * self.scale - mean) / std;
                let read = if self.reverse { channels - 1 - channel } else { channel };
                match (from.layout, to.layout) {
                    (Layout::ChannelsLast, Layout::ChannelsFirst) => {
                        let plane = &mut target[channel * pixels..(channel + 1) * pixels];
                        plane
                            .iter_mut()
                            .zip(source[read..].iter().step_by(channels))
                            .for_each(|(to, from)| *to = value(from));
                    }
                    (Layout::ChannelsFirst, Layout::ChannelsFirst) => {
                        let plane = &mut target[channel * pixels..(channel + 1) * pixels];
                        plane.iter_mut().zip(&source[read * pixels..]).for_each(|(to, from)| *to = value(from));
                    }
                    (Layout::ChannelsLast, Layout::ChannelsLast) => {
                        let places = target[channel..].iter_mut().step_by(channels);
                        places.zip(source[read..].iter().step_by(channels)).for_each(|(to, from)| *to = value(from));
                    }
                    (Layout::ChannelsFirst, Layout::ChannelsLast) => {
                        let places = target[channel..].iter_mut().step_by(channels);
                        places
                            .zip(&source[read * pixels..(read + 1) * pixels])
                            .for_each(|(to, from)| *to = value(from));
                    }
                }
            }
        }
        Ok(out)
    }

    fn of(&self, values: &[f32], channel: usize, default: f32) -> f32 {
        values.get(channel).or(values.first()).copied().unwrap_or(default)
    }
}
