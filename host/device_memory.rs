//! The memory for loaded graphs of each kind of devices, under a budget of its own.

use std::sync::{Arc, OnceLock};

use scorehost_core::{Clock, DeviceKind};
use scorehost_device::Devices;
use scorehost_memory::{MemoryConfig, MemorySnapshot, ModelMemory};
use tokio::runtime::Handle;

/// The memories of all kinds of devices. Those beside the CPU's are as large as the devices are, which is known once they are opened.
pub(crate) struct DeviceMemory {
    cpu: ModelMemory,
    gpu: OnceLock<ModelMemory>,
    fpga: OnceLock<ModelMemory>,
    devices: Arc<Devices>,
    clock: Arc<dyn Clock>,
    workers: Handle,
}

impl DeviceMemory {
    /// `budget` is the CPU's; loads run on `workers`.
    pub(crate) fn new(budget: Option<u64>, devices: Arc<Devices>, clock: Arc<dyn Clock>, workers: Handle) -> Self {
        let config = MemoryConfig { budget, ..MemoryConfig::default() };
        let cpu = ModelMemory::new(config, Arc::clone(&clock), workers.clone());
        Self { cpu, gpu: OnceLock::new(), fpga: OnceLock::new(), devices, clock, workers }
    }

    /// The memory of one kind. Blocks while it opens the devices, once.
    pub(crate) fn of(&self, kind: DeviceKind) -> ModelMemory {
        let place = match kind {
            DeviceKind::Cpu => return self.cpu.clone(),
            DeviceKind::Gpu => &self.gpu,
            DeviceKind::Fpga => &self.fpga,
        };
        let make = || {
            // Where there are none, a load says why; a budget of nothing would speak of memory.
            let budget = self.devices.capacity(kind).filter(|bytes| *bytes > 0);
            let config = MemoryConfig { budget, ..MemoryConfig::default() };
            ModelMemory::new(config, Arc::clone(&self.clock), self.workers.clone())
        };
        place.get_or_init(make).clone()
    }

    /// What is in all of them; budget and loaded bytes are the CPU's.
    pub(crate) fn snapshot(&self) -> MemorySnapshot {
        let others = [&self.gpu, &self.fpga].into_iter().filter_map(OnceLock::get);
        others.fold(self.cpu.snapshot(), |all, memory| all.beside(memory.snapshot()))
    }
}
