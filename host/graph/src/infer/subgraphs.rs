//! Nodes with graphs inside: `If`, `Loop`, `Scan`, `SequenceMap`.
//!
//! A loop whose number of rounds is known is walked round by round, within [`Engine::left`]. Of any other the values that go round
//! are walked until nothing changes any more: a dimension that differs from one round to the next is given up.

use scorehost_core::DType;

use super::context::{Content, Fact, axis};
use super::dim::Dim;
use super::engine::Engine;
use crate::{Attribute, Graph, Node, ValueId};

/// Rounds that are walked one by one.
const ROUNDS: i64 = 64;

/// What is known of values, in order.
type Facts = Vec<Option<Fact>>;

impl Engine<'_> {
    /// What is known of the outputs of a node with subgraphs; nothing where it is another kind of node, or too much work.
    pub(super) fn inside(&mut self, node: &Node) -> Facts {
        let found = match (&*node.domain, &*node.operator) {
            ("", "If") => self.branches(node),
            ("", "Loop") => self.repeated(node),
            ("", "Scan") if node.opset >= 9 => self.scanned(node),
            ("", "SequenceMap") => self.mapped(node),
            _ => None,
        };
        found.unwrap_or_default()
    }

    fn known(&self, value: Option<ValueId>) -> Option<Fact> {
        self.facts[value?.0].clone()
    }

    /// What a subgraph gives for inputs of its own. `None` where it cannot work, which may be so because it never runs.
    fn walk(&mut self, graph: &Graph, inputs: &[Option<Fact>]) -> Option<Facts> {
        self.left = self.left.checked_sub((graph.values.len() + graph.nodes.len()) as u64 + 1)?;
        let mut inner = Engine::new(graph, self.fold);
        inner.symbols = std::mem::take(&mut self.symbols);
        inner.left = self.left;
        for (value, fact) in graph.inputs.iter().zip(inputs) {
            inner.facts[value.0] = fact.clone();
        }
        for capture in &graph.captures {
            inner.facts[capture.inner.0] = self.facts[capture.outer.0].clone();
        }
        let worked = graph.nodes.iter().all(|node| inner.learn(node).is_ok());
        (self.symbols, self.left) = (inner.symbols, inner.left);
        worked.then(|| graph.outputs.iter().map(|value| inner.facts[value.0].clone()).collect())
    }

    /// What both branches agree on.
    fn branches(&mut self, node: &Node) -> Option<Facts> {
        let mut agreed: Option<Facts> = None;
        for graph in node.subgraphs() {
            let own = self.walk(graph, &[])?;
            agreed = Some(match agreed {
                None => own.into_iter().map(|fact| fact.map(|fact| Fact::new(fact.dtype, fact.dims))).collect(),
                Some(known) => known.into_iter().zip(own).map(|(one, two)| same(one?, &two?)).collect(),
            });
        }
        agreed
    }

    /// Inputs of the body: the number of the round, whether to go on, values that go round; outputs: whether to go on, those
    /// values, and what is collected.
    fn repeated(&mut self, node: &Node) -> Option<Facts> {
        let body = body(node)?;
        let mut state: Facts = node.inputs.iter().skip(2).map(|value| self.known(*value)).collect();
        let collected = body.outputs.len().checked_sub(state.len() + 1)?;
        let truth = |fact: Option<Fact>| fact.and_then(|fact| fact.as_integers()?.first()?.value());
        let goes_on = if node.input(1).is_some() { truth(self.known(node.input(1))) } else { Some(1) };
        let rounds = self.known(node.input(0)).and_then(|fact| fact.as_integers()?.first()?.value());
        if let (Some(rounds @ 1..=ROUNDS), Some(1)) = (rounds, goes_on)
            && let Some(exact) = self.round_by_round(body, rounds, &state)
        {
            return Some(exact);
        }
        let own = [DType::I64, DType::Bool].map(|dtype| Some(Fact::new(dtype, Some(super::Dims::new()))));
        let results = self.settled(body, &own, &mut state, 1)?;
        // It may end before its rounds are over, or not begin.
        let collected = results.into_iter().skip(1 + state.len()).take(collected);
        let collected: Facts = collected.map(|fact| beside(fact?, 0, self.symbols.fresh())).collect();
        Some(state.into_iter().chain(collected).collect())
    }

    /// A loop that certainly takes these rounds; `None` where it may end before.
    fn round_by_round(&mut self, body: &Graph, rounds: i64, first: &[Option<Fact>]) -> Option<Facts> {
        let mut state = first.to_vec();
        let mut collected: Option<Facts> = None;
        for round in 0..rounds {
            let own = [(DType::I64, round), (DType::Bool, 1)];
            let own = own.map(|(dtype, value)| Some(Fact::integers(dtype, true, vec![Dim::known(value)])));
            let mut results = self.walk(body, &[&own[..], &state].concat())?.into_iter();
            let goes_on = results.next()?.and_then(|fact| fact.as_integers()?.first()?.value());
            if goes_on != Some(1) && round + 1 < rounds {
                return None;
            }
            state = results.by_ref().take(first.len()).collect();
            let new: Facts = results.map(|fact| fact.map(|fact| Fact::new(fact.dtype, fact.dims))).collect();
            collected = Some(match collected {
                None => new,
                // Rounds that give different shapes fail.
                Some(known) => known.into_iter().zip(new).map(|(one, two)| same(one?, &two?)).collect(),
            });
        }
        let stacked = collected?.into_iter().map(|fact| beside(fact?, 0, Dim::known(rounds)));
        Some(state.into_iter().chain(stacked).collect())
    }

    /// Walks a body until the values that go round no longer change, and leaves in `state` what holds in every round; gives
    /// what the body gives then. `before` outputs of the body come before the values.
    fn settled(&mut self, body: &Graph, own: &[Option<Fact>], state: &mut Facts, before: usize) -> Option<Facts> {
        state.iter_mut().for_each(|fact| *fact = fact.take().filter(|fact| fact.dims.is_some()).map(without_content));
        let mut given_up: Vec<Vec<bool>> = state.iter().map(|fact| vec![false; rank(fact)]).collect();
        // Each walk gives up a dimension at least, or a value, or is the last one.
        let most = state.iter().map(|fact| rank(fact) + 1).sum::<usize>() + 1;
        for _ in 0..most {
            let results = self.walk(body, &[own, &*state].concat())?;
            let mut changed = false;
            for ((fact, given_up), new) in state.iter_mut().zip(&mut given_up).zip(results.iter().skip(before)) {
                let Some(known) = fact else { continue };
                let fits = new.as_ref().filter(|new| new.dtype == known.dtype).and_then(|new| new.dims.as_ref());
                let (Some(dims), Some(new)) = (known.dims.as_mut(), fits) else {
                    (*fact, changed) = (None, true);
                    continue;
                };
                if dims.len() != new.len() {
                    (*fact, changed) = (None, true);
                    continue;
                }
                for ((dim, new), given_up) in dims.iter_mut().zip(new).zip(given_up) {
                    if dim != new && !*given_up {
                        (*dim, *given_up, changed) = (self.symbols.from([&*dim, new]), true, true);
                    }
                }
            }
            if !changed {
                // What was given up is another number in every round, so nobody may take it for equal to anything.
                for (fact, given_up) in state.iter_mut().zip(&given_up) {
                    let dims = fact.iter_mut().flat_map(|fact| fact.dims.iter_mut().flatten());
                    dims.zip(given_up)
                        .filter(|(_, gone)| **gone)
                        .for_each(|(dim, _)| *dim = self.symbols.from([&*dim]));
                }
                return Some(results);
            }
        }
        None
    }

    /// Values that go round come first, then what is scanned along an axis each; what is collected gets an axis of its own.
    fn scanned(&mut self, node: &Node) -> Option<Facts> {
        let body = body(node)?;
        let scanned = usize::try_from(node.int("num_scan_inputs", 0)).ok()?;
        let carried = node.inputs.len().checked_sub(scanned)?;
        let entry = |name: &str, index: usize| node.ints(name).and_then(|list| list.get(index)).copied().unwrap_or(0);
        let (mut length, mut elements) = (None::<Dim>, Vec::new());
        for index in 0..scanned {
            let Some(mut fact) = self.known(node.input(carried + index)).map(without_content) else {
                elements.push(None);
                continue;
            };
            if let Some(dims) = &mut fact.dims {
                let own = dims.remove(axis(entry("scan_input_axes", index), dims.len()).ok()?);
                length = Some(length.filter(|length| length.value().is_some()).unwrap_or(own));
            }
            elements.push(Some(fact));
        }
        let mut state: Facts = node.inputs.iter().take(carried).map(|value| self.known(*value)).collect();
        let results = self.settled_scan(body, &elements, &mut state)?;
        let length = length.unwrap_or_else(|| self.symbols.fresh());
        let collected = results.into_iter().skip(carried).enumerate().map(|(index, fact)| {
            let fact = fact.filter(|_| !length.is(0))?;
            let at = axis(entry("scan_output_axes", index), fact.dims.as_ref()?.len() + 1).ok()?;
            beside(fact, at, length.clone())
        });
        Some(state.into_iter().chain(collected).collect())
    }

    /// As [`Self::settled`] for a scan, whose own inputs come behind the values that go round.
    fn settled_scan(&mut self, body: &Graph, elements: &[Option<Fact>], state: &mut Facts) -> Option<Facts> {
        let mut turned = body.clone();
        let carried = state.len().min(turned.inputs.len());
        turned.inputs.rotate_left(carried);
        self.settled(&turned, elements, state, 0)
    }

    /// The body once for each element of the first sequence; other sequences are read along, tensors serve all.
    fn mapped(&mut self, node: &Node) -> Option<Facts> {
        let body = body(node)?;
        let inputs: Facts = node.inputs.iter().map(|value| self.known(*value)).collect();
        let Content::Sequence(first) = &inputs.first()?.as_ref()?.content else { return None };
        let mut outputs = vec![Vec::new(); body.outputs.len()];
        for index in 0..first.len() {
            let element = |fact: &Option<Fact>| match fact {
                Some(Fact { content: Content::Sequence(all), .. }) => all.get(index).cloned().flatten(),
                other => other.clone(),
            };
            let own: Facts = inputs.iter().map(element).collect();
            outputs.iter_mut().zip(self.walk(body, &own)?).for_each(|(all, fact)| all.push(fact));
        }
        Some(outputs.into_iter().map(|all| Some(Fact::sequence(all))).collect())
    }
}

fn body(node: &Node) -> Option<&Graph> {
    match node.attributes.get("body") {
        Some(Attribute::Graph(graph)) => Some(graph),
        _ => None,
    }
}

fn rank(fact: &Option<Fact>) -> usize {
    fact.as_ref().and_then(|fact| fact.dims.as_ref()).map_or(0, |dims| dims.len())
}

fn without_content(fact: Fact) -> Fact {
    Fact::new(fact.dtype, fact.dims)
}

/// Facts of several equal tensors beside one another along a new axis.
fn beside(fact: Fact, at: usize, many: Dim) -> Option<Fact> {
    let mut dims = fact.dims?;
    if at > dims.len() {
        return None;
    }
    dims.insert(at, many);
    Some(Fact::new(fact.dtype, Some(dims)))
}

fn same(one: Fact, two: &Fact) -> Option<Fact> {
    (one.dims.is_some() && one.dtype == two.dtype && one.dims == two.dims).then_some(one)
}
