//! `Attention` and `RotaryEmbedding` of the standard's operator sets 23 and later, as products, a softmax and elementwise operators.

use scorehost_core::DType;
use scorehost_graph::{Attribute, Node, ValueId};

use super::LARGEST_HEAD;
use crate::lower::attributes::{float, int};
use crate::lower::compose::number;
use crate::planner::Planner;

/// `[batch, heads, rows, size]`; three dimensions have the heads inside the last.
fn heads(planner: &mut Planner<'_>, id: ValueId, count: i64) -> Result<ValueId, String> {
    let shape = planner.kind(id)?.0;
    match shape[..] {
        [_, _, _, _] => Ok(id),
        [batch, rows, width] if count > 0 && width.is_multiple_of(count as u64) => {
            let id = planner.reshape_to(id, &[batch, rows, count as u64, width / count as u64])?;
            planner.transpose_to(id, &[0, 2, 1, 3])
        }
        _ => Err(format!("{shape:?} does not hold {count} heads")),
    }
}

/// With the rows of the past in front.
fn after(planner: &mut Planner<'_>, past: Option<ValueId>, id: ValueId) -> Result<ValueId, String> {
    match past {
        Some(past) => planner.apply("Concat", &[past, id], &[("axis", number(2))]),
        None => Ok(id),
    }
}

pub(in crate::lower) fn standard(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let [q, k, v] = [planner.input(node, 0)?, planner.input(node, 1)?, planner.input(node, 2)?];
    let flat = planner.kind(q)?.0.len() == 3;
    let (query_heads, key_heads) = (int(node, "q_num_heads", 0), int(node, "kv_num_heads", 0));
    let q = heads(planner, q, query_heads)?;
    let k = heads(planner, k, key_heads)?;
    let v = heads(planner, v, key_heads)?;
    let (k, v) = (after(planner, node.input(4), k)?, after(planner, node.input(5), v)?);
    planner.give(node, 1, k)?;
    planner.give(node, 2, v)?;
    let sizes = Sizes::of(planner, node, [q, k, v])?;
    let mask = sizes.mask(planner, node)?;
    let y = match sizes.fused(planner, node, [q, k, v], mask)? {
        Some(y) => y,
        None => sizes.written_out(planner, node, [q, k, v], mask)?,
    };
    let y = if flat {
        let y = planner.transpose_to(y, &[0, 2, 1, 3])?;
        planner.reshape_to(y, &[sizes.batch, sizes.rows, sizes.heads * sizes.width])?
    } else {
        y
    };
    planner.give(node, 0, y)
}

struct Sizes {
    batch: u64,
    heads: u64,
    key_heads: u64,
    rows: u64,
    keys: u64,
    /// Elements of a query and key, and of a value.
    size: u64,
    width: u64,
    /// Keys in front of the first query.
    past: u64,
    dtype: DType,
    scale: f32,
}

impl Sizes {
    fn of(planner: &Planner<'_>, node: &Node, ids: [ValueId; 3]) -> Result<Self, String> {
        let (q, dtype) = planner.kind(ids[0])?;
        let (k, v) = (planner.kind(ids[1])?.0, planner.kind(ids[2])?.0);
        let ([batch, heads, rows, size], [b, key_heads, keys, s], [vb, vh, vk, width]) = (&q[..], &k[..], &v[..])
        else {
            return Err(format!("queries {q:?}, keys {k:?} and values {v:?}"));
        };
        let fits = [b, s] == [batch, size] && [vb, vh, vk] == [b, key_heads, keys] && *key_heads > 0;
        if !fits || !heads.is_multiple_of(*key_heads) {
            return Err(format!("queries {q:?}, keys {k:?} and values {v:?} do not fit"));
        }
        let past = match node.input(4) {
            Some(past) => planner.kind(past)?.0.get(2).copied().unwrap_or(0),
            None => 0,
        };
        let scale = float(node, "scale", 1.0 / (*size as f32).sqrt());
        let (batch, heads, key_heads, rows) = (*batch, *heads, *key_heads, *rows);
        Ok(Self { batch, heads, key_heads, rows, keys: *keys, size: *size, width: *width, past, dtype, scale })
    }

