//! Doors for the fuzz targets of `fuzz/`: files as they could stand in a stranger's project.

use crate::inference_config;
use crate::requirements::PythonPackages;

/// The text of an `inferenceconfig.json`.
pub fn inference_config(text: &str) {
    let _ = inference_config::parse(text);
}

/// The text of a conda environment file and of a requirements file.
pub fn packages(text: &str) {
    let _ = (PythonPackages::of_conda_file(text), PythonPackages::of_requirements(text));
}
