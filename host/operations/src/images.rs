//! Operations on pictures: tensors of pixels with an axis of channels, `u8` or `fp32`.

mod decode;
mod letterbox;
mod normalize;
mod picture;
mod resample;
mod resize;
mod warp;

pub use decode::{Color, Decode};
pub use letterbox::{Letterbox, Placement};
pub use normalize::Normalize;
pub use picture::{Interpolation, Layout};
pub use resize::{CropAndResize, Resize};
pub use warp::{CropQuad, WarpPerspective};
