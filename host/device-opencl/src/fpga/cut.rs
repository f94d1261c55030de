//! What runs where, in which order, and what crosses between host and device.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;

use scorehost_graph::{Graph, ValueId};

use super::FpgaError;
use super::claim::{Claim, Facts};
use super::manifest::{Argument, Manifest};

/// One stretch of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nodes on the CPU.
    Cpu { nodes: Vec<usize>, inputs: Vec<ValueId>, outputs: Vec<ValueId> },
    /// Launches on the device, with what is copied there before and back behind them.
    Device { claims: Vec<usize>, uploads: Vec<ValueId>, downloads: Vec<ValueId> },
}

/// An order of all phases in which every value is there when it is read; nodes of one kind run together where they can.
///
/// # Errors
/// `Kernel` where a kernel would have to wait for its own results.
pub(super) fn phases(
    facts: &Facts<'_>,
    graph: &Graph,
    claims: &[Claim],
    manifest: &Manifest,
    file: &str,
) -> Result<Vec<Phase>, FpgaError> {
    let order = order(facts, graph, claims).map_err(|claim| FpgaError::Kernel {
        file: file.to_owned(),
        kernel: manifest.kernels[claims[claim].kernel].name.clone(),
        problem: "its nodes need what others compute from their results, so it cannot run as one; leave out some of its nodes"
            .to_owned(),
    })?;
    Ok(moved(facts, graph, claims, manifest, order))
}

/// A group of nodes that runs as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Claim(usize),
    Node(usize),
}

/// Runs of units of one kind; the error is a claim that can never start.
fn order(facts: &Facts<'_>, graph: &Graph, claims: &[Claim]) -> Result<Vec<Vec<Unit>>, usize> {
    let claim_of: BTreeMap<usize, usize> =
        claims.iter().enumerate().flat_map(|(claim, its)| its.nodes.iter().map(move |node| (*node, claim))).collect();
    let unit = |node: usize| claim_of.get(&node).map_or(Unit::Node(node), |claim| Unit::Claim(*claim));
    let mut waits: BTreeMap<Unit, BTreeSet<Unit>> = BTreeMap::new();
    let mut readers: BTreeMap<Unit, BTreeSet<Unit>> = BTreeMap::new();
    for (node, its) in graph.nodes.iter().enumerate() {
        let reader = unit(node);
        let makers = its.uses().filter_map(|value| facts.maker(value)).map(unit).filter(|maker| *maker != reader);
        let makers: Vec<Unit> = makers.collect();
        makers.iter().for_each(|maker| _ = readers.entry(*maker).or_default().insert(reader));
        waits.entry(reader).or_default().extend(makers);
    }
    // Ready units by kind; those of the graph's earlier nodes first.
    let place = |unit: Unit| match unit {
        Unit::Claim(claim) => (claims[claim].nodes.first().copied().unwrap_or(0), unit),
        Unit::Node(node) => (node, unit),
    };
    let on_device = |unit: &Unit| usize::from(matches!(unit, Unit::Claim(_)));
    let mut ready = [BTreeSet::new(), BTreeSet::new()];
    let free: Vec<Unit> = waits.iter().filter(|(_, waits)| waits.is_empty()).map(|(unit, _)| *unit).collect();
    free.into_iter().for_each(|unit| _ = ready[on_device(&unit)].insert(place(unit)));
    let mut order = Vec::new();
    // The CPU first: what it prepares lets more kernels run in one go.
    let mut kind = 0;
    while !ready[0].is_empty() || !ready[1].is_empty() {
        let mut run = Vec::new();
        while let Some((_, next)) = ready[kind].pop_first() {
            run.push(next);
            waits.remove(&next);
            for reader in readers.remove(&next).unwrap_or_default() {
                let open = waits.entry(reader).or_default();
                open.remove(&next);
                if open.is_empty() {
                    ready[on_device(&reader)].insert(place(reader));
                }
            }
        }
        if !run.is_empty() {
            order.push(run);
        }
        kind = 1 - kind;
    }
    match waits.keys().find_map(|unit| if let Unit::Claim(claim) = unit { Some(*claim) } else { None }) {
        Some(claim) => Err(claim),
        None => Ok(order),
    }
}

