//! Calls that end before their work, on a device that waits for the test's word: an event of the test's holds its queue back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ocl::core::{self, CommandExecutionStatus};
use scorehost_core::Deadline;

use super::*;
use crate::driver::verdict::{named, verdict};

const DAY: Duration = Duration::from_secs(24 * 3600);
const SOON: Duration = Duration::from_millis(20);

/// What a test holds work back with.
struct Gate(core::Event);

impl Gate {
    fn new(device: &Device) -> Self {
        Self(core::create_user_event(&device.context).unwrap())
    }

    /// Lets the work go on, and waits until the device has given back all memory.
    fn open(&self, device: &Device) {
        core::set_user_event_status(&self.0, CommandExecutionStatus::Complete).unwrap();
        let give_up = Instant::now() + Duration::from_secs(60);
        while device.used() > 0 {
            let _ = device.check();
            assert!(Instant::now() < give_up, "{} bytes do not come back", device.used());
            std::thread::yield_now();
        }
    }
}

/// Bytes that tell when they go.
struct Sent(Arc<AtomicBool>);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &[7; 64]
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn with(ceiling: Duration) -> Option<Arc<Device>> {
    device(&OpenClConfig { ceiling: Some(ceiling), ..OpenClConfig::default() })
}

fn until(after: Duration) -> Option<Deadline> {
    Some(Deadline::after(Instant::now(), after))
}

/// Runs work that the gate holds back, on a queue and memory that are gone when this returns.
fn held_back(device: &Arc<Device>, gate: &Gate, until: Option<Deadline>) -> Result<(), OpenClError> {
    let (queue, buffer) = (Queue::new(device, false)?, Buffer::new(device, 64)?);
    queue.run(until, |batch| batch.after(&gate.0, &buffer)).map(drop)
}

#[test]
fn a_call_ends_at_its_deadline_and_what_the_device_works_with_stays_until_it_is_done() {
    let Some(device) = with(DAY) else { return };
    let (gate, gone) = (Gate::new(&device), Arc::new(AtomicBool::new(false)));
    let (queue, buffer) = (Queue::new(&device, false).unwrap(), Buffer::new(&device, 64).unwrap());
    let late = queue.run(until(SOON), |batch| {
        batch.after(&gate.0, &buffer)?;
        batch.write(&buffer, 0, &Bytes::from_owner(Sent(Arc::clone(&gone))))?;
        batch.read(&buffer, 0, 64)
    });
    assert!(matches!(late, Err(OpenClError::Deadline { .. })), "{late:?}");
    assert!(queue.is_spent());
    let more = queue.run(None, |batch| batch.fill(&buffer, 0, 64, 0));
    assert!(matches!(more, Err(OpenClError::Deadline { .. })), "{more:?}");
    drop((queue, buffer));
    assert!(device.check().is_ok(), "a device that is late is not lost");
    assert_eq!((device.used(), gone.load(Ordering::SeqCst)), (64, false));
    gate.open(&device);
    assert!(gone.load(Ordering::SeqCst));
    assert!(device.check().is_ok());
}

#[test]
fn a_call_whose_time_is_up_does_not_begin() {
    let Some(device) = with(DAY) else { return };
    let queue = Queue::new(&device, false).unwrap();
    let refused = queue.run(until(Duration::ZERO), |_| -> Result<(), _> { panic!("it has begun") });
    assert!(matches!(refused, Err(OpenClError::Deadline { .. })), "{refused:?}");
    assert!(!queue.is_spent());
}

