//! The operator cases of the ONNX project. `UPDATE=1` adds new passes to the list in `tests/conformance`; `SHOW=1` prints why each
//! other case fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use scorehost_conformance::{Expected, Suite};
use scorehost_core::Graph;
use scorehost_graph::Model;
use scorehost_plan::Style;

use crate::{open, options};

#[test]
fn the_opencl_device_passes_its_list() {
    // Without the cache of binaries, making which compiles each kernel once more.
    let (Some(gpus), Some(suite)) = (open(None, false), Suite::find()) else { return };
    // Functions written out as graphs have no operators that the others lack, and OpenCL compiles for each.
    let cases = suite.cases.iter().filter(|case| !case.name.contains("_expanded")).cloned().collect();
    let outcomes = Suite { cases }.run(|bytes| {
        let model = Model::read(bytes, None)?;
        Ok(gpus.load(0, &model, options(Style::Cores)).map(|graph| graph as Arc<dyn Graph>)?)
    });
    Expected::read(&list("conformance/opencl")).check(&suite, "opencl", &outcomes, 25.0);
}

/// Plans are made for axes, shapes and weights that are known: what the list above lacks for giving them at run time.
#[test]
fn with_constant_parameters_it_passes_a_further_list() {
    let (Some(gpus), Some(suite)) = (open(None, false), Suite::find()) else { return };
    let passed = Expected::read(&list("conformance/opencl"));
    let further = suite.cases.iter().filter(|case| {
        let name = &case.name;
        !name.contains("_expanded") && !passed.names().contains(name)
    });
    let cases = further.filter_map(|case| case.with_constants().unwrap()).collect();
    let outcomes = Suite { cases }.run(|bytes| {
        let model = Model::read(bytes, None)?;
        Ok(gpus.load(0, &model, options(Style::Cores)).map(|graph| graph as Arc<dyn Graph>)?)
    });
    Expected::read(&list("executor/constants")).check(
        &suite,
        "opencl, further with constant parameters",
        &outcomes,
        10.0,
    );
}

fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{name}.txt"))
}
