//! Programs on the devices of this machine: PoCL's CPU, and Intel's FPGA emulator where its folder is named.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests; a skipped one says so")]

mod lost;
#[path = "../../examples/digits/programs.rs"]
mod programs;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use programs::{DENSE, DENSE_MANIFEST, operators, whole};
use scorehost_core::{ErrorKind, Failure, NamedTensor, Precision, Tensor};
use scorehost_device::CpuPart;
use scorehost_graph::Model;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::OpenClConfig;
use crate::driver::Program;

const OPTIONS: &str = "-cl-kernel-arg-info";

/// The devices that run FPGA programs here; empty, with the reason printed, where there are none and none are required.
fn fpgas(config: &OpenClConfig) -> Fpgas {
    let config = OpenClConfig { cpu_devices: true, ..config.clone() };
    let required = |name: &str| std::env::var(name).as_deref() == Ok("1");
    match OpenCl::discover(&config) {
        Ok(opencl) => {
            let fpgas = Fpgas::new(&opencl);
            let emulator = fpgas.devices.iter().any(|device| device.info.kind == DeviceType::Accelerator);
            assert!(
                emulator || !required("REQUIRE_FPGA_EMULATOR"),
                "no device of type accelerator: {:?}",
                fpgas.reports()
            );
            fpgas
        }
        Err(reason) => {
            assert!(!required("REQUIRE_OPENCL") && !required("REQUIRE_FPGA_EMULATOR"), "{reason}");
            println!("skipped: {reason}");
            Fpgas { devices: Vec::new(), idle: Vec::new() }
        }
    }
}

/// The digits classifier of `deploy/setup.sh`.
fn digits() -> Option<(Model, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.models/digits_mlp.onnx");
    let Ok(bytes) = std::fs::read(&path) else {
        assert_ne!(std::env::var("REQUIRE_MODELS").as_deref(), Ok("1"), "{} is missing", path.display());
        println!("skipped: {} is missing; deploy/setup.sh writes it", path.display());
        return None;
    };
    Some((Model::read(Bytes::from(bytes.clone()), None).unwrap(), bytes))
}

/// A model's folder with a program in it.
struct Folder {
    folder: TempDir,
    graph: PathBuf,
    manifest: Value,
}

impl Folder {
    fn new(onnx: &[u8], manifest: Value, binary: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let graph = folder.path().join("digits_mlp.onnx");
        std::fs::write(&graph, onnx).unwrap();
        let mut this = Self { folder, graph, manifest };
        this.binary(binary);
        this.write();
        this
    }

