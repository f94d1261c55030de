//! Optional values, of which a tensor is always one that is there.

use super::Table;
use crate::reference::array::Array;

pub(super) const OPERATORS: Table = &[
    ("", "OptionalHasElement", |_| {
        Ok(Box::new(|inputs| Ok(vec![Array::new(vec![], vec![inputs.optional(0).is_some()])?])))
    }),
    ("", "OptionalGetElement", |_| Ok(Box::new(|inputs| Ok(vec![inputs.get(0)?.clone()])))),
];
