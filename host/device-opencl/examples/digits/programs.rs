//! Programs for the digits classifier of `deploy/setup.sh`, with their manifests: all of it in one kernel, its layers in one kernel, and
//! single operators.

use scorehost_graph::{Attribute, Model};
use serde_json::{Value, json};

pub(crate) const DENSE: &str = include_str!("dense.cl");
pub(crate) const DENSE_MANIFEST: &str = include_str!("digits_mlp.fpga.json");

/// A kernel for everything in the classifier, its scaler's numbers in the text.
pub(crate) fn whole(model: &Model) -> (String, Value) {
    let graph = model.graph().unwrap();
    let floats = |name: &str| match &graph.nodes[0].attributes[name] {
        Attribute::Floats(floats) => floats.iter().map(|float| format!("{float:?}f")).collect::<Vec<_>>().join(", "),
        other => panic!("{other:?}"),
    };
    let source = format!(
        "{}
__constant float offset[64] = {{{}}};
__constant float scale[64] = {{{}}};
__kernel void classify(__global const float *x, __global const float *w0, __global const float *b0, __global const float *w1,
        __global const float *b1, __global const float *w2, __global const float *b2, __global long *label,
        __global float *probabilities) {{
    int row = get_global_id(1);
    float a[64], b[64], c[32], d[10];
    for (int i = 0; i < 64; i++) a[i] = (x[row * 64 + i] - offset[i]) * scale[i];
    layer(a, w0, b0, b, 64, 64, 1);
    layer(b, w1, b1, c, 64, 32, 1);
    layer(c, w2, b2, d, 32, 10, 0);
    int best = 0;
    float sum = 0.0f;
    for (int i = 1; i < 10; i++) best = d[i] > d[best] ? i : best;
    for (int i = 0; i < 10; i++) sum += exp(d[i] - d[best]);
    for (int i = 0; i < 10; i++) probabilities[row * 10 + i] = exp(d[i] - d[best]) / sum;
    label[row] = best;
}}",
        DENSE.split("__kernel").next().unwrap(),
        floats("offset"),
        floats("scale"),
    );
    let mut manifest: Value = serde_json::from_str(DENSE_MANIFEST).unwrap();
    let kernel = &mut manifest["kernels"][0];
    kernel["name"] = json!("classify");
    kernel["implements"] = json!("model");
    kernel["batch"] = json!([1, 8]);
    kernel["items"] = json!([1, "batch"]);
    let arguments = kernel["arguments"].as_array_mut().unwrap();
    arguments[0] = json!({"input": "X", "dtype": "FP32", "shape": ["batch", 64]});
    arguments[8] = arguments[7].clone();
    arguments[7] = json!({"output": "label", "dtype": "INT64", "shape": ["batch"]});
    (source, manifest)
}

/// Kernels for single operators: three products of one function, sums, rectifiers.
pub(crate) fn operators() -> (String, Value) {
    let source = "
__kernel void product(__global const float *a, __global const float *b, __global float *c, int depth, int columns) {
    int row = get_global_id(1), column = get_global_id(0);
    float sum = 0.0f;
    for (int k = 0; k < depth; k++) sum += a[row * depth + k] * b[k * columns + column];
    c[row * columns + column] = sum;
}
__kernel void rectify(__global const float *x, __global float *y) {
    size_t at = get_global_id(1) * get_global_size(0) + get_global_id(0);
    y[at] = fmax(x[at], 0.0f);
}
__kernel void sum(__global const float *x, __global const float *bias, __global float *y) {
    size_t at = get_global_id(1) * get_global_size(0) + get_global_id(0);
    y[at] = x[at] + bias[get_global_id(0)];
}"
    .to_owned();
    let tensor = |kind: &str, place: u64, shape: Value| json!({kind: place, "dtype": "FP32", "shape": shape});
    let mut kernels = Vec::new();
    for (depth, columns) in [(64, 64), (64, 32), (32, 10)] {
        kernels.push(json!({
            "name": "product", "implements": {"operator": "MatMul"}, "batch": [4, 16], "items": [columns, "batch"],
            "arguments": [
                tensor("input", 0, json!(["batch", depth])), tensor("input", 1, json!([depth, columns])),
                tensor("output", 0, json!(["batch", columns])),
                {"value": depth, "dtype": "INT32"}, {"value": columns, "dtype": "INT32"}
            ]
        }));
    }
    for columns in [64, 32] {
        kernels.push(json!({
            "name": "rectify", "implements": {"operator": "Relu"}, "batch": [5], "items": [columns, "batch"],
            "arguments": [tensor("input", 0, json!(["batch", columns])), tensor("output", 0, json!(["batch", columns]))]
        }));
    }
    // The second layer's sum stays on the CPU, so that values cross in the middle of the network.
    for columns in [64, 10] {
        kernels.push(json!({
            "name": "sum", "implements": {"operator": "Add"}, "batch": [1, 16], "items": [columns, "batch"],
            "arguments": [
                tensor("input", 0, json!(["batch", columns])), tensor("input", 1, json!([1, columns])),
                tensor("output", 0, json!(["batch", columns]))
            ]
        }));
    }
    (source, json!({"binary": "program.bin", "sha256": "", "kernels": kernels}))
}
