//! Interface `arrays`.

use scorehost_operations as op;

use super::{Answer, Handle};
use crate::bindings::operations::scorehost::operations::arrays::{Comparison, Dtype, Host, Operator, Range, Reduction};
use crate::host::convert::from_guest_dtype;
use crate::state::State;

impl From<Operator> for op::Operator {
    fn from(operator: Operator) -> Self {
        match operator {
            Operator::Add => Self::Add,
            Operator::Subtract => Self::Subtract,
            Operator::Multiply => Self::Multiply,
            Operator::Divide => Self::Divide,
            Operator::Minimum => Self::Minimum,
            Operator::Maximum => Self::Maximum,
        }
    }
}

impl From<Comparison> for op::Comparison {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Less => Self::Less,
            Comparison::LessEqual => Self::LessEqual,
            Comparison::Greater => Self::Greater,
            Comparison::GreaterEqual => Self::GreaterEqual,
            Comparison::Equal => Self::Equal,
            Comparison::NotEqual => Self::NotEqual,
        }
    }
}

impl From<Reduction> for op::Reduction {
    fn from(reduction: Reduction) -> Self {
        match reduction {
            Reduction::Sum => Self::Sum,
            Reduction::Mean => Self::Mean,
            Reduction::Max => Self::Max,
            Reduction::Min => Self::Min,
        }
    }
}

impl Host for State {
    async fn cast(&mut self, value: Handle, to: Dtype) -> Answer<Handle> {
        self.operate(op::Cast { to: from_guest_dtype(to) }, &[value]).await
    }

    async fn transpose(&mut self, value: Handle, axes: Vec<u32>) -> Answer<Handle> {
        self.operate(op::Transpose { axes }, &[value]).await
    }

    async fn slice(&mut self, value: Handle, ranges: Vec<Range>) -> Answer<Handle> {
        let range = |Range { start, end, step }: Range| op::Range { start, end, step };
        self.operate(op::Slice { ranges: ranges.into_iter().map(range).collect() }, &[value]).await
    }

    async fn concat(&mut self, values: Vec<Handle>, axis: i32) -> Answer<Handle> {
        self.operate(op::Concat { axis }, &values).await
    }

    async fn stack(&mut self, values: Vec<Handle>, axis: i32) -> Answer<Handle> {
        self.operate(op::Stack { axis }, &values).await
    }

    async fn stack_padded(&mut self, values: Vec<Handle>, shape: Vec<u64>, fill: f64) -> Answer<Handle> {
        self.operate(op::StackPadded { shape, fill }, &values).await
    }

    async fn pad(&mut self, value: Handle, before: Vec<u64>, after: Vec<u64>, fill: f64) -> Answer<Handle> {
        self.operate(op::Pad { before, after, fill }, &[value]).await
    }

    async fn gather(&mut self, value: Handle, indices: Handle, axis: i32) -> Answer<Handle> {
        self.operate(op::Gather { axis }, &[value, indices]).await
    }

    async fn arithmetic(&mut self, operator: Operator, left: Handle, right: Handle) -> Answer<Handle> {
        self.operate(op::Arithmetic { operator: operator.into() }, &[left, right]).await
    }

    async fn arithmetic_scalar(&mut self, operator: Operator, left: Handle, right: f64) -> Answer<Handle> {
        self.operate(op::ArithmeticScalar { operator: operator.into(), scalar: right }, &[left]).await
    }

    async fn compare(&mut self, comparison: Comparison, left: Handle, right: f64) -> Answer<Handle> {
        self.operate(op::Compare { comparison: comparison.into(), scalar: right }, &[left]).await
    }

    async fn clip(&mut self, value: Handle, minimum: f64, maximum: f64) -> Answer<Handle> {
        self.operate(op::Clip { minimum, maximum }, &[value]).await
    }

    async fn softmax(&mut self, value: Handle, axis: i32) -> Answer<Handle> {
        self.operate(op::Softmax { axis }, &[value]).await
    }

    async fn matmul(&mut self, left: Handle, right: Handle) -> Answer<Handle> {
        self.operate(op::Matmul, &[left, right]).await
    }

    async fn reduce(&mut self, reduction: Reduction, value: Handle, axes: Vec<i32>, keep_dims: bool) -> Answer<Handle> {
        self.operate(op::Reduce { reduction: reduction.into(), axes, keep_dims }, &[value]).await
    }

    async fn argmax(&mut self, value: Handle, axis: i32, keep_dims: bool) -> Answer<Handle> {
        self.operate(op::Argmax { axis, keep_dims }, &[value]).await
    }

    async fn top_k(&mut self, value: Handle, k: u64, axis: i32, largest: bool) -> Answer<(Handle, Handle)> {
        let found = self.operate_for::<2>(op::TopK { k, axis, largest }.into(), &[value]).await?;
        Ok(found.map(|[values, indices]| (values, indices)))
    }
}
