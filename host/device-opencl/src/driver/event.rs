//! What is known of work that was queued.
#![expect(unsafe_code, reason = "a callback of OpenCL's, and the state of a command as the driver writes it")]

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ocl::core::{self, CommandExecutionStatus, ProfilingInfo, ProfilingInfoResult};
use ocl::ffi;
use parking_lot::{Condvar, Mutex};

/// How long a caller looks at a command before it sleeps: longer than short calls take, so that these do not pay for being woken up by
/// a driver's thread.
const EAGER: Duration = Duration::from_micros(100);
/// First and longest pause between two looks at a command whose driver does not say that it has ended.
const PAUSES: [Duration; 2] = [Duration::from_micros(200), Duration::from_millis(50)];

/// Queued work that can be asked when it ran.
#[derive(Clone)]
pub(crate) struct Event(pub(super) ocl::core::Event);

/// What a driver says when a command has ended.
#[derive(Default)]
struct Signal {
    ended: Mutex<bool>,
    told: Condvar,
}

/// Called by the driver, from a thread of its own.
extern "C" fn tell(_: ffi::cl_event, _: i32, signal: *mut c_void) {
    // SAFETY: `told_by` made it of an `Arc` for this one call.
    let signal = unsafe { Arc::from_raw(signal.cast::<Signal>().cast_const()) };
    *signal.ended.lock() = true;
    signal.told.notify_one();
}

impl Event {
    /// Nanoseconds that the device worked; `None` before it has ended and where the queue keeps no times.
    pub(crate) fn nanoseconds(&self) -> Option<u64> {
        let time = |asked| match core::get_event_profiling_info(&self.0, asked).ok()? {
            ProfilingInfoResult::Start(time) | ProfilingInfoResult::End(time) => Some(time),
            _ => None,
        };
        time(ProfilingInfo::End)?.checked_sub(time(ProfilingInfo::Start)?)
    }

    /// How the command ended: 0, or an error's code; `None` before it has, and where the driver does not tell.
    pub(super) fn outcome(&self) -> Option<i32> {
        let mut status: ffi::cl_int = CommandExecutionStatus::Queued as i32;
        // SAFETY: the event is live, and the driver writes one integer to where one is.
        let code = unsafe {
            ffi::clGetEventInfo(
                *self.0.as_ptr_ref(),
                ffi::CL_EVENT_COMMAND_EXECUTION_STATUS,
                size_of::<ffi::cl_int>(),
                (&raw mut status).cast(),
                ptr::null_mut(),
            )
        };
        (code == 0 && status <= CommandExecutionStatus::Complete as i32).then_some(status)
    }

    /// Waits for the command's end; `false` once `bound` has passed before. Its queue must have been flushed.
    ///
    /// The driver wakes the caller. It is asked now and then as well, so that one that forgets to costs time and no call.
    pub(super) fn ends_by(&self, bound: Instant) -> bool {
        let eager = bound.min(Instant::now() + EAGER);
        while self.outcome().is_none() {
            if Instant::now() >= eager {
                return self.wakes_by(bound);
            }
            // A device may be the processor itself.
            std::thread::yield_now();
        }
        true
    }

    /// The same, asleep.
    fn wakes_by(&self, bound: Instant) -> bool {
        let signal = self.told_by();
        let mut ended = signal.ended.lock();
        let [mut pause, longest] = PAUSES;
        while !*ended {
            let now = Instant::now();
            if now >= bound {
                return self.outcome().is_some();
            }
            let timed_out = signal.told.wait_until(&mut ended, bound.min(now + pause)).timed_out();
            if timed_out && self.outcome().is_some() {
                return true;
            }
            pause = (pause * 2).min(longest);
        }
        true
    }

    /// Has the driver tell when the command has ended.
    fn told_by(&self) -> Arc<Signal> {
        let signal = Arc::new(Signal::default());
        let given = Arc::into_raw(Arc::clone(&signal));
        // SAFETY: `tell` takes back what it is given, and the driver calls it at most once, from whatever thread.
        let set = unsafe {
            core::set_event_callback(&self.0, CommandExecutionStatus::Complete, Some(tell), given.cast_mut().cast())
        };
        if set.is_err() {
            // SAFETY: of the `Arc` above; the driver has refused it.
            drop(unsafe { Arc::from_raw(given) });
        }
        signal
    }
}