    /// What is added to the scores: the mask given, what comes later than its query, and padding behind the keys.
    fn mask(&self, planner: &mut Planner<'_>, node: &Node) -> Result<Option<ValueId>, String> {
        let (zero, hidden) = (planner.scalar(self.dtype, 0.0)?, planner.scalar(self.dtype, f64::NEG_INFINITY)?);
        let mut mask = None;
        if let Some(given) = node.input(3) {
            mask = Some(self.given(planner, given, zero, hidden)?);
        }
        let columns: Vec<i64> = (0..self.keys as i64).collect();
        let mut hide = |planner: &mut Planner<'_>, late: ValueId| -> Result<(), String> {
            let rest = mask.unwrap_or(zero);
            mask = Some(planner.apply("Where", &[late, hidden, rest], &[])?);
            Ok(())
        };
        if int(node, "is_causal", 0) != 0 {
            let columns = planner.known_ints(&[1, self.keys], &columns)?;
            let last: Vec<i64> = (0..self.rows).map(|row| (row + self.past) as i64).collect();
            let last = planner.known_ints(&[self.rows, 1], &last)?;
            let late = planner.apply("Greater", &[columns, last], &[])?;
            hide(planner, late)?;
        }
        if let Some(lengths) = node.input(6) {
            let columns = planner.known_ints(&[1, 1, 1, self.keys], &columns)?;
            let lengths = planner.reshape_to(lengths, &[self.batch, 1, 1, 1])?;
            let behind = planner.apply("GreaterOrEqual", &[columns, lengths], &[])?;
            hide(planner, behind)?;
        }
        Ok(mask)
    }

    /// A mask of numbers, or of truths where false hides; it may be shorter than the keys, the rest is hidden.
    fn given(
        &self,
        planner: &mut Planner<'_>,
        given: ValueId,
        zero: ValueId,
        hidden: ValueId,
    ) -> Result<ValueId, String> {
        let (shape, dtype) = planner.kind(given)?;
        let mask = match dtype {
            DType::Bool => planner.apply("Where", &[given, zero, hidden], &[])?,
            _ => planner.cast_to(given, self.dtype)?,
        };
        let known = shape.last().copied().unwrap_or(1);
        if known <= 1 || known >= self.keys {
            return Ok(mask);
        }
        let mut pads = vec![0; 2 * shape.len()];
        pads[2 * shape.len() - 1] = (self.keys - known) as i64;
        let pads = planner.known_ints(&[pads.len() as u64], &pads)?;
        planner.apply("Pad", &[mask, pads, hidden], &[])
    }

    /// By the device's own attention, where nothing but a mask lies between the products.
    fn fused(
        &self,
        planner: &mut Planner<'_>,
        node: &Node,
        [q, k, v]: [ValueId; 3],
        mask: Option<ValueId>,
    ) -> Result<Option<ValueId>, String> {
        let shown = node.output(3).is_some() || float(node, "softcap", 0.0) > 0.0;
        let fits = self.heads == self.key_heads && self.size == self.width && self.size <= LARGEST_HEAD;
        let float = matches!(self.dtype, DType::F32 | DType::F16 | DType::BF16);
        if shown || !fits || !float || self.keys == 0 {
            return Ok(None);
        }
        let settings = [
            ("heads", number(self.heads as i64)),
            ("layout", Attribute::String(bytes::Bytes::from_static(b"BNSH"))),
            ("scale", Attribute::Float(self.scale)),
        ];
        let mask = match mask {
            // The kernels read a mask of the elements' stored type.
            Some(mask) => Some(planner.cast_to(mask, self.dtype)?),
            None => None,
        };
        planner.apply_in("scorehost", "FusedAttention", &[Some(q), Some(k), Some(v), mask], &settings).map(Some)
    }

    fn written_out(
        &self,
        planner: &mut Planner<'_>,
        node: &Node,
        [q, k, v]: [ValueId; 3],
        mask: Option<ValueId>,
    ) -> Result<ValueId, String> {
        // Queries that share their keys are rows of one matrix.
        let tall = [self.batch, self.key_heads, self.heads / self.key_heads * self.rows, self.size];
        let q = planner.reshape_to(q, &tall)?;
        let settings = [("transB", number(1)), ("alpha", Attribute::Float(self.scale))];
        let scores = planner.apply_in("scorehost", "FusedMatMul", &[Some(q), Some(k)], &settings)?;
        let mut scores = planner.reshape_to(scores, &[self.batch, self.heads, self.rows, self.keys])?;
        let shown = int(node, "qk_matmul_output_mode", 0);
        self.show(planner, node, shown == 0, scores)?;
        let cap = float(node, "softcap", 0.0);
        if cap > 0.0 {
            let cap = planner.scalar(self.dtype, f64::from(cap))?;
            let share = planner.apply("Div", &[scores, cap], &[])?;
            let bent = planner.apply("Tanh", &[share], &[])?;
            scores = planner.apply("Mul", &[bent, cap], &[])?;
        }
        self.show(planner, node, shown == 1, scores)?;
        if let Some(mask) = mask {
            scores = planner.apply("Add", &[scores, mask], &[])?;
        }
        self.show(planner, node, shown == 2, scores)?;
        let weights = planner.apply("Softmax", &[scores], &[("axis", number(-1))])?;
        self.show(planner, node, shown == 3, weights)?;
        let weights = planner.reshape_to(weights, &[tall[0], tall[1], tall[2], self.keys])?;
        let y = planner.apply("MatMul", &[weights, v], &[])?;
        planner.reshape_to(y, &[self.batch, self.heads, self.rows, self.width])
    }

    fn show(&self, planner: &mut Planner<'_>, node: &Node, now: bool, scores: ValueId) -> Result<(), String> {
        if now && node.output(3).is_some() { planner.give(node, 3, scores) } else { Ok(()) }
    }
}

