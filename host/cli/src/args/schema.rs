use clap::ValueEnum;

/// A file that has a schema.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(crate) enum SchemaFile {
    /// deploymentconfig.json: where and how a service runs
    DeploymentConfig,
    /// inferenceconfig.json: which script answers, in which environment
    InferenceConfig,
    /// <graph>.fpga.json: the program of a model for an FPGA, and what its kernels do
    Fpga,
}

/// The manifest of a program; `device-opencl` reads it.
const FPGA_SCHEMA: &str = include_str!("../../../../docs/reference/schemas/fpga.schema.json");

impl SchemaFile {
    /// The schema as JSON text.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::DeploymentConfig => scorehost_control::files::DEPLOYMENT_SCHEMA,
            Self::InferenceConfig => scorehost_build::INFERENCE_SCHEMA,
            Self::Fpga => FPGA_SCHEMA,
        }
    }
}
