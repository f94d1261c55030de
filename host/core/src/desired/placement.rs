//! What the models of a service run on.

use std::fmt;
use std::str::FromStr;

/// A family of devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceKind {
    /// The machine's processors.
    #[default]
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A field-programmable gate array.
    Fpga,
}

impl DeviceKind {
    /// Every kind, in declaration order.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Gpu, Self::Fpga];

    /// The name in configurations and metrics, such as `gpu`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "gpu",
            Self::Fpga => "fpga",
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names none of the choices there are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{word}' is none of {choices}")]
pub struct UnknownWord {
    /// The word.
    pub word: String,
    /// What there is.
    pub choices: &'static str,
}

impl FromStr for DeviceKind {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let unknown = || UnknownWord { word: word.to_owned(), choices: "cpu, gpu, fpga" };
        Self::ALL.into_iter().find(|kind| kind.name() == word).ok_or_else(unknown)
    }
}

/// The arithmetic of a model's F32 values on a device that has several; inputs and outputs stay as declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// F32 throughout.
    #[default]
    F32,
    /// Stored as F32, products rounded to the 10 bits of fraction of TF32.
    Tf32,
    /// Stored and multiplied as F16, added as F32.
    F16,
    /// Stored and multiplied as BF16, added as F32.
    BF16,
}

impl Precision {
    /// Every precision, in declaration order.
    pub const ALL: [Self; 4] = [Self::F32, Self::Tf32, Self::F16, Self::BF16];

    /// The name in configurations, such as `fp16`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "fp32",
            Self::Tf32 => "tf32",
            Self::F16 => "fp16",
            Self::BF16 => "bf16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let unknown = || UnknownWord { word: word.to_owned(), choices: "fp32, tf32, fp16, bf16" };
        Self::ALL.into_iter().find(|precision| precision.name() == word).ok_or_else(unknown)
    }
}

/// What the models of a service run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    /// The device asked for.
    pub device: DeviceKind,
    /// Arithmetic on a GPU.
    pub precision: Precision,
    /// Devices that hold a copy of each model each, so that calls run on all of them; at least 1. Acts only beside the CPU.
    pub copies: u32,
    /// Whether the CPU may take the models where the device is missing, full or cannot run them.
    pub fallback: bool,
}

impl Default for Placement {
    /// The CPU.
    fn default() -> Self {
        Self { device: DeviceKind::Cpu, precision: Precision::F32, copies: 1, fallback: false }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { device: DeviceKind::Cpu, .. } => f.write_str("cpu"),
            Self { device, precision, copies, .. } => write!(f, "{device} {precision} x{copies}"),
        }
    }
}

/// What a deployment says of the devices of its models. Where it says nothing, the host decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceRequest {
    /// The device asked for.
    pub device: Option<DeviceKind>,
    /// Arithmetic on a GPU.
    pub precision: Option<Precision>,
    /// Devices that hold a copy of each model each; above 0.
    pub copies: Option<u32>,
    /// Whether the CPU may take the models where the device cannot.
    pub fallback: Option<bool>,
}

impl DeviceRequest {
    /// What holds on a host whose models run on `otherwise`.
    #[must_use]
    pub fn or(self, otherwise: Placement) -> Placement {
        Placement {
            device: self.device.unwrap_or(otherwise.device),
            precision: self.precision.unwrap_or(otherwise.precision),
            copies: self.copies.unwrap_or(otherwise.copies).max(1),
            fallback: self.fallback.unwrap_or(otherwise.fallback),
        }
    }
}
