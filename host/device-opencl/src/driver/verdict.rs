//! What an error of OpenCL says of the device.

use ocl::enums::Status;

/// What an error says of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no room; calls that need less may work.
    Full,
    /// Nothing runs there any more.
    Lost,
    /// There is no room, or nothing runs any more: drivers say the same after a kernel has touched memory that it must not.
    Exhausted,
    /// A command died; the next one may work or not.
    Doubtful,
    /// The call itself was wrong.
    Call,
}

/// Codes that say more than that a call was wrong.
const TELLING: [(Status, Verdict); 10] = [
    (Status::CL_MEM_OBJECT_ALLOCATION_FAILURE, Verdict::Full),
    (Status::CL_OUT_OF_HOST_MEMORY, Verdict::Full),
    (Status::CL_OUT_OF_RESOURCES, Verdict::Exhausted),
    (Status::CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, Verdict::Doubtful),
    (Status::CL_DEVICE_NOT_FOUND, Verdict::Lost),
    (Status::CL_DEVICE_NOT_AVAILABLE, Verdict::Lost),
    (Status::CL_INVALID_DEVICE, Verdict::Lost),
    (Status::CL_INVALID_CONTEXT, Verdict::Lost),
    (Status::CL_INVALID_COMMAND_QUEUE, Verdict::Lost),
    (Status::CL_NV_INVALID_MEM_ACCESS, Verdict::Lost),
];

fn telling(code: i32) -> Option<&'static (Status, Verdict)> {
    TELLING.iter().find(|(status, _)| *status as i32 == code)
}

/// What a code says.
pub(super) fn verdict(code: i32) -> Verdict {
    telling(code).map_or(Verdict::Call, |(_, verdict)| *verdict)
}

/// A code by its name, where that is known.
pub(super) fn named(code: i32) -> String {
    telling(code).map_or_else(|| format!("OpenCL's error {code}"), |(status, _)| status.to_string())
}
