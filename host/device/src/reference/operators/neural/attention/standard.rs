//! `Attention` of operator sets 23 and 24.

use super::super::single;
use super::super::softmax::Exponential;
use crate::reference::array::{Array, Elements, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::{Matrix, Target, multiply_into};
use crate::reference::operators::elementwise::strides;
use crate::reference::operators::shape::offsets;
use crate::reference::operators::{Arguments, Kernel, Results};
use crate::reference::vector::{self, dispatch};

struct Attention {
    causal: bool,
    query_heads: usize,
    key_heads: usize,
    scale: Option<f32>,
    softcap: f32,
    /// Which of the scores the fourth output shows: 0 raw, 1 capped, 2 with the mask, 3 after softmax.
    shown: i64,
    wants_scores: bool,
}

/// Heads laid out as \[batch, heads, rows, size\].
struct Heads {
    shape: [usize; 4],
    values: Vec<f32>,
}

impl Heads {
    /// From three axes (heads beside each other in a row) or four.
    fn of(array: &Array, heads: usize) -> Result<Self, String> {
        let values = array.typed::<f32>()?;
        match *array.shape {
            [batch, heads, rows, size] => Ok(Self { shape: [batch, heads, rows, size], values: values.to_vec() }),
            [batch, rows, width] if heads > 0 && width % heads == 0 => {
                let (shape, width) = ([batch, heads, rows, width / heads], width);
                let steps = [rows * width, width / heads, width, 1];
                Ok(Self { shape, values: offsets(&shape, &steps).map(|offset| values[offset]).collect() })
            }
            _ => Err(format!("shape {:?} does not hold {heads} heads", array.shape)),
        }
    }

    /// With the rows of the past before its own.
    fn after(self, past: Option<&Array>) -> Result<Self, String> {
        let Some(past) = past else { return Ok(self) };
        let [batch, heads, rows, size] = self.shape;
        let earlier = match *past.shape {
            [b, h, earlier, s] if (b, h, s) == (batch, heads, size) => earlier,
            _ => return Err(format!("the past has shape {:?}", past.shape)),
        };
        let before = past.typed::<f32>()?;
        let shape = [batch, heads, earlier + rows, size];
        let mut values = Vec::with_capacity(count(&shape)?);
        for head in 0..batch * heads {
            values.extend_from_slice(&before[head * earlier * size..(head + 1) * earlier * size]);
            values.extend_from_slice(&self.values[head * rows * size..(head + 1) * rows * size]);
        }
        Ok(Self { shape, values })
    }

    fn matrix(&self, batch: usize, head: usize) -> Result<Matrix<'_, f32>, String> {
        let [_, heads, rows, size] = self.shape;
        let start = (batch * heads + head) * rows * size;
        Matrix::new(&self.values[start..start + rows * size], rows, size)
    }

    fn into_array(self) -> Result<Array, String> {
        Array::new(self.shape.to_vec(), self.values)
    }
}

/// `Attention`.
pub(crate) fn attention(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let heads = |name: &str| usize::try_from(attributes.int(name, 0)?).map_err(|_| format!("{name} is negative"));
    let attention = Attention {
        causal: attributes.int("is_causal", 0)? != 0,
        query_heads: heads("q_num_heads")?,
        key_heads: heads("kv_num_heads")?,
        scale: attributes.optional_float("scale")?,
        softcap: attributes.float("softcap", 0.0)?,
        shown: attributes.int("qk_matmul_output_mode", 0)?,
        wants_scores: attributes.0.outputs.get(3).is_some_and(Option::is_some),
    };
    Ok(single(move |inputs| attention.run(inputs)))
}

impl Attention {
    fn run(&self, inputs: &Arguments<'_>) -> Results {
        let flat = inputs.get(0)?.shape.len() == 3;
        let query = Heads::of(inputs.get(0)?, self.query_heads)?;
        let key = Heads::of(inputs.get(1)?, self.key_heads)?.after(inputs.optional(4))?;
        let value = Heads::of(inputs.get(2)?, self.key_heads)?.after(inputs.optional(5))?;
        let ([batch, heads, rows, size], [_, key_heads, columns, _]) = (query.shape, key.shape);
        if key.shape != [batch, key_heads, columns, size]
            || value.shape[..3] != key.shape[..3]
            || key_heads == 0
            || heads % key_heads != 0
        {
            return Err(format!("{:?}, {:?} and {:?} do not fit", query.shape, key.shape, value.shape));
        }
        let past = inputs.optional(4).map_or(0, |past| past.shape[2]);
        let mask = self.mask(inputs, [batch, heads, rows, columns], past)?;
        let scale = self.scale.unwrap_or(1.0 / (size as f32).sqrt());
        let mut result = vec![0.0; count(&[batch, heads, rows, value.shape[3]])?];
        let mut shown = Vec::new();
        let mut scores = vec![0.0; count(&[rows, columns])?];
        for index in 0..batch * heads {
            let (at, head) = (index / heads, index % heads * key_heads / heads);
            let target = Target { elements: &mut scores, stride: columns, add: false };
            multiply_into(target, scale, query.matrix(at, index % heads)?, key.matrix(at, head)?.transposed(true))?;
            let mask = mask.as_ref().map(|mask| &mask[index * rows * columns..(index + 1) * rows * columns]);
            self.weigh(&mut scores, mask, columns, self.wants_scores.then_some(&mut shown));
            let width = value.shape[3];
            let place = &mut result[index * rows * width..(index + 1) * rows * width];
            let target = Target { elements: place, stride: width, add: false };
            multiply_into(target, 1.0, Matrix::new(&scores, rows, columns)?, value.matrix(at, head)?)?;
        }
        let result = Heads { shape: [batch, heads, rows, value.shape[3]], values: result };
        let result = if flat { beside(&result)? } else { result.into_array()? };
        let shown = if self.wants_scores {
            Array::new(vec![batch, heads, rows, columns], shown)?
        } else {
            Array::new(vec![0], Vec::<f32>::new())?
        };
        Ok(vec![result, key.into_array()?, value.into_array()?, shown])
    }

