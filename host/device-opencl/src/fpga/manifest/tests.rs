#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;

/// A manifest that has one of everything.
pub(in crate::fpga) fn sound() -> Value {
    json!({
        "$schema": "fpga.schema.json",
        "binary": "program.bin",
        "sha256": "a".repeat(64),
        "device": "Emulation",
        "kernels": [{
            "name": "scale",
            "implements": {"operator": "Scale", "domain": "ai.onnx", "attributes": {"axis": 1}},
            "batch": [8, 1, 8],
            "arguments": [
                {"input": 0, "dtype": "FP32", "shape": ["batch", 3]},
                {"constant": "w", "dtype": "FP16", "shape": [3]},
                {"output": 0, "dtype": "INT64", "shape": ["batch"]},
                {"rows": "INT64"},
                {"value": -2, "dtype": "INT32"},
                {"value": 0.5, "dtype": "FP32"}
            ],
            "items": ["batch", 4],
            "group": [1, 2]
        }]
    })
}

#[test]
fn a_manifest_says_what_its_kernels_take() {
    let manifest = Manifest::read(&sound().to_string()).unwrap();
    let kernel = &manifest.kernels[0];
    assert_eq!(kernel.batch, [1, 8]);
    assert_eq!(kernel.items, [Size::Batch, Size::Fixed(4), Size::Fixed(1)]);
    assert_eq!(kernel.group, Some([1, 2, 1]));
    let Argument::Input(Place::Index(0), layout) = &kernel.arguments[0] else { panic!("{:?}", kernel.arguments[0]) };
    assert_eq!((layout.bytes(8), layout.rows(&[5, 3]), layout.rows(&[5, 4])), (Some(96), Some(5), None));
    assert_eq!(kernel.arguments[4..], [Argument::Int(-2), Argument::Float(0.5)]);
}

#[test]
fn one_work_item_is_the_default() {
    let mut value = sound();
    value["kernels"][0].as_object_mut().unwrap().retain(|key, _| !["items", "group"].contains(&key.as_str()));
    let manifest = Manifest::read(&value.to_string()).unwrap();
    assert_eq!((manifest.kernels[0].items, manifest.kernels[0].group), ([Size::Fixed(1); 3], Some([1; 3])));
}

#[test]
fn every_mistake_is_named_with_its_place() {
    for (pointer, value, expected) in [
        ("", json!([]), "$: must be an object, is []"),
        ("/binari", json!("x"), "$: unknown key \"binari\"; did you mean 'binary'?"),
        ("/zzz", json!(0), "$: unknown key \"zzz\"; known are $schema, binary, sha256, device, kernels"),
        ("/binary", json!(7), "$.binary: must be the name of the program's file, is 7"),
        ("/sha256", json!("abc"), "$.sha256: must be the 64 hexadecimal digits"),
        ("/kernels", json!([]), "$.kernels: must be a list of 1 to 256 kernels, is []"),
        ("/kernels/0/name", json!(""), "$.kernels[0].name: must be the name of a function"),
        ("/kernels/0/implements", json!("all"), "$.kernels[0].implements: must be \"model\""),
        ("/kernels/0/implements", json!({"nodes": []}), "$.kernels[0].implements.nodes: must be names of nodes, is []"),
        ("/kernels/0/implements", json!({"nods": ["a"]}), "lacks 'operator'"),
        ("/kernels/0/implements", json!({"operator": "A", "atributes": {}}), "did you mean 'attributes'?"),
        ("/kernels/0/implements", json!({"nodes": ["a"]}), "[0].input: must be the name of a value of the graph, is 0"),
        ("/kernels/0/batch", json!([0]), "$.kernels[0].batch: must be 1 to 32 numbers of rows"),
        ("/kernels/0/batch", json!([1u64 << 40]), "$.kernels[0].batch: must be 1 to 32 numbers of rows"),
        ("/kernels/0/batch", json!("8"), "$.kernels[0].batch: must be"),
        ("/kernels/0/arguments", json!([]), "$.kernels[0].arguments: must be a list of 1 to 64 arguments"),
        (
            "/kernels/0/arguments/0",
            json!({"dtype": "FP32"}),
            "must have one of input, output, constant, rows and value",
        ),
        ("/kernels/0/arguments/0/dtyp", json!("FP32"), "did you mean 'dtype'?"),
        (
            "/kernels/0/arguments/0/dtype",
            json!("float"),
            "$.kernels[0].arguments[0].dtype: must be the name of a dtype",
        ),
        (
            "/kernels/0/arguments/0/dtype",
            json!("BYTES"),
            "$.kernels[0].arguments[0].dtype: must be the name of a dtype",
        ),
        ("/kernels/0/arguments/0/shape", json!([3, "batch"]), "$.kernels[0].arguments[0].shape: must be up to 8 sizes"),
        ("/kernels/0/arguments/0/shape", json!([-1]), "$.kernels[0].arguments[0].shape: must be up to 8 sizes"),
        ("/kernels/0/arguments/0/shape", json!([u64::MAX, 2]), "has more elements than any tensor can hold"),
        ("/kernels/0/arguments/0/input", json!(-1), "must be the place among the node's inputs or outputs"),
        ("/kernels/0/arguments/3/rows", json!("FP32"), "$.kernels[0].arguments[3].rows: must be INT32 or INT64"),
        ("/kernels/0/arguments/4/value", json!(1e12), "$.kernels[0].arguments[4].value: must be a number of INT32"),
        ("/kernels/0/items", json!([0]), "$.kernels[0].items: must be 1 to 3 numbers above 0"),
        ("/kernels/0/group", json!([1, 1, 1, 1]), "$.kernels[0].group: must be 1 to 3 numbers above 0"),
    ] {
        let mut file = sound();
        match pointer.rsplit_once('/') {
            None => file = value.clone(),
            Some((parent, key)) => match file.pointer_mut(parent).unwrap() {
                Value::Object(fields) => _ = fields.insert(key.to_owned(), value.clone()),
                list => list[key.parse::<usize>().unwrap()] = value.clone(),
            },
        }
        let problems = Manifest::read(&file.to_string()).unwrap_err().join("\n");
        assert!(problems.contains(expected), "{pointer} = {value}: {problems}");
    }
}

