#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::onnx::{
    DimensionProto, OperatorSetId, ShapeProto, StringEntry, TensorTypeProto, TypeKind, TypeProto, ValueInfoProto,
};

fn value(name: &str) -> ValueInfoProto {
    let shape = Some(ShapeProto { dim: vec![DimensionProto::default()] });
    let kind = Some(TypeKind::Tensor(TensorTypeProto { elem_type: 1, shape }));
    ValueInfoProto { name: name.to_owned(), value_type: Some(TypeProto { kind }) }
}

fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeProto { op_type: operator.to_owned(), input: names(inputs), output: names(outputs), ..NodeProto::default() }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

/// x → Relu → y.
fn sound() -> ModelProto {
    let graph = GraphProto {
        node: vec![node("Relu", &["x"], &["y"])],
        input: vec![value("x")],
        output: vec![value("y")],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetId { domain: String::new(), version: 17 }];
    ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..ModelProto::default() }
}

fn graph_of(proto: &mut ModelProto) -> &mut GraphProto {
    proto.graph.as_mut().unwrap()
}

fn refusal(change: impl FnOnce(&mut ModelProto)) -> String {
    let mut proto = sound();
    change(&mut proto);
    model(&proto, None).unwrap_err().to_string()
}

#[test]
fn a_sound_model_passes_and_tells_the_bytes_of_its_weights() {
    let mut proto = sound();
    assert_eq!(model(&proto, None).unwrap(), 0);
    graph_of(&mut proto).initializer.push(floats("w", &[2, 3], &[0.0; 6]));
    assert_eq!(model(&proto, None).unwrap(), 24);
}

#[test]
fn names_that_do_not_work_are_refused() {
    let check = |change: fn(&mut GraphProto), expect: &str| {
        let message = refusal(|proto| change(graph_of(proto)));
        assert!(message.contains(expect), "{message}");
    };
    check(|graph| graph.node[0].input[0] = "z".to_owned(), "uses 'z', which nothing defines");
    check(|graph| graph.output[0].name = "z".to_owned(), "uses 'z', which nothing defines");
    check(|graph| graph.node.push(node("Relu", &["x"], &["y"])), "'y' is defined more than once");
    check(|graph| graph.input.push(value("x")), "'x' is defined more than once");
    check(|graph| graph.input.push(value("")), "an input has an empty name");
    check(|graph| graph.node[0].output[0] = "a\0b".to_owned(), "a node's output has an empty name");
    check(|graph| graph.output.clear(), "no outputs");
}

#[test]
fn cycles_and_disorder_are_refused() {
    let message = refusal(|proto| {
        let nodes = vec![node("Relu", &["a"], &["y"]), node("Relu", &["y"], &["a"])];
        graph_of(proto).node = nodes;
    });
    assert!(message.contains("uses 'a' before it is defined"), "{message}");
    let message = refusal(|proto| graph_of(proto).node = vec![node("Relu", &["y"], &["y"])]);
    assert!(message.contains("before it is defined"), "{message}");
}

#[test]
fn operators_need_a_declared_operator_set() {
    let message = refusal(|proto| graph_of(proto).node[0].domain = "ai.onnx.ml".to_owned());
    assert!(message.contains("domain 'ai.onnx.ml'"), "{message}");
    assert!(refusal(|proto| proto.opset_import.clear()).contains("no operator set version"));
    assert!(refusal(|proto| proto.opset_import[0].version = -1).contains("version -1"));
}

#[test]
fn tensors_hold_what_their_dimensions_say() {
    let check = |tensor: TensorProto, expect: &str| {
        let message = refusal(|proto| graph_of(proto).initializer.push(tensor));
        assert!(message.contains(expect), "{message}");
    };
    check(floats("w", &[2], &[1.0]), "needs 2 bytes or elements of data, the file holds 1");
    check(floats("w", &[-2], &[1.0]), "which no tensor can have");
    check(floats("w", &[1 << 40, 1 << 40], &[]), "which no tensor can have");
    check(floats("w", &[i64::MAX, i64::MAX, 0], &[]), "which no tensor can have");
    check(TensorProto { data_type: 77, ..floats("w", &[1], &[1.0]) }, "element type 77");
    let short = TensorProto { raw_data: Some(vec![0; 3].into()), float_data: vec![], ..floats("w", &[1], &[]) };
    check(short, "needs 4 bytes");
}

#[test]
fn subgraphs_see_the_values_around_them_and_are_checked_like_graphs() {
    let inner = |input: &str| GraphProto {
        node: vec![node("Relu", &[input], &["inner"])],
        output: vec![value("inner")],
        ..GraphProto::default()
    };
    let with = |input: &str| {
        let mut proto = sound();
        let attribute = AttributeProto {
            name: "body".to_owned(),
            kind: attribute_kind::GRAPH,
            g: Some(Box::new(inner(input))),
            ..AttributeProto::default()
        };
        graph_of(&mut proto).node[0].attribute.push(attribute);
        model(&proto, None)
    };
    assert!(with("x").is_ok());
    assert!(with("nowhere").unwrap_err().to_string().contains("'nowhere'"));
}