    /// From products to shares, in place. `shown` takes the stage that the caller wants to see.
    fn weigh(&self, scores: &mut [f32], mask: Option<&[f32]>, columns: usize, mut shown: Option<&mut Vec<f32>>) {
        let mut show = |stage: i64, scores: &[f32]| {
            if let Some(shown) = shown.as_mut().filter(|_| self.shown == stage) {
                shown.extend_from_slice(scores);
            }
        };
        show(0, scores);
        // The cap comes before the mask, which would be capped away.
        if self.softcap > 0.0 {
            dispatch(vector::Cap, (&mut *scores, self.softcap));
        }
        show(1, scores);
        if let Some(mask) = mask {
            scores.iter_mut().zip(mask).for_each(|(score, mask)| *score += mask);
        }
        show(2, scores);
        scores.chunks_exact_mut(columns.max(1)).for_each(|row| dispatch(Exponential, row));
        show(3, scores);
    }

    /// What is added to all scores: the mask given, what is later than its query, and padding behind the keys.
    fn mask(&self, inputs: &Arguments<'_>, shape: [usize; 4], past: usize) -> Result<Option<Vec<f32>>, String> {
        let (given, lengths) = (inputs.optional(3), inputs.optional(6));
        if given.is_none() && lengths.is_none() && !self.causal {
            return Ok(None);
        }
        let [_, heads, rows, columns] = shape;
        let mut mask = vec![0.0f32; count(&shape)?];
        if let Some(given) = given {
            add_mask(&mut mask, given, &shape)?;
        }
        let lengths = lengths.map(Array::to_i64).transpose()?;
        for (index, place) in mask.iter_mut().enumerate() {
            let (batch, row, column) = (index / (heads * rows * columns), index / columns % rows, index % columns);
            let late = self.causal && column > row + past;
            let behind = lengths.as_ref().and_then(|lengths| lengths.get(batch));
            if late || behind.is_some_and(|length| column as i64 >= *length) {
                *place = f32::NEG_INFINITY;
            }
        }
        Ok(Some(mask))
    }
}

/// Adds a mask of numbers, or of booleans where false hides. It may be shorter than the keys; the rest is hidden.
fn add_mask(mask: &mut [f32], given: &Array, shape: &[usize; 4]) -> Result<(), String> {
    let numbers: Vec<f32> = match &given.elements {
        Elements::Bool(kept) => kept.iter().map(|kept| if *kept { 0.0 } else { f32::NEG_INFINITY }).collect(),
        _ => given.typed::<f32>()?.to_vec(),
    };
    let columns = shape[3];
    let known = given.shape.last().copied().unwrap_or(1);
    let seen = if known > 1 && known < columns { known } else { columns };
    let part = [shape[0], shape[1], shape[2], seen];
    if crate::reference::operators::elementwise::broadcast(&given.shape, &part)? != part {
        return Err(format!("a mask of shape {:?} does not stretch to {shape:?}", given.shape));
    }
    let steps = strides(&given.shape, &part);
    let mut places = offsets(&part, &steps);
    for row in mask.chunks_exact_mut(columns.max(1)) {
        row[seen..].fill(f32::NEG_INFINITY);
        row[..seen].iter_mut().zip(places.by_ref()).for_each(|(to, from)| *to = numbers[from]);
    }
    Ok(())
}

/// Heads beside each other in a row: \[batch, rows, heads * size\].
fn beside(heads: &Heads) -> Result<Array, String> {
    let [batch, count, rows, size] = heads.shape;
    let steps = [count * rows * size, size, rows * size, 1];
    let shape = [batch, rows, count, size];
    let values = offsets(&shape, &steps).map(|offset| heads.values[offset]).collect();
    Array::new(vec![batch, rows, count * size], values)
}
