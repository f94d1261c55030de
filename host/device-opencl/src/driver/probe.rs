//! Whether a device still does anything, asked after an error that may mean either.
#![expect(unsafe_code, reason = "OpenCL's allocation")]

use std::time::{Duration, Instant};

use ocl::core;
use ocl::flags::MemFlags;

use super::{Device, Event};

/// How long the device may take for the question.
const PATIENCE: Duration = Duration::from_secs(2);
const BYTES: usize = 64;

/// Whether the device fills a few bytes when it is asked to. It is asked with a queue and memory of its own.
pub(super) fn answers(device: &Device) -> bool {
    fills(device).is_ok_and(|filled| filled)
}

fn fills(device: &Device) -> core::Result<bool> {
    let queue = core::create_command_queue(&device.context, device.id, None)?;
    // SAFETY: no memory of the host's is handed over.
    let memory = unsafe { core::create_buffer::<_, u8>(&device.context, MemFlags::READ_WRITE, BYTES, None) }?;
    let mut event = core::Event::null();
    core::enqueue_fill_buffer(&queue, &memory, 0u8, 0, BYTES, None::<core::Event>, Some(&mut event), None)?;
    core::flush(&queue)?;
    let event = Event(event);
    if event.ends_by(Instant::now() + PATIENCE.min(device.ceiling)) {
        return Ok(event.outcome() == Some(0));
    }
    // The device may still write there, and a driver may wait for what is queued when a queue goes: leaked, once for a lost device.
    std::mem::forget((queue, memory, event));
    Ok(false)
}