/// `RotaryEmbedding`: pairs of elements of each head turned by the angle of their position.
pub(in crate::lower) fn rotary(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let shape = planner.kind(id)?.0;
    let count = int(node, "num_heads", 0);
    // Angles are [batch, rows, half]: heads stand in front of the rows, or behind them.
    let (x, heads_at) = match shape[..] {
        [_, _, _, _] => (id, 1),
        [batch, rows, width] if count > 0 && width.is_multiple_of(count as u64) => {
            (planner.reshape_to(id, &[batch, rows, count as u64, width / count as u64])?, 2)
        }
        _ => return Err(format!("{shape:?} does not hold {count} heads")),
    };
    let split = planner.kind(x)?.0;
    let size = split[3] as i64;
    let turned = match int(node, "rotary_embedding_dim", 0) {
        0 => size,
        turned => turned,
    };
    if turned < 2 || turned % 2 != 0 || turned > size {
        return Err(format!("{turned} of {size} elements cannot be turned"));
    }
    let mut angles = Vec::new();
    for index in 1..3 {
        let mut table = planner.input(node, index)?;
        if let Some(positions) = node.input(3) {
            table = planner.apply("Gather", &[table, positions], &[("axis", number(0))])?;
        }
        let [batch, rows, half] = planner.kind(table)?.0[..] else { return Err("tables of another rank".to_owned()) };
        let spread = if heads_at == 1 { [batch, 1, rows, half] } else { [batch, rows, 1, half] };
        angles.push(planner.reshape_to(table, &spread)?);
    }
    let interleaved = int(node, "interleaved", 0) != 0;
    let (first, second) = if interleaved {
        (planner.cut(x, 3, 0, turned, 2)?, planner.cut(x, 3, 1, turned, 2)?)
    } else {
        (planner.cut(x, 3, 0, turned / 2, 1)?, planner.cut(x, 3, turned / 2, turned, 1)?)
    };
    let mut product = |a, b| planner.apply("Mul", &[a, b], &[]);
    let (a, b) = (product(angles[0], first)?, product(angles[1], second)?);
    let (c, d) = (product(angles[1], first)?, product(angles[0], second)?);
    let (mut left, mut right) = (planner.apply("Sub", &[a, b], &[])?, planner.apply("Add", &[c, d], &[])?);
    if interleaved {
        let apart = [split[0], split[1], split[2], turned as u64 / 2, 1];
        (left, right) = (planner.reshape_to(left, &apart)?, planner.reshape_to(right, &apart)?);
    }
    let mut y = planner.apply("Concat", &[left, right], &[("axis", number(-1))])?;
    if interleaved {
        y = planner.reshape_to(y, &[split[0], split[1], split[2], turned as u64])?;
    }
    if turned < size {
        let rest = planner.cut(x, 3, turned, size, 1)?;
        y = planner.apply("Concat", &[y, rest], &[("axis", number(-1))])?;
    }
    let y = planner.reshape_to(y, &shape)?;
    planner.give(node, 0, y)
}
