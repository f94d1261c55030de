//! Dimensions and small integers as products of a number and symbols.

use std::collections::HashMap;
use std::fmt;

use smallvec::SmallVec;

/// A dimension whose size is not a number yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Symbol(u32);

impl Symbol {
    /// The size of the batch.
    pub(crate) const BATCH: Self = Self(0);
    /// Marks sizes that depend on the batch's in a way that is not followed.
    const TAINT: u32 = 1 << 31;

    /// Marks sizes of inputs.
    const SIZE: u32 = 1 << 30;

    fn is_size(self) -> bool {
        self == Self::BATCH || self.0 & Self::SIZE != 0
    }

    fn tainted(self) -> bool {
        self.0 & Self::TAINT != 0
    }
}

/// Makes symbols.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    last: u32,
    /// Sizes that the same computation makes of the same size.
    derived: HashMap<(Dim, [i64; 6]), Dim>,
}

impl Symbols {
    /// A size of its own, unequal to every other as far as anyone knows.
    pub(crate) fn fresh(&mut self) -> Dim {
        self.last = (self.last + 1) % Symbol::SIZE;
        Dim { factor: 1, symbols: SmallVec::from_slice(&[Symbol(self.last.max(1))]) }
    }

    /// A free dimension of an input.
    pub(crate) fn size(&mut self) -> Dim {
        let mut dim = self.fresh();
        dim.symbols[0].0 |= Symbol::SIZE;
        dim
    }

    /// A size that may depend on what these depend on.
    pub(crate) fn from<'a>(&mut self, sources: impl IntoIterator<Item = &'a Dim>) -> Dim {
        let mut dim = self.fresh();
        if sources.into_iter().any(Dim::depends_on_batch) {
            dim.symbols[0].0 |= Symbol::TAINT;
        }
        dim
    }
}

impl Symbols {
    /// The size that a computation with these parameters makes of a size: equal for equal ones.
    pub(crate) fn derived(&mut self, from: &Dim, parameters: [i64; 6]) -> Dim {
        let key = (from.clone(), parameters);
        if let Some(known) = self.derived.get(&key) {
            return known.clone();
        }
        let made = self.from([from]);
        self.derived.insert(key, made.clone());
        made
    }
}

/// A number times symbols; for a dimension the number is not negative.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dim {
    factor: i64,
    /// Sorted.
    symbols: SmallVec<[Symbol; 2]>,
}

/// Dimensions of a value.
pub(crate) type Dims = SmallVec<[Dim; 6]>;

impl Dim {
    pub(crate) fn known(value: i64) -> Self {
        Self { factor: value, symbols: SmallVec::new() }
    }

    pub(crate) fn one() -> Self {
        Self::known(1)
    }

    pub(crate) fn size(value: u64) -> Self {
        Self::known(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// The batch's size.
    pub(crate) fn batch() -> Self {
        Self { factor: 1, symbols: SmallVec::from_slice(&[Symbol::BATCH]) }
    }

    /// The number, where there is no symbol.
    pub(crate) fn value(&self) -> Option<i64> {
        (self.symbols.is_empty() || self.factor == 0).then_some(self.factor)
    }

    pub(crate) fn is(&self, value: i64) -> bool {
        self.value() == Some(value)
    }

    /// Whether the size of the batch decides it.
    pub(crate) fn depends_on_batch(&self) -> bool {
        self.factor != 0 && self.symbols.iter().any(|symbol| *symbol == Symbol::BATCH || symbol.tainted())
    }

    /// Whether it is the size of the batch, times what does not depend on it.
    pub(crate) fn is_batches(&self) -> bool {
        let count = self.symbols.iter().filter(|symbol| **symbol == Symbol::BATCH).count();
        self.factor > 0 && count == 1 && !self.symbols.iter().any(|symbol| symbol.tainted())
    }

    /// `None` where the number overflows.
    pub(crate) fn times(&self, other: &Self) -> Option<Self> {
        let factor = self.factor.checked_mul(other.factor)?;
        if factor == 0 {
            return Some(Self::known(0));
        }
        let mut symbols: SmallVec<[Symbol; 2]> = self.symbols.iter().chain(&other.symbols).copied().collect();
        // Products of many free dimensions decide nothing that anyone could follow.
        if symbols.len() > 12 {
            return None;
        }
        symbols.sort_unstable();
        Some(Self { factor, symbols })
    }

    /// `None` where it is not a whole product.
    pub(crate) fn over(&self, other: &Self) -> Option<Self> {
        if other.factor == 0 || self.factor % other.factor != 0 {
            return None;
        }
        let mut symbols = self.symbols.clone();
        for symbol in &other.symbols {
            symbols.remove(symbols.iter().position(|own| own == symbol)?);
        }
        Some(Self { factor: self.factor / other.factor, symbols })
    }

    /// The sum, where both have the same symbols.
    pub(crate) fn plus(&self, other: &Self) -> Option<Self> {
        if self.is(0) {
            return Some(other.clone());
        }
        if other.is(0) {
            return Some(self.clone());
        }
        if self.symbols != other.symbols {
            return None;
        }
        let factor = self.factor.checked_add(other.factor)?;
        Some(if factor == 0 { Self::known(0) } else { Self { factor, symbols: self.symbols.clone() } })
    }

    pub(crate) fn negated(&self) -> Option<Self> {
        self.times(&Self::known(-1))
    }

    /// Whether it is a product of sizes of inputs, which are not negative; a symbol of [`Symbols::from`] may be any number.
    pub(crate) fn is_size(&self) -> bool {
        self.factor >= 0 && self.symbols.iter().all(|symbol| symbol.is_size())
    }

    pub(crate) const fn is_negative(&self) -> bool {
        self.factor < 0
    }

    /// Whether the two are certainly different numbers.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        matches!((self.value(), other.value()), (Some(one), Some(two)) if one != two)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.symbols.is_empty() || self.factor != 1 {
            write!(f, "{}", self.factor)?;
        }
        self.symbols.iter().try_for_each(|symbol| match *symbol {
            Symbol::BATCH => write!(f, "N"),
            Symbol(number) => write!(f, "s{}", number & !(Symbol::TAINT | Symbol::SIZE)),
        })
    }
}

/// The product of dimensions; `None` where it overflows.
pub(crate) fn product(dims: &[Dim]) -> Option<Dim> {
    dims.iter().try_fold(Dim::one(), |product, dim| product.times(dim))
}

/// Dimensions as messages show them.
pub(crate) fn shown(dims: &[Dim]) -> String {
    let dims: Vec<String> = dims.iter().map(ToString::to_string).collect();
    format!("[{}]", dims.join(", "))
}
