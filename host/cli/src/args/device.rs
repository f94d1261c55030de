use clap::{Args, ValueEnum};

/// What models run on.
#[derive(Clone, Copy, Debug, Args)]
pub struct DeviceOptions {
    /// Device that models run on
    #[arg(long, env = "SCOREHOST_DEVICE", hide_env_values = true, value_enum, default_value_t = ModelDevice::Cpu, value_name = "DEVICE")]
    pub device: ModelDevice,
    /// Arithmetic of a GPU; inputs and outputs keep the model's types
    #[arg(long, env = "SCOREHOST_PRECISION", hide_env_values = true, value_enum, default_value_t = ModelPrecision::Fp32, value_name = "PRECISION")]
    pub precision: ModelPrecision,
    /// Let the CPU take models that the device has no room or no kernels for
    #[arg(long, env = "SCOREHOST_CPU_FALLBACK", hide_env_values = true)]
    pub cpu_fallback: bool,
    /// Let a processor that OpenCL offers as a device take the part of GPUs and FPGAs, to try such deployments without either
    #[arg(long, env = "SCOREHOST_OPENCL_CPU", hide_env_values = true)]
    pub opencl_cpu: bool,
    /// How long an OpenCL device may take for one call, in seconds; one that takes longer is lost
    #[arg(
        long,
        env = "SCOREHOST_OPENCL_CEILING",
        hide_env_values = true,
        default_value = "120",
        value_name = "SECONDS"
    )]
    pub opencl_ceiling: std::num::NonZeroU32,
}

/// Device that models run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelDevice {
    /// The machine's processors.
    Cpu,
    /// Graphics processors.
    Gpu,
    /// FPGAs, for models that bring a program for one.
    Fpga,
}

/// Arithmetic of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModelPrecision {
    /// F32 throughout.
    Fp32,
    /// F32, products rounded to TF32.
    Tf32,
    /// F16, added as F32.
    Fp16,
    /// BF16, added as F32.
    Bf16,
}
