//! The operator cases of the ONNX project. `UPDATE=1` adds new passes to the list in `tests/conformance`; `SHOW=1` prints why each
//! other case fails.

use std::path::Path;
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
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/opencl.txt");
    Expected::read(&list).check(&suite, "opencl", &outcomes, 25.0);
}
