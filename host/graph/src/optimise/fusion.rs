//! The patterns that become one node; [`crate::fuse`] says what they become.
//!
//! Patterns are found from their last node backwards. A pattern is taken only where nobody else reads what it computes on
//! the way, and where the executor has the node that it would become.

mod activation;
mod attention;
mod conv;
mod gelu;
mod matmul;
mod net;
mod norm;

use net::Net;

use super::Options;
use crate::Graph;

/// A pattern: what ends at this node becomes one, or nothing happens.
type Pattern = fn(&mut Net<'_>, usize) -> Option<()>;

/// In an order in which the later ones may build on what the earlier ones made.
const PATTERNS: [Pattern; 13] = [
    activation::hard_swish,
    activation::swish,
    gelu::gelu,
    conv::affine,
    conv::before,
    norm::layer_norm,
    attention::heads,
    attention::layout,
    conv::residual,
    matmul::bias,
    norm::skip,
    matmul::residual,
    activation::fused,
];

/// Fuses patterns in the graph; subgraphs, which run small things, stay as they are.
pub(super) fn fuse(graph: &mut Graph, options: &Options<'_>) {
    let mut net = Net::of(graph, options);
    for pattern in PATTERNS {
        for index in 0..net.nodes.len() {
            let _ = pattern(&mut net, index);
        }
    }
    net.finish(graph);
}