    fn binary(&mut self, binary: &[u8]) {
        std::fs::write(self.folder.path().join(self.manifest["binary"].as_str().unwrap()), binary).unwrap();
        self.manifest["sha256"] =
            json!(Sha256::digest(binary).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }

    fn write(&self) {
        std::fs::write(self.folder.path().join("digits_mlp.fpga.json"), self.manifest.to_string()).unwrap();
    }

    fn load(&self, fpgas: &Fpgas, device: usize, model: &Model) -> Result<Arc<FpgaGraph>, FpgaError> {
        let request = LoadRequest { model, path: Some(&self.graph), precision: Precision::default() };
        fpgas.load(device, &request)
    }
}

fn compiled(device: &Arc<Device>, source: &str) -> Vec<u8> {
    Program::compile(device, source, OPTIONS).unwrap().binary().unwrap()
}

/// Pixels that differ from call to call.
fn pixels(rows: u64, seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 * 16.0
    };
    let values: Vec<f32> = (0..rows * 64).map(|_| next()).collect();
    Tensor::from_f32([rows, 64].as_slice(), &values).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.data().chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// Runs one call, and compares it with the reference executor's answer.
fn check(graph: &dyn Graph, reference: &CpuPart, rows: u64, seed: u64) -> Result<(), Failure> {
    let input = pixels(rows, seed);
    let expected = reference.run(std::slice::from_ref(&input)).unwrap();
    let answer = graph.run(&[NamedTensor::new("X", input)], &[1, 0])?;
    assert_eq!((&*answer[0].name, &*answer[1].name), ("probabilities", "label"));
    let (label, probabilities) = (&answer[1].tensor, &answer[0].tensor);
    assert_eq!((label.shape(), probabilities.shape()), (&[rows][..], &[rows, 10][..]));
    let same = |(a, b): (f32, f32)| (a - b).abs() <= 1e-3 * b.abs() + 1e-6;
    let pairs = floats(probabilities).into_iter().zip(floats(&expected[1]));
    assert!(pairs.clone().all(same), "{rows} rows: {:?}", pairs.collect::<Vec<_>>());
    assert_eq!(label.data(), expected[0].data(), "{rows} rows");
    Ok(())
}

fn reference(model: &Model) -> CpuPart {
    CpuPart::new(&model.graph().unwrap()).unwrap()
}

#[test]
fn one_kernel_for_most_of_a_network_answers_like_the_reference_at_every_batch() {
    let Some((model, onnx)) = digits() else { return };
    let (fpgas, reference) = (fpgas(&OpenClConfig::default()), reference(&model));
    for (number, device) in fpgas.devices.iter().enumerate() {
        let manifest = serde_json::from_str(DENSE_MANIFEST).unwrap();
        let folder = Folder::new(&onnx, manifest, &compiled(device, DENSE));
        let graph = folder.load(&fpgas, number, &model).unwrap();
        for rows in [1, 2, 5, 8, 9, 33, 64, 3, 0] {
            check(&*graph, &reference, rows, rows).unwrap();
        }
        let report = graph.report().unwrap();
        for part in [
            "10 of 16 nodes run on the FPGA",
            "; CPU: Scaler (Scaler), Cast (Cast); FPGA: dense = MatMul, Add, Relu, MatMul1, Add1, Relu1, MatMul2, Add2 and 2 more",
            "; CPU: ArgMax (ArgMax)",
            "copies 256 bytes to the FPGA and 40 back, in 2 transfers",
        ] {
            assert!(report.contains(part), "{report}");
        }
        assert!(graph.batch().is_ok());
        let loads = fpgas.loads();
        assert!(loads[number].busy_seconds > 0.0 && loads[number].running == 0, "{loads:?}");
    }
}

#[test]
fn a_whole_model_in_one_kernel_needs_no_cpu() {
    let Some((model, onnx)) = digits() else { return };
    let (fpgas, reference) = (fpgas(&OpenClConfig::default()), reference(&model));
    let (source, manifest) = whole(&model);
    for (number, device) in fpgas.devices.iter().enumerate() {
        let folder = Folder::new(&onnx, manifest.clone(), &compiled(device, &source));
        let graph = folder.load(&fpgas, number, &model).unwrap();
        assert!(!graph.report().unwrap().contains("CPU"), "{}", graph.report().unwrap());
        assert!(graph.report().unwrap().contains("16 of 16 nodes"), "{}", graph.report().unwrap());
        for rows in [1, 7, 8, 20] {
            check(&*graph, &reference, rows, 100 + rows).unwrap();
        }
    }
}

#[test]
fn kernels_for_single_operators_leave_the_rest_to_the_cpu() {
    let Some((model, onnx)) = digits() else { return };
    let (fpgas, reference) = (fpgas(&OpenClConfig::default()), reference(&model));
    let (source, manifest) = operators();
    for (number, device) in fpgas.devices.iter().enumerate() {
        let folder = Folder::new(&onnx, manifest.clone(), &compiled(device, &source));
        let graph = folder.load(&fpgas, number, &model).unwrap();
        for rows in [1, 4, 6, 16, 37, 2] {
            check(&*graph, &reference, rows, 200 + rows).unwrap();
        }
        let report = graph.report().unwrap();
        for part in [
            "7 of 16 nodes",
            "product = MatMul, sum = Add, rectify = Relu, product = MatMul1; CPU: Add1 (Add); FPGA: rectify = Relu1",
        ] {
            assert!(report.contains(part), "{report}");
        }
    }
}

#[test]
fn sixty_four_mixed_calls_do_not_disturb_one_another() {
    let Some((model, onnx)) = digits() else { return };
    let (fpgas, reference) = (fpgas(&OpenClConfig::default()), reference(&model));
    for (number, device) in fpgas.devices.iter().enumerate() {
        let dense = Folder::new(&onnx, serde_json::from_str(DENSE_MANIFEST).unwrap(), &compiled(device, DENSE));
        let (source, manifest) = operators();
        let single = Folder::new(&onnx, manifest, &compiled(device, &source));
        let graphs = [dense.load(&fpgas, number, &model).unwrap(), single.load(&fpgas, number, &model).unwrap()];
        std::thread::scope(|scope| {
            for caller in 0..16u64 {
                let (graphs, reference) = (&graphs, &reference);
                scope.spawn(move || {
                    for round in 0..4u64 {
                        let call = caller * 4 + round;
                        // One call in eight is wrong and fails alone.
                        if call % 8 == 3 {
                            let wrong = Tensor::from_f32([1, 3].as_slice(), &[0.0; 3]).unwrap();
                            assert!(graphs[0].run(&[NamedTensor::new("X", wrong)], &[0]).is_err());
                        } else {
                            check(&*graphs[(call % 2) as usize], reference, 1 + call * 7 % 40, call).unwrap();
                        }
                    }
                });
            }
        });
        drop(graphs);
        assert_eq!(device.used(), 0);
    }
}

#[test]
fn what_does_not_fit_the_device_s_memory_fails_one_call() {
    let Some((model, onnx)) = digits() else { return };
    let fpgas = fpgas(&OpenClConfig { memory_limit: Some(64 << 10), ..OpenClConfig::default() });
    for (number, device) in fpgas.devices.iter().enumerate() {
        let folder = Folder::new(&onnx, serde_json::from_str(DENSE_MANIFEST).unwrap(), &compiled(device, DENSE));
        let graph = folder.load(&fpgas, number, &model).unwrap();
        let failure = check(&*graph, &reference(&model), 1000, 1).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Overloaded, "{failure}");
        check(&*graph, &reference(&model), 8, 1).unwrap();
    }
}

