//! The trees of an ensemble as tables. That walks end, without cycles, is checked by `scorehost_graph` for every device.

use std::collections::{BTreeSet, HashMap};

use scorehost_core::{DType, Tensor};
use scorehost_graph::{Attribute, Node};

use crate::lower::attributes::{floats, ints};
use crate::lower::compose::tensor;

pub(super) struct Forest {
    /// Feature or -1, comparison, and where it holds and where not; a leaf's first vote and the one behind its last.
    nodes: Vec<[i64; 4]>,
    values: Vec<f32>,
    pub(super) roots: Vec<i64>,
    /// Target and weight, leaf after leaf.
    votes: Vec<(i64, f32)>,
    /// Number of features that the trees look at.
    pub(super) features: u64,
    /// The tree of each node.
    trees: Vec<i64>,
}

impl Forest {
    /// Reads the attributes `nodes_…` and those of the leaves' votes, whose names begin with `class` or `target`.
    pub(super) fn read(node: &Node, votes: &str) -> Result<Self, String> {
        let of = |name: &str| ints(node, name).ok_or_else(|| format!("{name} is missing"));
        let (trees, ids) = (of("nodes_treeids")?, of("nodes_nodeids")?);
        let (features, values) =
            (of("nodes_featureids")?, floats(node, "nodes_values").ok_or("its limits are missing")?);
        let (yes, no) = (of("nodes_truenodeids")?, of("nodes_falsenodeids")?);
        let Some(Attribute::Strings(modes)) = node.attributes.get("nodes_modes") else {
            return Err("its comparisons are missing".to_owned());
        };
        let count = trees.len();
        let lengths = [ids.len(), features.len(), values.len(), yes.len(), no.len(), modes.len()];
        if lengths.iter().any(|length| *length != count) {
            return Err("its nodes' attributes differ in length".to_owned());
        }
        let missing = ints(node, "nodes_missing_value_tracks_true").unwrap_or_default();
        let places: HashMap<(i64, i64), usize> =
            trees.iter().copied().zip(ids).enumerate().map(|(index, place)| (place, index)).collect();
        let mut leaves = leaves(node, votes, &places)?;
        let mut forest =
            Self { nodes: Vec::new(), values, roots: Vec::new(), votes: Vec::new(), features: 0, trees: trees.clone() };
        let mut seen = BTreeSet::new();
        for index in 0..count {
            if seen.insert(trees[index]) {
                forest.roots.push(index as i64);
            }
            let Some(mode) = comparison(&modes[index])? else {
                let first = forest.votes.len() as i64;
                forest.votes.extend(leaves.remove(&index).unwrap_or_default());
                forest.nodes.push([-1, 0, first, forest.votes.len() as i64]);
                continue;
            };
            let child = |id: i64| {
                places.get(&(trees[index], id)).map(|at| *at as i64).ok_or_else(|| format!("no node {id} in its tree"))
            };
            let feature = u64::try_from(features[index]).map_err(|_| "a negative feature")?;
            forest.features = forest.features.max(feature.saturating_add(1));
            let mode = mode + if missing.get(index).is_some_and(|tracks| *tracks != 0) { 8 } else { 0 };
            forest.nodes.push([features[index], mode, child(yes[index])?, child(no[index])?]);
        }
        Ok(forest)
    }

    /// Whether all votes are for one of `targets`, and the tables are small enough for the kernels' numbers.
    pub(super) fn check(&self, targets: u64) -> Result<(), String> {
        let wrong = self.votes.iter().find(|(target, _)| !(0..targets as i64).contains(target));
        match wrong {
            Some((target, _)) => Err(format!("a vote for number {target} of {targets}")),
            None if self.nodes.len() > 1 << 26 || self.votes.len() > 1 << 26 => Err("too many nodes".to_owned()),
            None => Ok(()),
        }
    }

    pub(super) fn all_positive(&self) -> bool {
        self.votes.iter().all(|(_, weight)| *weight >= 0.0)
    }

    /// Whether no leaf votes for a target.
    pub(super) fn never(&self, target: u64) -> bool {
        self.votes.iter().all(|(other, _)| *other != target as i64)
    }

    /// Whether every row gets a vote for a target: some tree votes for it in all its leaves.
    pub(super) fn always(&self, target: u64) -> bool {
        let mut without = BTreeSet::new();
        for (node, tree) in self.nodes.iter().zip(&self.trees).filter(|(node, _)| node[0] < 0) {
            let votes = &self.votes[node[2] as usize..node[3] as usize];
            if votes.iter().all(|(other, _)| *other != target as i64) {
                without.insert(*tree);
            }
        }
        self.trees.iter().any(|tree| !without.contains(tree))
    }

    /// The kernel's tables: nodes, limits, roots, targets and weights of votes.
    pub(super) fn tables(&self) -> Result<[Tensor; 5], String> {
        let ints = |shape: &[u64], values: &mut dyn Iterator<Item = i64>| {
            tensor(DType::I32, shape, &values.map(|value| value as f64).collect::<Vec<_>>())
        };
        let floats = |values: &mut dyn Iterator<Item = f32>| {
            let values: Vec<f64> = values.map(f64::from).collect();
            tensor(DType::F32, &[values.len() as u64], &values)
        };
        Ok([
            ints(&[self.nodes.len() as u64, 4], &mut self.nodes.iter().flatten().copied())?,
            floats(&mut self.values.iter().copied())?,
            ints(&[self.roots.len() as u64], &mut self.roots.iter().copied())?,
            ints(&[self.votes.len() as u64], &mut self.votes.iter().map(|(target, _)| *target))?,
            floats(&mut self.votes.iter().map(|(_, weight)| *weight))?,
        ])
    }
}

/// The kernel's number of a comparison; `None` for a leaf.
fn comparison(name: &[u8]) -> Result<Option<i64>, String> {
    Ok(Some(match name {
        b"LEAF" => return Ok(None),
        b"BRANCH_LEQ" => 0,
        b"BRANCH_LT" => 1,
        b"BRANCH_GTE" => 2,
        b"BRANCH_GT" => 3,
        b"BRANCH_EQ" => 4,
        b"BRANCH_NEQ" => 5,
        other => return Err(format!("comparison {} is unknown", String::from_utf8_lossy(other))),
    }))
}

/// Votes by node.
fn leaves(
    node: &Node,
    votes: &str,
    places: &HashMap<(i64, i64), usize>,
) -> Result<HashMap<usize, Vec<(i64, f32)>>, String> {
    let of = |name: &str| ints(node, &format!("{votes}_{name}")).unwrap_or_default();
    let (trees, nodes, ids) = (of("treeids"), of("nodeids"), of("ids"));
    let weights = floats(node, &format!("{votes}_weights")).unwrap_or_default();
    if [nodes.len(), ids.len(), weights.len()].iter().any(|length| *length != trees.len()) {
        return Err("its votes' attributes differ in length".to_owned());
    }
    let mut leaves: HashMap<usize, Vec<(i64, f32)>> = HashMap::new();
    for (vote, place) in trees.into_iter().zip(nodes).enumerate() {
        let at = places.get(&place).ok_or("a vote of a node that does not exist")?;
        leaves.entry(*at).or_default().push((ids[vote], weights[vote]));
    }
    Ok(leaves)
}
