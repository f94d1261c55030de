/// Why a picture could not be read.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OcrError {
    /// The bytes are not a picture, or a broken one.
    #[error("the picture cannot be decoded: {detail}; send a JPEG or PNG file")]
    Undecodable {
        /// What the decoder found.
        detail: String,
    },
    /// The picture has more pixels than allowed; it was not decoded.
    #[error("the picture has {width} x {height} pixels, more than {limit} in all; send a smaller one")]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Most pixels allowed.
        limit: u64,
    },
    /// A model's answer does not have the shape that the step needs.
    #[error("{model} answered with shape {found:?}, expected {expected}; deploy the model this reader was made for")]
    Shape {
        /// Which model, for example `the detector`.
        model: &'static str,
        /// The expected shape, in words.
        expected: String,
        /// The shape that came.
        found: Vec<usize>,
    },
}