#[test]
fn missing_damaged_and_foreign_files_are_told_by_name() {
    let Some((model, onnx)) = digits() else { return };
    let fpgas = fpgas(&OpenClConfig::default());
    let binaries: Vec<Vec<u8>> = fpgas.devices.iter().map(|device| compiled(device, DENSE)).collect();
    for (number, binary) in binaries.iter().enumerate() {
        let mut folder = Folder::new(&onnx, serde_json::from_str(DENSE_MANIFEST).unwrap(), binary);
        let file = folder.folder.path().join("digits_mlp.clbin");
        let refused = |folder: &Folder, expected: &[&str]| {
            let text = folder.load(&fpgas, number, &model).map(drop).unwrap_err().to_string();
            assert!(expected.iter().all(|part| text.contains(part)), "{text}");
        };
        std::fs::write(&file, &binary[..binary.len() / 2]).unwrap();
        refused(&folder, &["'digits_mlp.clbin'", "SHA-256", "damaged"]);
        let mut changed = binary.clone();
        changed[binary.len() / 3] ^= 1;
        std::fs::write(&file, changed).unwrap();
        refused(&folder, &["'digits_mlp.clbin'", "SHA-256"]);
        std::fs::remove_file(&file).unwrap();
        refused(&folder, &["'digits_mlp.clbin' cannot be read"]);
        // Digests that fit: what the device itself says.
        for junk in [&b""[..], b"not a program", &[0x7f; 5000]] {
            folder.binary(junk);
            folder.write();
            refused(&folder, &["'digits_mlp.clbin' is no program for the device"]);
        }
        for (_, other) in binaries.iter().enumerate().filter(|(other, _)| *other != number) {
            folder.binary(other);
            folder.write();
            refused(&folder, &["'digits_mlp.clbin' is no program for the device"]);
        }
        folder.binary(binary);
        folder.manifest["device"] = json!("Some other card");
        folder.write();
        refused(&folder, &["'digits_mlp.fpga.json' is for a device named 'Some other card'"]);
        for outside in ["../digits_mlp.clbin", "/etc/passwd", "./x", "a/../../x"] {
            folder.manifest["binary"] = json!(outside);
            folder.write();
            refused(&folder, &["is not a plain path below the manifest's folder"]);
        }
        std::os::unix::fs::symlink("/etc/passwd", folder.folder.path().join("link")).unwrap();
        folder.manifest["binary"] = json!("link");
        folder.write();
        refused(&folder, &["'link' leads out of the model's folder"]);
        std::fs::remove_file(folder.folder.path().join("digits_mlp.fpga.json")).unwrap();
        refused(&folder, &["'digits_mlp.fpga.json' is missing beside 'digits_mlp.onnx'"]);
        folder.graph = folder.folder.path().join("0123abcd");
        refused(&folder, &["'<graph>.fpga.json' is missing beside the graph, which is the model's only file"]);
    }
}

