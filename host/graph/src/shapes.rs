//! Shapes of all values.

use scorehost_core::{DType, Shape};

use crate::infer::engine::Engine;
use crate::infer::{Dim, Fact};
use crate::{Fold, Graph, GraphError};

/// Element type and dimensions of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueShape {
    /// Element type.
    pub dtype: DType,
    /// Dimensions.
    pub shape: Shape,
}

impl ValueShape {
    /// Number of elements, at most `u64::MAX`.
    #[must_use]
    pub fn elements(&self) -> u64 {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().fold(1, |product, dim| product.saturating_mul(*dim))
    }

    /// Bytes of all elements, at most `u64::MAX`; `None` for strings, whose lengths differ.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.dtype.size().map(|size| self.elements().saturating_mul(size as u64))
    }
}

impl Graph {
    /// Dtypes and shapes of all values, by [`crate::ValueId`], when the inputs have these shapes (in the signature's order).
    /// `None` where a shape depends on the data, or an operator is unknown. `fold` computes small tensors that decide shapes.
    ///
    /// # Errors
    /// Where the number of inputs or their dimensions are not the signature's, or a node cannot work with its inputs' shapes.
    pub fn shapes(&self, inputs: &[Shape], fold: &dyn Fold) -> Result<Vec<Option<ValueShape>>, GraphError> {
        let mut engine = Engine::new(self, fold);
        for (index, (value, spec)) in self.inputs.iter().zip(&self.signature.inputs).enumerate() {
            let given = inputs.get(index).map_or(&[][..], |shape| shape);
            let fits = |(declared, given): (&i64, &u64)| *declared < 0 || i64::try_from(*given) == Ok(*declared);
            if inputs.get(index).is_none() || given.len() != spec.shape.len() || !spec.shape.iter().zip(given).all(fits)
            {
                let (name, expected) = (spec.name.to_string(), spec.shape.clone());
                return Err(GraphError::InputShape { name, expected, actual: given.to_vec() });
            }
            let dims = given.iter().map(|dim| Dim::size(*dim)).collect();
            engine.facts[value.0] = Some(Fact::new(spec.dtype, Some(dims)));
        }
        self.nodes.iter().try_for_each(|node| engine.learn(node))?;
        Ok(engine.facts.into_iter().map(concrete).collect())
    }
}

fn concrete(fact: Option<Fact>) -> Option<ValueShape> {
    let fact = fact?;
    let shape: Shape = fact.dims?.iter().map(|dim| u64::try_from(dim.value()?).ok()).collect::<Option<_>>()?;
    Some(ValueShape { dtype: fact.dtype, shape })
}
