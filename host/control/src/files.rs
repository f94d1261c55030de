//! The file that describes a deployment: `deploymentconfig.json`, read as it is (`inferenceconfig.json`, which describes a
//! build, is read by `build`).
//!
//! Every violation is reported at once with its JSON path; an unknown key comes with the key that was probably meant.

mod deployment;
mod model;
mod pbtxt;
mod reader;
mod schema;
mod suggest;

pub use deployment::{
    AccessPlan, Authentication, AutoScaler, ComputeType, DeploymentConfig, Extension, ExtraAdmission, ExtraGrants,
    ExtraScaling, Liveness, Resources,
};
pub use model::{
    Declared, DynamicBatching, Fill, ModelConfiguration, ModelWarmUp, WarmUpInput, configuration_path, graph_path,
};
pub use pbtxt::{TextFormatError, parse as parse_text_format};
pub use reader::{Violation, Violations};
pub use schema::DEPLOYMENT_SCHEMA;

/// A place that a scorer may send HTTP requests to, from `host`, `host:port`, an address, or `*.` and a domain; `None` where the
/// text is neither.
#[must_use]
pub fn outbound_place(text: &str, private: bool) -> Option<scorehost_core::Outbound> {
    deployment::outbound::of_text(text, private)
}