#[test]
fn a_manifest_that_does_not_fit_the_graph_says_where() {
    let Some((model, _)) = digits() else { return };
    let graph = model.graph().unwrap();
    let facts = claim::Facts::new(&graph);
    for (pointer, value, expected) in [
        ("/implements", json!({"nodes": ["MatMull"]}), "the graph has no node 'MatMull'"),
        ("/implements", json!({"nodes": ["MatMul", "Add"]}), "'coefficient1' is"),
        ("/implements", json!("model"), "'cast_input' is no input of its nodes; they read 'X'"),
        ("/implements/nodes", json!(["MatMul", "Relu"]), "'probabilities' is not computed by its nodes"),
        ("/arguments/0/input", json!("nothing"), "the graph has no value 'nothing'"),
        ("/arguments/0/input", json!("coefficient"), "'coefficient' is a constant; give it as"),
        ("/arguments/0/shape", json!(["batch", 63]), "'cast_input' is FP32 [1, 64], the kernel takes FP32 [batch, 63]"),
        ("/arguments/0/dtype", json!("FP16"), "the kernel takes FP16 [batch, 64]"),
        ("/arguments/1/shape", json!([64, 32]), "'coefficient' is FP32 [64, 64], the kernel takes FP32 [64, 32]"),
        ("/arguments/1", json!({"constant": "X", "dtype": "FP32", "shape": [64]}), "'X' is no constant of the graph"),
        ("/arguments/7", json!({"rows": "INT32"}), "its arguments lack 'probabilities'"),
        ("/arguments/0/shape", json!([1, 64]), "none of its inputs has \"batch\""),
    ] {
        let mut manifest: Value = serde_json::from_str(DENSE_MANIFEST).unwrap();
        *manifest["kernels"][0].pointer_mut(pointer).unwrap() = value.clone();
        let manifest = manifest::Manifest::read(&manifest.to_string()).unwrap();
        let error = claim::claims(&facts, &manifest, "m.fpga.json").map(drop);
        // A kernel for too few nodes is told by the first value that does not belong to it.
        let text = error.unwrap_err().to_string();
        assert!(text.starts_with("'m.fpga.json', kernel 'dense': "), "{text}");
        assert!(
            text.contains(expected) || pointer == "/implements" && text.contains("'probabilities'"),
            "{pointer} = {value}: {text}"
        );
    }
}

