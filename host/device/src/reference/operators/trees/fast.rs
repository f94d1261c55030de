//! Forests whose branches all compare the same way, walked in single precision: small nodes, eight walks at a time, so that
//! the processor has other work while it waits for a node.

use super::forest::{Forest, Mode, Tree};

/// Walks side by side.
const LANES: usize = 8;
/// Rows whose features stay in the cache while all trees pass over them.
const BLOCK: usize = 64;
/// In [`Node::feature`]: whether a missing value goes the way of a true comparison.
const MISSING: u32 = 1 << 31;

/// A branch; a leaf leads to itself both ways.
#[derive(Clone, Copy)]
struct Node {
    threshold: f32,
    feature: u32,
    yes: u32,
    no: u32,
}

/// A forest of nodes in one table.
pub(super) struct Fast {
    nodes: Vec<Node>,
    /// First node and depth of each tree.
    trees: Vec<(u32, u32)>,
    /// Range of each node's votes; empty for branches.
    votes_of: Vec<(u32, u32)>,
    votes: Vec<(usize, f64)>,
    mode: Mode,
}

impl Fast {
    /// The forest in this form; `None` where its branches compare in different ways, or it is too large for small nodes.
    pub(super) fn of(forest: &Forest) -> Option<Self> {
        let mut mode = None;
        let mut fast = Self {
            nodes: Vec::new(),
            trees: Vec::new(),
            votes_of: Vec::new(),
            votes: Vec::new(),
            mode: Mode::LessOrEqual,
        };
        for (index, tree) in forest.nodes.iter().enumerate() {
            let start = u32::try_from(fast.votes.len()).ok()?;
            let own = u32::try_from(index).ok()?;
            fast.nodes.push(match tree {
                Tree::Leaf(votes) => {
                    fast.votes.extend_from_slice(votes);
                    Node { threshold: 0.0, feature: 0, yes: own, no: own }
                }
                Tree::Branch { feature, mode: this, value, missing_is_true, yes, no } => {
                    if *mode.get_or_insert(*this) != *this {
                        return None;
                    }
                    let feature = u32::try_from(*feature).ok().filter(|feature| *feature < MISSING)?;
                    let feature = feature | if *missing_is_true { MISSING } else { 0 };
                    // Thresholds are read in single precision: nothing is lost.
                    Node {
                        threshold: *value as f32,
                        feature,
                        yes: u32::try_from(*yes).ok()?,
                        no: u32::try_from(*no).ok()?,
                    }
                }
            });
            fast.votes_of.push((start, u32::try_from(fast.votes.len()).ok()?));
        }
        let depths = depths(&fast.nodes)?;
        fast.trees = forest.roots.iter().map(|root| (*root as u32, depths[*root])).collect();
        fast.mode = mode.unwrap_or(Mode::LessOrEqual);
        Some(fast)
    }

    /// Calls `vote` with each row's number and each vote of the leaf that it reaches, tree by tree. Rows have
    /// `features` numbers, as many as the trees look at or more, and one at least.
    pub(super) fn leaves(&self, rows: &[f32], features: usize, vote: impl FnMut(usize, usize, f64)) {
        match self.mode {
            Mode::LessOrEqual => self.walk(rows, features, |x, y| x <= y, vote),
            Mode::Less => self.walk(rows, features, |x, y| x < y, vote),
            Mode::GreaterOrEqual => self.walk(rows, features, |x, y| x >= y, vote),
            Mode::Greater => self.walk(rows, features, |x, y| x > y, vote),
            Mode::Equal => self.walk(rows, features, |x, y| x == y, vote),
            Mode::NotEqual => self.walk(rows, features, |x, y| x != y, vote),
        }
    }

    fn walk(
        &self,
        rows: &[f32],
        features: usize,
        holds: impl Fn(f32, f32) -> bool + Copy,
        mut vote: impl FnMut(usize, usize, f64),
    ) {
        let mut give = |row: usize, leaf: u32| {
            let (start, end) = self.votes_of[leaf as usize];
            self.votes[start as usize..end as usize].iter().for_each(|(target, weight)| vote(row, *target, *weight));
        };
        for (block, rows) in rows.chunks(BLOCK * features).enumerate() {
            let count = rows.len() / features;
            let row = |index: usize| &rows[index * features..(index + 1) * features];
            let whole = if count < LANES { 0 } else { count / LANES * LANES };
            for (root, depth) in &self.trees {
                for first in (0..whole).step_by(LANES) {
                    let lanes: [&[f32]; LANES] = std::array::from_fn(|lane| row(first + lane));
                    let reached = self.reach([*root; LANES], lanes, *depth, holds);
                    (0..LANES).for_each(|lane| give(block * BLOCK + first + lane, reached[lane]));
                }
            }
            // Too few rows to fill the lanes: one row through eight trees.
            for index in whole..count {
                for trees in self.trees.chunks(LANES) {
                    let tree = |lane: usize| trees.get(lane).copied().unwrap_or((trees[0].0, 0));
                    let depth = trees.iter().map(|tree| tree.1).max().unwrap_or(0);
                    let roots = std::array::from_fn(|lane| tree(lane).0);
                    let reached = self.reach(roots, [row(index); LANES], depth, holds);
                    (0..trees.len()).for_each(|lane| give(block * BLOCK + index, reached[lane]));
                }
            }
        }
    }

    #[inline]
    fn reach(
        &self,
        mut places: [u32; LANES],
        rows: [&[f32]; LANES],
        depth: u32,
        holds: impl Fn(f32, f32) -> bool,
    ) -> [u32; LANES] {
        for _ in 0..depth {
            let before = places;
            for (place, row) in places.iter_mut().zip(&rows) {
                let node = self.nodes[*place as usize];
                let x = row[(node.feature & !MISSING) as usize];
                let taken = holds(x, node.threshold) | (x.is_nan() & (node.feature & MISSING != 0));
                *place = if taken { node.yes } else { node.no };
            }
            // All at leaves, of a tree that is deeper elsewhere.
            if places == before {
                break;
            }
        }
        places
    }
}

/// Branches on the longest way from each node; `None` for a way without an end.
fn depths(nodes: &[Node]) -> Option<Vec<u32>> {
    let mut depths: Vec<Option<u32>> = vec![None; nodes.len()];
    let mut open = vec![false; nodes.len()];
    for root in 0..nodes.len() {
        let mut ways = vec![root];
        while let Some(&place) = ways.last() {
            let node = nodes[place];
            let next = [node.yes as usize, node.no as usize];
            if depths[place].is_some() || next == [place; 2] {
                depths[place].get_or_insert(0);
                ways.pop();
                continue;
            }
            if let [Some(yes), Some(no)] = next.map(|child| depths[child]) {
                depths[place] = Some(yes.max(no) + 1);
                ways.pop();
                continue;
            }
            if std::mem::replace(&mut open[place], true) {
                return None;
            }
            ways.extend(next.into_iter().filter(|child| depths[*child].is_none()));
        }
    }
    depths.into_iter().collect()
}
