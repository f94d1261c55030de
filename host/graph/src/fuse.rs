//! Patterns of several nodes that become one.
//!
//! Where ONNX has an operator for the pattern, that is used: `LayerNormalization` (opset 17), `Gelu` (20), `HardSwish` (14),
//! `Swish` (24).
//! Otherwise the node is of domain [`DOMAIN`], operator set 1:
//!
//! | operator | inputs | outputs | attributes |
//! |---|---|---|---|
//! | `FusedConv` | X, W, \[B\], \[residual\] of Y's shape | Y = activation(Conv(X, W, B) + residual) | those of `Conv`, activation |
//! | `FusedMatMul` | A, B, \[bias\], \[residual\] | Y = activation(alpha · A' · B' + bias + residual); bias and residual broadcast to A'B' | `transA`, `transB` (0; of the last two dimensions), `alpha` (1), activation |
//! | `FusedAttention` | Q, K, V, \[mask\] | Y = Softmax(scale · Q Kᵀ + mask) V, in the layout of Q; the mask broadcasts to \[batch, heads, q, k\] | `heads`, `scale`, `layout`: `BSH` for \[batch, sequence, heads · size\], `BNSH` for \[batch, heads, sequence, size\] |
//! | `SkipLayerNorm` | X, residual, scale, \[bias\] | Y = LayerNormalization(X + residual) over the last dimension, \[X + residual\] | `epsilon` |
//!
//! Only `FP32` is fused, and only where nobody else reads the values between. Before a convolution and behind it, scales and
//! shifts for each channel (`BatchNormalization` among them) go into its weights, which leaves a `Conv`.
//!
//! The activation is the attribute `activation`, one of [`ACTIVATIONS`] or absent, with the parameters `activation_alpha` and
//! `activation_beta`: for `Clip` the lower and upper bound, for `HardSigmoid` and `LeakyRelu` the operator's own, with ONNX's
//! defaults where absent. `Gelu` is the form with the error function, `Swish` is x · sigmoid(alpha · x).

/// Domain of the operators that fusion makes.
pub const DOMAIN: &str = "scorehost";

/// Activations that a fused operator may end with.
pub const ACTIVATIONS: [&str; 9] =
    ["Relu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "LeakyRelu", "Gelu", "Swish"];
