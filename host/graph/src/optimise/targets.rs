//! Shapes that exporters compute at run time only to say "as before".

use scorehost_core::{DType, Tensor};

use super::Fold;
use crate::infer::Dim;
use crate::infer::engine::Engine;
use crate::{Graph, Initialiser, Node, ValueId};

/// Gives every `Reshape` a constant target where 0 (as before) and one -1 (the rest) can say what the graph computes; the nodes
/// that computed it may then go.
pub(super) fn settle(graph: &mut Graph, fold: &dyn Fold) {
    let mut engine = Engine::new(graph, fold);
    engine.take_inputs(graph, None);
    let mut targets = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        // What cannot be worked out stays as it is.
        let _ = engine.learn(node);
        targets.extend(target(node, &engine).map(|target| (index, target)));
    }
    for (index, target) in targets {
        let data: Vec<u8> = target.iter().flat_map(|dim| dim.to_le_bytes()).collect();
        let Ok(tensor) = Tensor::new(DType::I64, [target.len() as u64].as_slice(), data.into()) else { continue };
        let value = ValueId(graph.values.len());
        graph.values.push("target".into());
        graph.initialisers.push((value, Initialiser::Tensor(tensor)));
        graph.nodes[index].inputs[1] = Some(value);
    }
}

fn target(node: &Node, engine: &Engine<'_>) -> Option<Vec<i64>> {
    if !node.is("Reshape") || node.int("allowzero", 0) != 0 || node.inputs.len() != 2 {
        return None;
    }
    let fact = |value: Option<ValueId>| engine.facts[value?.0].as_ref();
    let wanted = fact(node.input(1))?.as_integers()?;
    if wanted.iter().all(|dim| dim.value().is_some()) {
        return None;
    }
    let (from, to) = (fact(node.input(0))?.dims.as_ref()?, fact(node.output(0))?.dims.as_ref()?);
    let mut rest = 0;
    let mut one = |(index, dim): (usize, &Dim)| match (dim.value(), from.get(index)) {
        (Some(value), _) if value > 0 => Some(value),
        (None, Some(before)) if before == dim => Some(0),
        (None, _) => {
            rest += 1;
            Some(-1)
        }
        _ => None,
    };
    let target: Vec<i64> = to.iter().enumerate().map(&mut one).collect::<Option<_>>()?;
    (rest <= 1 && target.len() == wanted.len()).then_some(target)
}
