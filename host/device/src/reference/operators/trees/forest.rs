//! The trees of an ensemble, checked once so that walking them needs no checks. That walks end, without cycles, is
//! checked by `scorehost_graph` for every device.

use std::collections::{BTreeSet, HashMap};

use super::Attributes;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Equal,
    NotEqual,
}

pub(super) enum Tree {
    Leaf(Vec<(usize, f64)>),
    Branch { feature: usize, mode: Mode, value: f64, missing_is_true: bool, yes: usize, no: usize },
}

/// All trees in one table.
pub(super) struct Forest {
    pub(super) nodes: Vec<Tree>,
    pub(super) roots: Vec<usize>,
    /// Number of features that the trees look at.
    pub(super) features: usize,
}

type Place = (i64, i64);

fn lengths_match<T>(values: &[T], length: usize, name: &str) -> Result<(), String> {
    if values.len() == length { Ok(()) } else { Err(format!("{name} has {} entries, not {length}", values.len())) }
}

impl Forest {
    /// Reads the attributes `nodes_…` and `<votes>_…` (`class` or `target`).
    pub(super) fn read(attributes: &Attributes<'_>, votes: &str, targets: usize) -> Result<Self, String> {
        if attributes.has("nodes_values_as_tensor") {
            return Err("thresholds in double precision are not supported here".to_owned());
        }
        let trees = attributes.ints("nodes_treeids")?;
        let ids = attributes.ints("nodes_nodeids")?;
        lengths_match(&ids, trees.len(), "nodes_nodeids")?;
        let places: Vec<Place> = trees.into_iter().zip(ids).collect();
        let index: HashMap<Place, usize> = places.iter().enumerate().map(|(index, place)| (*place, index)).collect();
        if index.len() != places.len() {
            return Err("a node is defined twice".to_owned());
        }
        let mut leaves = leaves(attributes, votes, targets, &index)?;
        let nodes = nodes(attributes, &places, &index, &mut leaves)?;
        let mut seen = BTreeSet::new();
        let roots = places.iter().enumerate().filter(|(_, place)| seen.insert(place.0)).map(|(index, _)| index);
        let needed = |node: &Tree| match node {
            Tree::Branch { feature, .. } => feature.saturating_add(1),
            Tree::Leaf(_) => 0,
        };
        Ok(Self { roots: roots.collect(), features: nodes.iter().map(needed).max().unwrap_or(0), nodes })
    }

    pub(super) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Number of features that the trees look at.
    pub(super) fn features(&self) -> usize {
        self.features
    }

    fn votes(&self) -> impl Iterator<Item = &(usize, f64)> {
        self.nodes.iter().flat_map(|node| match node {
            Tree::Leaf(votes) => &votes[..],
            Tree::Branch { .. } => &[],
        })
    }

    /// Number of different targets that leaves vote for.
    pub(super) fn voted_targets(&self) -> usize {
        self.votes().map(|(target, _)| target).collect::<BTreeSet<_>>().len()
    }

    /// Whether no leaf has a negative weight.
    pub(super) fn all_positive(&self) -> bool {
        self.votes().all(|(_, weight)| *weight >= 0.0)
    }

    /// The votes of the leaf that `row` reaches in each tree.
    pub(super) fn leaves<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = &'a (usize, f64)> {
        self.roots.iter().flat_map(|root| {
            let mut node = &self.nodes[*root];
            loop {
                match node {
                    Tree::Leaf(votes) => return votes.iter(),
                    Tree::Branch { feature, mode, value, missing_is_true, yes, no } => {
                        let x = row[*feature];
                        let taken = mode.holds(x, *value) || (*missing_is_true && x.is_nan());
                        node = &self.nodes[if taken { *yes } else { *no }];
                    }
                }
            }
        })
    }
}

impl Mode {
    fn read(name: &[u8]) -> Result<Option<Self>, String> {
        Ok(Some(match name {
            b"LEAF" => return Ok(None),
            b"BRANCH_LEQ" => Self::LessOrEqual,
            b"BRANCH_LT" => Self::Less,
            b"BRANCH_GTE" => Self::GreaterOrEqual,
            b"BRANCH_GT" => Self::Greater,
            b"BRANCH_EQ" => Self::Equal,
            b"BRANCH_NEQ" => Self::NotEqual,
            other => return Err(format!("node mode '{}'", String::from_utf8_lossy(other))),
        }))
    }

    fn holds(self, x: f64, value: f64) -> bool {
        match self {
            Self::LessOrEqual => x <= value,
            Self::Less => x < value,
            Self::GreaterOrEqual => x >= value,
            Self::Greater => x > value,
            Self::Equal => x == value,
            Self::NotEqual => x != value,
        }
    }
}

/// Votes by node.
fn leaves(
    attributes: &Attributes<'_>,
    votes: &str,
    targets: usize,
    index: &HashMap<Place, usize>,
) -> Result<HashMap<usize, Vec<(usize, f64)>>, String> {
    let ints = |name: &str| attributes.ints(&format!("{votes}_{name}"));
    let (trees, nodes, ids) = (ints("treeids")?, ints("nodeids")?, ints("ids")?);
    let weights = attributes.floats(&format!("{votes}_weights"))?;
    lengths_match(&nodes, trees.len(), "nodeids of leaves")?;
    lengths_match(&ids, trees.len(), "ids of leaves")?;
    lengths_match(&weights, trees.len(), "weights of leaves")?;
    let mut leaves: HashMap<usize, Vec<(usize, f64)>> = HashMap::new();
    for (vote, place) in trees.into_iter().zip(nodes).enumerate() {
        let node = index.get(&place).ok_or("a vote of a node that does not exist")?;
        let target = usize::try_from(ids[vote]).ok().filter(|target| *target < targets);
        let target = target.ok_or_else(|| format!("a vote for number {} of {targets}", ids[vote]))?;
        leaves.entry(*node).or_default().push((target, f64::from(weights[vote])));
    }
    Ok(leaves)
}

fn nodes(
    attributes: &Attributes<'_>,
    places: &[Place],
    index: &HashMap<Place, usize>,
    leaves: &mut HashMap<usize, Vec<(usize, f64)>>,
) -> Result<Vec<Tree>, String> {
    let modes = attributes.strings("nodes_modes")?;
    let features = attributes.ints("nodes_featureids")?;
    let values = attributes.floats("nodes_values")?;
    let (yes, no) = (attributes.ints("nodes_truenodeids")?, attributes.ints("nodes_falsenodeids")?);
    let missing = attributes.ints("nodes_missing_value_tracks_true")?;
    lengths_match(&modes, places.len(), "nodes_modes")?;
    lengths_match(&features, places.len(), "nodes_featureids")?;
    lengths_match(&values, places.len(), "nodes_values")?;
    lengths_match(&yes, places.len(), "nodes_truenodeids")?;
    lengths_match(&no, places.len(), "nodes_falsenodeids")?;
    let node = |(node, (tree, _)): (usize, &Place)| {
        let Some(mode) = Mode::read(&modes[node])? else {
            return Ok(Tree::Leaf(leaves.remove(&node).unwrap_or_default()));
        };
        let child = |id: i64| index.get(&(*tree, id)).copied().ok_or_else(|| format!("no node {id} in tree {tree}"));
        Ok(Tree::Branch {
            feature: usize::try_from(features[node]).map_err(|_| "a negative feature")?,
            mode,
            value: f64::from(values[node]),
            missing_is_true: missing.get(node).is_some_and(|tracks| *tracks != 0),
            yes: child(yes[node])?,
            no: child(no[node])?,
        })
    };
    places.iter().enumerate().map(node).collect()
}
