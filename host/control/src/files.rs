//! The file that describes a deployment: `deploymentconfig.json`, read as it is (`inferenceconfig.json`, which describes a
//! build, is read by `build`).
//!
//! Every violation is reported at once with its JSON path; an unknown key comes with the key that was probably meant.

mod deployment;
mod reader;
mod suggest;

pub use deployment::{Authentication, AutoScaler, ComputeType, DeploymentConfig, Liveness, Resources};
pub use reader::{Violation, Violations};
