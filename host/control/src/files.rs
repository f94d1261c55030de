//! The files that describe a deployment: `deploymentconfig.json` and `inferenceconfig.json`, read as they are.
//!
//! Every violation is reported at once with its JSON path; an unknown key comes with the key that was probably meant.

mod deployment;
mod inference;
mod reader;
mod suggest;

pub use deployment::{Authentication, AutoScaler, ComputeType, DeploymentConfig, Liveness, Resources};
pub use inference::{InferenceConfig, InferenceEnvironment};
pub use reader::{Violation, Violations};