fn function(name: &str, calls: &[&str]) -> FunctionProto {
    let call = |(index, callee): (usize, &&str)| NodeProto {
        domain: "own".to_owned(),
        ..node(callee, &["x"], &[&format!("y{index}")])
    };
    FunctionProto {
        name: name.to_owned(),
        domain: "own".to_owned(),
        input: vec!["x".to_owned()],
        node: calls.iter().enumerate().map(call).collect(),
        ..FunctionProto::default()
    }
}

#[test]
fn functions_that_never_end_or_explode_are_refused() {
    let message = refusal(|proto| proto.functions = vec![function("a", &["b"]), function("b", &["a"])]);
    assert!(message.contains("calls itself"), "{message}");
    let doubling = |level: u32| function(&format!("f{level}"), &[&*format!("f{}", level + 1); 2]);
    let message = refusal(|proto| proto.functions = (0..40).map(doubling).collect());
    assert!(message.contains("too many nodes"), "{message}");
    let mut proto = sound();
    proto.functions = vec![function("a", &["b", "b"]), function("b", &["leaf"])];
    assert!(model(&proto, None).is_ok());
}

fn external(location: &str, more: &[(&str, &str)]) -> TensorProto {
    let entry = |(key, value): &(&str, &str)| StringEntry { key: (*key).to_owned(), value: (*value).to_owned() };
    let entries = [("location", location)].iter().chain(more).map(entry).collect();
    TensorProto { data_location: 1, external_data: entries, ..floats("w", &[4], &[]) }
}

#[test]
fn external_data_stays_inside_the_folder() {
    let home = std::env::temp_dir().join(format!("scorehost-graph-{}", std::process::id()));
    let folder = home.join("model");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("weights"), [0; 16]).unwrap();
    std::fs::write(home.join("secret"), [0; 64]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(home.join("secret"), folder.join("link")).unwrap();
    let load = |tensor: TensorProto, folder: Option<&std::path::Path>| {
        let mut proto = sound();
        graph_of(&mut proto).initializer.push(tensor);
        model(&proto, folder).map_err(|error| error.to_string())
    };
    assert_eq!(load(external("weights", &[("offset", "0"), ("length", "16")]), Some(&folder)), Ok(16));
    let check = |tensor: TensorProto, expect: &str| {
        let message = load(tensor, Some(&folder)).unwrap_err();
        assert!(message.contains(expect), "{message}");
    };
    check(external("../secret", &[]), "not a path inside");
    check(external("/etc/hostname", &[]), "not a path inside");
    check(external("", &[]), "not a path inside");
    check(external("absent", &[]), "not in the model's folder");
    check(external("weights", &[("offset", "8")]), "shorter");
    check(external("weights", &[("offset", "18446744073709551615")]), "shorter");
    check(external("weights", &[("length", "12")]), "another length");
    check(external("weights", &[("offset", "x")]), "no number");
    #[cfg(unix)]
    check(external("link", &[]), "a link out");
    assert!(load(external("weights", &[]), None).unwrap_err().contains("one file without a folder"));
    std::fs::remove_dir_all(home).unwrap();
}

/// A tree of three nodes whose root's branches lead to the given nodes.
fn tree(branches: [i64; 2]) -> NodeProto {
    let ints = |name: &str, ints: &[i64]| AttributeProto {
        name: name.to_owned(),
        kind: attribute_kind::INTS,
        ints: ints.to_vec(),
        ..AttributeProto::default()
    };
    let modes = ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"].map(|mode| mode.as_bytes().to_vec().into()).to_vec();
    let mut node = node("TreeEnsembleRegressor", &["x"], &["y"]);
    node.domain = "ai.onnx.ml".to_owned();
    node.attribute = vec![
        ints("nodes_treeids", &[0, 0, 0]),
        ints("nodes_nodeids", &[0, 1, 2]),
        ints("nodes_truenodeids", &[1, branches[0], 0]),
        ints("nodes_falsenodeids", &[2, branches[1], 0]),
        AttributeProto { strings: modes, ..ints("nodes_modes", &[]) },
    ];
    node
}

#[test]
fn trees_may_share_nodes_but_not_lead_back() {
    let with = |branches| {
        let mut proto = sound();
        proto.opset_import.push(OperatorSetId { domain: "ai.onnx.ml".to_owned(), version: 3 });
        graph_of(&mut proto).node = vec![tree(branches)];
        model(&proto, None)
    };
    assert!(with([2, 2]).is_ok());
    assert!(with([0, 2]).unwrap_err().to_string().contains("have a cycle"));
    assert!(with([2, 1]).unwrap_err().to_string().contains("have a cycle"));
}
