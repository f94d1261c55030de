use crate::Photo;

/// Elements of a model's input or output, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Length of each dimension; their product is the length of `data`.
    pub shape: Vec<usize>,
    /// The elements, last dimension fastest.
    pub data: Vec<f32>,
}

impl Tensor {
    /// Makes a tensor of zeros, which is also what both networks take as padding.
    pub(crate) fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// Writes `photo` into the top left of image `index` of this [n, 3, h, w] tensor: planes in the order blue, green,
    /// red, values in -1..=1, as both networks were trained.
    pub(crate) fn write_photo(&mut self, index: usize, photo: &Photo) {
        let (height, width) = (self.shape[2], self.shape[3]);
        let plane = height * width;
        let image = &mut self.data[index * 3 * plane..(index + 1) * 3 * plane];
        for (y, row) in photo.rows().enumerate() {
            for (channel, plane) in image.chunks_exact_mut(plane).enumerate() {
                let values = row.iter().skip(2 - channel).step_by(3);
                for (target, &value) in plane[y * width..].iter_mut().zip(values) {
                    *target = f32::from(value) / 127.5 - 1.0;
                }
            }
        }
    }
}