#[test]
fn a_manifest_that_does_not_fit_the_program_says_where() {
    let Some((model, onnx)) = digits() else { return };
    let fpgas = fpgas(&OpenClConfig::default());
    for (number, device) in fpgas.devices.iter().enumerate() {
        let binary = compiled(device, DENSE);
        // Not every device's form of a program says what its arguments are.
        let types = Program::from_binary(device, &binary).unwrap().kernel("dense").unwrap().parameter(0).is_some();
        for (pointer, value, expected, told) in [
            ("/name", json!("other"), "the program has no function of this name", true),
            ("/arguments/8", Value::Null, "lists 8 arguments, the program's function has 9", true),
            (
                "/arguments/8",
                json!({"value": 0.5, "dtype": "FP32"}),
                "argument 8 is a number of FP32 in the manifest",
                types,
            ),
            ("/group", json!([1 << 20, 1 << 20, 1]), "work items, the device allows", true),
            ("/group", json!([3]), "1 work items are no multiple of the group's 3", true),
        ] {
            let mut manifest: Value = serde_json::from_str(DENSE_MANIFEST).unwrap();
            let kernel = &mut manifest["kernels"][0];
            match (kernel.pointer_mut(pointer), &value) {
                (Some(_), Value::Null) => _ = kernel["arguments"].as_array_mut().unwrap().pop(),
                (Some(place), value) => *place = value.clone(),
                (None, value) => kernel[&pointer[1..]] = value.clone(),
            }
            let folder = Folder::new(&onnx, manifest, &binary);
            let text = match folder.load(&fpgas, number, &model) {
                Ok(_) if !told => continue,
                Ok(_) => panic!("{pointer} = {value} loads"),
                Err(error) => error.to_string(),
            };
            assert!(text.contains("kernel 'dense'") || text.contains("kernel 'other'"), "{text}");
            assert!(text.contains(expected), "{pointer} = {value}: {text}");
        }
    }
}

#[test]
fn kernels_that_wait_for_their_own_results_are_refused() {
    let Some((model, _)) = digits() else { return };
    let graph = model.graph().unwrap();
    let facts = claim::Facts::new(&graph);
    let tensor = |kind: &str, name: &str| json!({kind: name, "dtype": "FP32", "shape": ["batch", 64]});
    // Both products of the first layers, and not the nodes between them.
    let manifest = json!({"binary": "b", "sha256": "0".repeat(64), "kernels": [{
        "name": "both", "implements": {"nodes": ["MatMul", "Relu"]}, "batch": [1],
        "arguments": [tensor("input", "cast_input"), tensor("output", "mul_result"), tensor("input", "add_result"), tensor("output", "next_activations")]
    }]});
    let manifest = manifest::Manifest::read(&manifest.to_string()).unwrap();
    let claims = claim::claims(&facts, &manifest, "m").unwrap();
    let error = cut::phases(&facts, &graph, &claims, &manifest, "m").unwrap_err().to_string();
    assert!(error.contains("kernel 'both'") && error.contains("cannot run as one"), "{error}");
}

