//! The reference page of operators: every operator of the suite, and how many cases each device passes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::list::{Expected, updating};
use crate::{Class, Suite};

const HEAD: &str = "# Operators\n\n\
    Which operators each device has, by the operator cases of the ONNX project (operator sets 7 to 27): cases that pass, of\n\
    those that use the operator with tensors that scorehost has. A model with an operator that a device lacks is refused at\n\
    deploy time, and the message names it. ONNX Runtime, where it is installed, is the device for everything that the others\n\
    lack. Cases of random operators are left out: nobody can reproduce their output.\n\n\
    The project has few cases for `ai.onnx.ml`: the built-in executor has linear models, support vector machines, tree ensembles, label\n\
    encoders, `Scaler`, `Normalizer`, `Imputer`, `FeatureVectorizer` and `OneHotEncoder` beside those below, checked by tests of our own.\n\n\
    This page is written by `UPDATE=1 cargo test --release -p scorehost-device --test conformance` from the lists of passing\n\
    cases (`host/*/tests/conformance/*.txt`).\n\n";

/// Checks `docs/reference/operators.md` against the lists of all devices, or writes it with `UPDATE=1`.
///
/// # Panics
/// When the page is not what the lists say.
pub fn write_or_check(suite: &Suite) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = page(suite, &devices(&root));
    let path = root.join("docs/reference/operators.md");
    if updating() {
        std::fs::write(&path, &page).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let current = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(current == page, "{} does not follow the lists; write it with UPDATE=1", path.display());
}

/// Lists by device: `host/<room>/tests/conformance/<device>.txt`.
fn devices(root: &Path) -> BTreeMap<String, Expected> {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let lists = entries(root.join("host")).flat_map(|room| entries(room.join("tests/conformance")));
    let lists = lists.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let name = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    lists.filter_map(|path| Some((name(&path)?, Expected::read(&path)))).collect()
}

type Counts<'a> = BTreeMap<(&'a str, &'a str), (usize, Vec<usize>)>;

fn page(suite: &Suite, devices: &BTreeMap<String, Expected>) -> String {
    let mut operators = Counts::new();
    for case in suite.cases.iter().filter(|case| case.class <= Class::Preview) {
        for (domain, name) in &case.operators {
            let (cases, passed) = operators.entry((domain, name)).or_insert_with(|| (0, vec![0; devices.len()]));
            *cases += 1;
            for (passed, list) in passed.iter_mut().zip(devices.values()) {
                *passed += usize::from(list.names().contains(&case.name));
            }
        }
    }
    let mut page =
        format!("{HEAD}| operator | cases |{}\n", devices.keys().map(|name| format!(" {name} |")).collect::<String>());
    let _ = writeln!(page, "|---|---|{}", "---|".repeat(devices.len()));
    for ((domain, name), (cases, passed)) in &operators {
        let _ = writeln!(page, "| {} | {cases} |{}", full(domain, name), cells(passed));
    }
    page
}

fn full(domain: &str, name: &str) -> String {
    if domain.is_empty() { format!("`{name}`") } else { format!("`{domain}.{name}`") }
}

fn cells(passed: &[usize]) -> String {
    passed.iter().map(|passed| format!(" {passed} |")).collect()
}