#[test]
fn several_mistakes_are_told_at_once_and_not_without_end() {
    let mut file = sound();
    file["binary"] = json!(1);
    file["kernels"][0]["name"] = json!(2);
    let problems = Manifest::read(&file.to_string()).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    let many: serde_json::Map<String, Value> = (0..1000).map(|number| (format!("x{number}"), json!(0))).collect();
    assert!(Manifest::read(&Value::Object(many).to_string()).unwrap_err().len() <= 20);
    assert!(Manifest::read(&"[".repeat(100_000)).unwrap_err()[0].contains("not JSON"));
}

#[test]
fn rows_need_sizes_and_sizes_need_rows() {
    let mut file = sound();
    file["kernels"][0].as_object_mut().unwrap().remove("batch");
    assert!(Manifest::read(&file.to_string()).unwrap_err()[0].contains("no 'batch' that lists the sizes"));
    let mut file = sound();
    file["kernels"][0]["arguments"] = json!([{"rows": "INT32"}]);
    assert!(Manifest::read(&file.to_string()).unwrap_err()[0].contains("no shape with \"batch\""));
}

#[test]
fn the_published_schema_has_the_keys_that_are_read() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../../docs/reference/schemas/fpga.schema.json")).unwrap();
    let keys = |pointer: &str| {
        let mut keys: Vec<String> = schema.pointer(pointer).unwrap().as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    let sorted = |known: &[&str]| {
        let mut known: Vec<String> = known.iter().map(|key| (*key).to_owned()).collect();
        known.sort();
        known
    };
    assert_eq!(keys("/properties"), sorted(&KEYS));
    assert_eq!(keys("/definitions/kernel/properties"), sorted(&KERNEL_KEYS));
    assert_eq!(keys("/definitions/kernel/properties/implements/anyOf/2/properties"), sorted(&OPERATOR_KEYS));
    for (place, (kind, known)) in ARGUMENTS.iter().enumerate() {
        let pointer = format!("/definitions/kernel/properties/arguments/items/anyOf/{place}/properties");
        assert_eq!(keys(&pointer), sorted(known), "{kind}");
    }
    let dtypes = schema.pointer("/definitions/dtype/enum").unwrap().as_array().unwrap();
    assert!(dtypes.iter().all(|name| DType::from_name(name.as_str().unwrap()).is_some()) && dtypes.len() == 13);
}