#[test]
fn a_device_that_does_not_come_back_within_its_ceiling_is_lost() {
    let Some(device) = with(SOON) else { return };
    let gate = Gate::new(&device);
    let lost = held_back(&device, &gate, until(DAY)).unwrap_err();
    assert!(matches!(lost, OpenClError::Lost { .. }), "{lost}");
    assert!(lost.to_string().contains("has not come back from a call for 0.02 s"), "{lost}");
    for refused in [Queue::new(&device, false).err(), Buffer::new(&device, 1).err(), device.check().err()] {
        assert_eq!(refused.unwrap().to_string(), lost.to_string());
    }
    assert!(!crate::opencl::load(&device).healthy);
    let row = crate::opencl::report(&device);
    assert!(!row.available && row.detail == lost.to_string(), "{row:?}");
    // Its memory comes back when the work ends after all; the device does not.
    gate.open(&device);
    assert!(device.check().is_err());
}

#[test]
fn work_of_a_call_that_ended_long_before_makes_the_device_lost_too() {
    let Some(device) = with(SOON * 5) else { return };
    let gate = Gate::new(&device);
    let late = held_back(&device, &gate, until(SOON)).unwrap_err();
    assert!(matches!(late, OpenClError::Deadline { .. }), "{late}");
    let give_up = Instant::now() + Duration::from_secs(60);
    while device.check().is_ok() {
        assert!(Instant::now() < give_up, "it is never lost");
        std::thread::yield_now();
    }
    gate.open(&device);
}

#[test]
fn few_calls_at_a_time_may_leave_work_behind() {
    let Some(device) = with(DAY) else { return };
    let gate = Gate::new(&device);
    let mut calls = 0;
    let refused = loop {
        match held_back(&device, &gate, until(SOON)).unwrap_err() {
            OpenClError::Deadline { .. } if calls < 64 => calls += 1,
            refused => break refused,
        }
    };
    assert!(matches!(refused, OpenClError::Occupied { calls: 8, .. }), "{refused}");
    assert_eq!(calls, 8);
    gate.open(&device);
    let buffer = Buffer::new(&device, 64).unwrap();
    Queue::new(&device, false).unwrap().run(None, |batch| batch.fill(&buffer, 0, 64, 0)).unwrap();
}

#[test]
fn work_that_was_queued_before_a_panic_keeps_its_memory() {
    let Some(device) = with(DAY) else { return };
    let gate = Gate::new(&device);
    let (queue, buffer) = (Queue::new(&device, false).unwrap(), Buffer::new(&device, 64).unwrap());
    let panic = catch_unwind(AssertUnwindSafe(|| {
        queue.run(None, |batch| -> Result<(), _> {
            batch.after(&gate.0, &buffer)?;
            panic!("of the test")
        })
    }));
    assert!(panic.is_err() && queue.is_spent());
    drop((queue, buffer));
    assert_eq!(device.used(), 64);
    gate.open(&device);
}

#[test]
fn after_a_command_that_failed_the_device_is_asked_whether_it_goes_on() {
    let Some(device) = with(DAY) else { return };
    let failed = device.broken(-14);
    assert!(failed.to_string().starts_with("a queued command failed: "), "{failed}");
    device.check().unwrap();
}

#[test]
fn an_error_s_code_says_whether_the_device_is_lost() {
    let kind = |error: &OpenClError| match error {
        OpenClError::Memory { .. } => "full",
        OpenClError::Lost { .. } => "lost",
        _ => "call",
    };
    for (code, answers, expected) in [
        (-2, true, "lost"),
        (-1, true, "lost"),
        (-33, true, "lost"),
        (-34, true, "lost"),
        (-36, true, "lost"),
        (-9999, true, "lost"),
        (-4, false, "full"),
        (-6, false, "full"),
        // Too little of something, or a kernel that has broken the driver: the device is asked.
        (-5, true, "full"),
        (-5, false, "lost"),
        (-14, false, "lost"),
        (-54, false, "call"),
    ] {
        let Some(device) = with(DAY) else { return };
        let error = device.judge("clFlush", verdict(code), named(code), || answers);
        assert_eq!(kind(&error), expected, "{code}: {error}");
        assert_eq!(device.check().is_err(), expected == "lost", "{code}");
        if let Err(reason) = device.check() {
            assert!(reason.to_string().contains("clFlush failed: "), "{reason}");
        }
    }
}