/// Which values cross between the phases.
fn moved(facts: &Facts<'_>, graph: &Graph, claims: &[Claim], manifest: &Manifest, order: Vec<Vec<Unit>>) -> Vec<Phase> {
    let tensors = |claim: &Claim, output: bool| -> Vec<ValueId> {
        let arguments = &manifest.kernels[claim.kernel].arguments;
        let wanted = |argument: &Argument| match argument {
            Argument::Input(..) => !output,
            Argument::Output(..) => output,
            _ => false,
        };
        let pairs = arguments.iter().zip(&claim.values).filter(|(argument, _)| wanted(argument));
        pairs.filter_map(|(_, value)| *value).filter(|value| !facts.is_constant(*value)).collect()
    };
    let on_cpu: HashSet<usize> = order
        .iter()
        .flatten()
        .filter_map(|unit| if let Unit::Node(node) = unit { Some(*node) } else { None })
        .collect();
    let read_by = |node: &usize| graph.nodes[*node].uses();
    let results: HashSet<ValueId> = graph.outputs.iter().copied().collect();
    let on_host: HashSet<ValueId> = on_cpu.iter().flat_map(read_by).chain(results.iter().copied()).collect();
    let on_device: HashSet<ValueId> = claims.iter().flat_map(|claim| tensors(claim, false)).collect();
    let mut resident: HashSet<ValueId> = HashSet::new();
    order
        .into_iter()
        .map(|run| {
            let nodes: Vec<usize> =
                run.iter().filter_map(|unit| if let Unit::Node(node) = unit { Some(*node) } else { None }).collect();
            let run: Vec<usize> =
                run.iter().filter_map(|unit| if let Unit::Claim(claim) = unit { Some(*claim) } else { None }).collect();
            if run.is_empty() {
                let inside: HashSet<usize> = nodes.iter().copied().collect();
                let made: Vec<ValueId> =
                    nodes.iter().flat_map(|node| graph.nodes[*node].outputs.iter().flatten().copied()).collect();
                let made_here: HashSet<ValueId> = made.iter().copied().collect();
                let read: BTreeSet<ValueId> = nodes
                    .iter()
                    .flat_map(read_by)
                    .filter(|value| !made_here.contains(value) && !facts.is_constant(*value))
                    .collect();
                let later: HashSet<ValueId> =
                    on_cpu.iter().filter(|node| !inside.contains(node)).flat_map(read_by).collect();
                let kept =
                    |value: &ValueId| later.contains(value) || on_device.contains(value) || results.contains(value);
                let outputs = made.into_iter().filter(kept).collect();
                return Phase::Cpu { nodes, inputs: read.into_iter().collect(), outputs };
            }
            let mut uploads = Vec::new();
            let mut downloads = Vec::new();
            for claim in &run {
                uploads.extend(tensors(&claims[*claim], false).into_iter().filter(|value| resident.insert(*value)));
                let outputs = tensors(&claims[*claim], true);
                resident.extend(&outputs);
                downloads.extend(outputs.into_iter().filter(|value| on_host.contains(value)));
            }
            Phase::Device { claims: run, uploads, downloads }
        })
        .collect()
}

/// The cut in words: what runs on the device, what on the CPU, and what a call of one row copies.
pub(super) fn report(
    facts: &Facts<'_>,
    graph: &Graph,
    claims: &[Claim],
    manifest: &Manifest,
    phases: &[Phase],
    device: &str,
) -> String {
    let on_device: usize = claims.iter().map(|claim| claim.nodes.len()).sum();
    let mut text = format!("{on_device} of {} nodes run on the FPGA '{device}'", graph.nodes.len());
    let mut bytes = [Some(0u64), Some(0u64)];
    let mut transfers = 0;
    for phase in phases {
        match phase {
            Phase::Cpu { nodes, .. } => {
                let nodes =
                    nodes.iter().map(|node| format!("{} ({})", graph.nodes[*node].name, graph.nodes[*node].operator));
                let _ = write!(text, "; CPU: {}", short(nodes.collect()));
            }
            Phase::Device { claims: run, uploads, downloads } => {
                let kernels = run.iter().map(|claim| {
                    let nodes = claims[*claim].nodes.iter().map(|node| graph.nodes[*node].name.to_string());
                    format!("{} = {}", manifest.kernels[claims[*claim].kernel].name, short(nodes.collect()))
                });
                let _ = write!(text, "; FPGA: {}", short(kernels.collect()));
                transfers += uploads.len() + downloads.len();
                for (total, values) in bytes.iter_mut().zip([uploads, downloads]) {
                    let all: Option<u64> = values.iter().map(|value| facts.bytes(*value)).sum();
                    *total = total.zip(all).map(|(total, all)| total + all);
                }
            }
        }
    }
    let shown = |bytes: Option<u64>| bytes.map_or_else(|| "an unknown number of".to_owned(), |bytes| bytes.to_string());
    let _ = write!(
        text,
        "; a call of one row copies {} bytes to the FPGA and {} back, in {transfers} transfers",
        shown(bytes[0]),
        shown(bytes[1])
    );
    text
}

/// The first of many names, and how many more.
fn short(names: Vec<String>) -> String {
    const SHOWN: usize = 8;
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{} and {more} more", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}