#[test]
fn operators_with_other_attributes_are_not_taken() {
    let Some((model, _)) = digits() else { return };
    let graph = model.graph().unwrap();
    let facts = claim::Facts::new(&graph);
    let read = |attributes: Value| {
        let manifest = json!({"binary": "b", "sha256": "0".repeat(64), "kernels": [{
            "name": "largest", "implements": {"operator": "ArgMax", "attributes": attributes}, "batch": [1],
            "arguments": [{"input": 0, "dtype": "FP32", "shape": ["batch", 10]}, {"output": 0, "dtype": "INT64", "shape": ["batch", 1]}]
        }]});
        claim::claims(&facts, &manifest::Manifest::read(&manifest.to_string()).unwrap(), "m").map(|claims| claims.len())
    };
    assert_eq!(read(json!({"axis": 1})).unwrap(), 1);
    for (attributes, expected) in [
        (json!({}), "it has the attribute 'axis', which the kernel does not name"),
        (json!({"axis": 0}), "its attribute 'axis' is not 0"),
        (json!({"axis": 1, "keepdims": 0}), "it has no attribute 'keepdims'"),
    ] {
        let error = read(attributes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn wrong_inputs_and_missing_files_are_failures_of_the_right_kind() {
    let Some((model, onnx)) = digits() else { return };
    let fpgas = fpgas(&OpenClConfig::default());
    let empty = Fpgas { devices: Vec::new(), idle: Vec::new() };
    let request = LoadRequest { model: &model, path: None, precision: Precision::default() };
    assert_eq!(Accelerator::load(&empty, 0, &request).map(drop).unwrap_err().kind, ErrorKind::Unavailable);
    for (number, device) in fpgas.devices.iter().enumerate() {
        assert_eq!(Accelerator::load(&fpgas, number, &request).map(drop).unwrap_err().kind, ErrorKind::Unsupported);
        let (source, manifest) = whole(&model);
        let folder = Folder::new(&onnx, manifest, &compiled(device, &source));
        let graph = folder.load(&fpgas, number, &model).unwrap();
        let run =
            |name: &str, tensor: Tensor| graph.run(&[NamedTensor::new(name, tensor)], &[0]).map(drop).unwrap_err();
        let other = run("Y", pixels(1, 1));
        assert!(other.message.contains("[X]") && other.message.contains("[Y]"), "{other}");
        let wide = run("X", Tensor::from_f32([2, 65].as_slice(), &[0.0; 130]).unwrap());
        assert_eq!(wide.kind, ErrorKind::InvalidInput);
        assert!(wide.message.contains("'X' is FP32 [2, 65]; kernel 'classify' takes FP32 [batch, 64]"), "{wide}");
    }
}

/// `x -> Foo -> y -> Bar -> z`: operators that nobody knows, so that nothing is known of `y`.
fn unknown_operators() -> scorehost_graph::Graph {
    use scorehost_core::{DType, Signature, TensorSpec};
    use scorehost_graph::{Node, ValueId};

    let node = |operator: &str, from: usize, to: usize| Node {
        name: operator.into(),
        domain: "mine".into(),
        operator: operator.into(),
        opset: 1,
        inputs: vec![Some(ValueId(from))],
        outputs: vec![Some(ValueId(to))],
        attributes: std::collections::BTreeMap::new(),
    };
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1, 2] };
    scorehost_graph::Graph {
        values: vec!["x".into(), "y".into(), "z".into()],
        inputs: vec![ValueId(0)],
        outputs: vec![ValueId(2)],
        initialisers: Vec::new(),
        nodes: vec![node("Foo", 0, 1), node("Bar", 1, 2)],
        signature: Signature { inputs: vec![spec("x")], outputs: vec![spec("z")] },
        dimension_names: Vec::new(),
        captures: Vec::new(),
    }
}

#[test]
fn kernels_may_stand_for_operators_that_nobody_knows_and_must_agree_on_what_goes_between_them() {
    let graph = unknown_operators();
    let facts = claim::Facts::new(&graph);
    let read = |between: &str| {
        let tensor = |kind: &str, name: &str, dtype: &str| json!({kind: name, "dtype": dtype, "shape": ["batch", 2]});
        let kernel = |name: &str, arguments: Value| json!({"name": name, "implements": {"nodes": [name]}, "batch": [1], "arguments": arguments});
        let manifest = json!({"binary": "b", "sha256": "0".repeat(64), "kernels": [
            kernel("Foo", json!([tensor("input", "x", "FP32"), tensor("output", "y", "FP16")])),
            kernel("Bar", json!([tensor("input", "y", between), tensor("output", "z", "FP32")]))
        ]});
        let manifest = manifest::Manifest::read(&manifest.to_string()).unwrap();
        let claims = claim::claims(&facts, &manifest, "m")?;
        let phases = cut::phases(&facts, &graph, &claims, &manifest, "m")?;
        Ok::<_, FpgaError>(cut::report(&facts, &graph, &claims, &manifest, &phases, "card"))
    };
    let report = read("FP16").unwrap();
    assert!(
        report.contains("FPGA: Foo = Foo, Bar = Bar; a call of one row copies 8 bytes to the FPGA and"),
        "{report}"
    );
    assert!(report.contains("in 2 transfers"), "{report}");
    let error = read("FP32").unwrap_err().to_string();
    assert!(error.contains("kernel 'Bar': 'y' is FP32 here and FP16 in another kernel"), "{error}");
}
