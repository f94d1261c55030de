//! The entry points of OpenCL, as forwarders to the library that is opened at run time.
//!
//! The bindings below `ocl` declare them as functions of a library that is linked. Nothing here is linked: these functions bear the
//! same names, and what they reach is looked up when it is first called. They also keep the bindings alive where those would panic: an
//! error code that no specification knows becomes one that it does, no object without an error becomes an error, and giving an
//! object back always succeeds.
#![expect(unsafe_code, reason = "functions that the bindings find by name")]

use std::ffi::{c_char, c_uchar, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ocl::ffi::*;

use super::library;

/// `CL_INVALID_OPERATION`: the library lacks the function, or answers with a code of its own.
const INVALID_OPERATION: cl_int = -59;
/// `CL_OUT_OF_RESOURCES`: the library returned no object and no reason.
const OUT_OF_RESOURCES: cl_int = -5;

/// A function that OpenCL calls back; only its address is handed on.
type Callback = *const c_void;

/// Where a function is; null where the library has none of that name.
fn place(known: &AtomicPtr<c_void>, name: &str) -> *mut c_void {
    let place = known.load(Ordering::Relaxed);
    if !place.is_null() {
        return place;
    }
    let found = library::function(name).unwrap_or(ptr::null_mut());
    known.store(found, Ordering::Relaxed);
    found
}

/// A code that the bindings know.
fn known(code: cl_int, name: &str) -> cl_int {
    match code {
        -19..=0 | -70..=-30 | -1001..=-1000 | -9999 => code,
        _ => {
            tracing::warn!(function = name, code, "OpenCL answers with a code of its vendor's");
            INVALID_OPERATION
        }
    }
}

/// Functions that return a code.
macro_rules! statuses {
    ($(fn $name:ident($($argument:ident: $type:ty),*);)*) => {
        $(#[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> cl_int {
            static PLACE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
            let place = place(&PLACE, stringify!($name));
            if place.is_null() {
                return INVALID_OPERATION;
            }
            // SAFETY: the library's function of this name has this signature, by OpenCL's headers.
            let code = unsafe {
                std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($type),*) -> cl_int>(place)($($argument),*)
            };
            known(code, stringify!($name))
        })*

        fn of_statuses() -> Vec<*const c_void> {
            vec![$($name as *const c_void),*]
        }
    };
}

/// Functions that give an object back.
macro_rules! releases {
    ($(fn $name:ident($argument:ident: $type:ty);)*) => {
        $(#[unsafe(no_mangle)]
        unsafe extern "C" fn $name($argument: $type) -> cl_int {
            static PLACE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
            let place = place(&PLACE, stringify!($name));
            if !place.is_null() {
                // SAFETY: as for functions that return a code.
                let code = unsafe {
                    std::mem::transmute::<*mut c_void, unsafe extern "C" fn($type) -> cl_int>(place)($argument)
                };
                if code != 0 {
                    tracing::debug!(function = stringify!($name), code, "OpenCL does not take an object back");
                }
            }
            0
        })*

        fn of_releases() -> Vec<*const c_void> {
            vec![$($name as *const c_void),*]
        }
    };
}

/// Functions that return an object, and a code through their last argument.
macro_rules! objects {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $object:ty;)*) => {
        $(#[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type,)* code: *mut cl_int) -> $object {
            static PLACE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());
            let place = place(&PLACE, stringify!($name));
            let mut answer = INVALID_OPERATION;
            let object: $object = if place.is_null() { ptr::null_mut() } else {
                // SAFETY: as for functions that return a code.
                unsafe {
                    std::mem::transmute::<*mut c_void, unsafe extern "C" fn($($type,)* *mut cl_int) -> $object>(place)(
                        $($argument,)* &raw mut answer
                    )
                }
            };
            answer = known(answer, stringify!($name));
            if object.is_null() && answer == 0 {
                answer = OUT_OF_RESOURCES;
            }
            if !code.is_null() {
                // SAFETY: the caller gives the address of an integer, or none.
                unsafe { *code = answer };
            }
            object
        })*

        fn of_objects() -> Vec<*const c_void> {
            vec![$($name as *const c_void),*]
        }
    };
}

/// All entry points. Whoever opens the library names them, so that the linker takes them along.
pub(super) fn all() -> Vec<*const c_void> {
    [of_statuses(), of_releases(), of_objects()].concat()
}

statuses! {
    fn clGetPlatformIDs(a: cl_uint, b: *mut cl_platform_id, c: *mut cl_uint);
    fn clGetPlatformInfo(a: cl_platform_id, b: cl_platform_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clGetDeviceIDs(a: cl_platform_id, b: cl_device_type, c: cl_uint, d: *mut cl_device_id, e: *mut cl_uint);
    fn clGetDeviceInfo(a: cl_device_id, b: cl_device_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clRetainDevice(a: cl_device_id);
    fn clRetainContext(a: cl_context);
    fn clGetContextInfo(a: cl_context, b: cl_context_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clRetainCommandQueue(a: cl_command_queue);
    fn clGetCommandQueueInfo(a: cl_command_queue, b: cl_command_queue_info, c: size_t, d: *mut c_void,
        e: *mut size_t);
    fn clRetainMemObject(a: cl_mem);
    fn clGetSupportedImageFormats(a: cl_context, b: cl_mem_flags, c: cl_mem_object_type, d: cl_uint,
        e: *mut cl_image_format, f: *mut cl_uint);
    fn clGetMemObjectInfo(a: cl_mem, b: cl_mem_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clGetImageInfo(a: cl_mem, b: cl_image_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clSetMemObjectDestructorCallback(a: cl_mem, b: Callback, c: *mut c_void);
    fn clRetainSampler(a: cl_sampler);
    fn clGetSamplerInfo(a: cl_sampler, b: cl_sampler_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clRetainProgram(a: cl_program);
    fn clBuildProgram(a: cl_program, b: cl_uint, c: *const cl_device_id, d: *const c_char, e: Callback,
        f: *mut c_void);
    fn clCompileProgram(a: cl_program, b: cl_uint, c: *const cl_device_id, d: *const c_char, e: cl_uint,
        f: *const cl_program, g: *const *const c_char, h: Callback, i: *mut c_void);
    fn clGetProgramInfo(a: cl_program, b: cl_program_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clGetProgramBuildInfo(a: cl_program, b: cl_device_id, c: cl_program_build_info, d: size_t, e: *mut c_void,
        f: *mut size_t);
    fn clCreateKernelsInProgram(a: cl_program, b: cl_uint, c: *mut cl_kernel, d: *mut cl_uint);
    fn clRetainKernel(a: cl_kernel);
    fn clSetKernelArg(a: cl_kernel, b: cl_uint, c: size_t, d: *const c_void);
    fn clGetKernelInfo(a: cl_kernel, b: cl_kernel_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clGetKernelArgInfo(a: cl_kernel, b: cl_uint, c: cl_kernel_arg_info, d: size_t, e: *mut c_void,
        f: *mut size_t);
    fn clGetKernelWorkGroupInfo(a: cl_kernel, b: cl_device_id, c: cl_kernel_work_group_info, d: size_t,
        e: *mut c_void, f: *mut size_t);
    fn clWaitForEvents(a: cl_uint, b: *const cl_event);
    fn clGetEventInfo(a: cl_event, b: cl_event_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clRetainEvent(a: cl_event);
    fn clSetUserEventStatus(a: cl_event, b: cl_int);
    fn clSetEventCallback(a: cl_event, b: cl_int, c: Callback, d: *mut c_void);
    fn clGetEventProfilingInfo(a: cl_event, b: cl_profiling_info, c: size_t, d: *mut c_void, e: *mut size_t);
    fn clFlush(a: cl_command_queue);
    fn clFinish(a: cl_command_queue);
    fn clEnqueueReadBuffer(a: cl_command_queue, b: cl_mem, c: cl_bool, d: size_t, e: size_t, f: *mut c_void,
        g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueReadBufferRect(a: cl_command_queue, b: cl_mem, c: cl_bool, d: *const size_t, e: *const size_t,
        f: *const size_t, g: size_t, h: size_t, i: size_t, j: size_t, k: *mut c_void, l: cl_uint,
        m: *const cl_event, n: *mut cl_event);
    fn clEnqueueWriteBuffer(a: cl_command_queue, b: cl_mem, c: cl_bool, d: size_t, e: size_t, f: *const c_void,
        g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueWriteBufferRect(a: cl_command_queue, b: cl_mem, c: cl_bool, d: *const size_t, e: *const size_t,
        f: *const size_t, g: size_t, h: size_t, i: size_t, j: size_t, k: *const c_void, l: cl_uint,
        m: *const cl_event, n: *mut cl_event);
    fn clEnqueueFillBuffer(a: cl_command_queue, b: cl_mem, c: *const c_void, d: size_t, e: size_t, f: size_t,
        g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueCopyBuffer(a: cl_command_queue, b: cl_mem, c: cl_mem, d: size_t, e: size_t, f: size_t, g: cl_uint,
        h: *const cl_event, i: *mut cl_event);
    fn clEnqueueCopyBufferRect(a: cl_command_queue, b: cl_mem, c: cl_mem, d: *const size_t, e: *const size_t,
        f: *const size_t, g: size_t, h: size_t, i: size_t, j: size_t, k: cl_uint, l: *const cl_event,
        m: *mut cl_event);
    fn clEnqueueReadImage(a: cl_command_queue, b: cl_mem, c: cl_bool, d: *const size_t, e: *const size_t,
        f: size_t, g: size_t, h: *mut c_void, i: cl_uint, j: *const cl_event, k: *mut cl_event);
    fn clEnqueueWriteImage(a: cl_command_queue, b: cl_mem, c: cl_bool, d: *const size_t, e: *const size_t,
        f: size_t, g: size_t, h: *const c_void, i: cl_uint, j: *const cl_event, k: *mut cl_event);
    fn clEnqueueFillImage(a: cl_command_queue, b: cl_mem, c: *const c_void, d: *const size_t, e: *const size_t,
        f: cl_uint, g: *const cl_event, h: *mut cl_event);
    fn clEnqueueCopyImage(a: cl_command_queue, b: cl_mem, c: cl_mem, d: *const size_t, e: *const size_t,
        f: *const size_t, g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueCopyImageToBuffer(a: cl_command_queue, b: cl_mem, c: cl_mem, d: *const size_t, e: *const size_t,
        f: size_t, g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueCopyBufferToImage(a: cl_command_queue, b: cl_mem, c: cl_mem, d: size_t, e: *const size_t,
        f: *const size_t, g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueUnmapMemObject(a: cl_command_queue, b: cl_mem, c: *mut c_void, d: cl_uint, e: *const cl_event,
        f: *mut cl_event);
    fn clEnqueueMigrateMemObjects(a: cl_command_queue, b: cl_uint, c: *const cl_mem, d: cl_mem_migration_flags,
        e: cl_uint, f: *const cl_event, g: *mut cl_event);
    fn clEnqueueNDRangeKernel(a: cl_command_queue, b: cl_kernel, c: cl_uint, d: *const size_t, e: *const size_t,
        f: *const size_t, g: cl_uint, h: *const cl_event, i: *mut cl_event);
    fn clEnqueueTask(a: cl_command_queue, b: cl_kernel, c: cl_uint, d: *const cl_event, e: *mut cl_event);
    fn clEnqueueNativeKernel(a: cl_command_queue, b: Callback, c: *mut c_void, d: size_t, e: cl_uint,
        f: *const cl_mem, g: *const *const c_void, h: cl_uint, i: *const cl_event, j: *mut cl_event);
    fn clEnqueueMarkerWithWaitList(a: cl_command_queue, b: cl_uint, c: *const cl_event, d: *mut cl_event);
    fn clEnqueueBarrierWithWaitList(a: cl_command_queue, b: cl_uint, c: *const cl_event, d: *mut cl_event);
}

releases! {
    fn clReleaseDevice(a: cl_device_id);
    fn clReleaseContext(a: cl_context);
    fn clReleaseCommandQueue(a: cl_command_queue);
    fn clReleaseMemObject(a: cl_mem);
    fn clReleaseSampler(a: cl_sampler);
    fn clReleaseProgram(a: cl_program);
    fn clReleaseKernel(a: cl_kernel);
    fn clReleaseEvent(a: cl_event);
}

objects! {
    fn clCreateContext(a: *const cl_context_properties, b: cl_uint, c: *const cl_device_id, d: Callback,
        e: *mut c_void) -> cl_context;
    fn clCreateContextFromType(a: *const cl_context_properties, b: cl_device_type, c: Callback, d: *mut c_void)
        -> cl_context;
    fn clCreateCommandQueue(a: cl_context, b: cl_device_id, c: cl_command_queue_properties) -> cl_command_queue;
    fn clCreateBuffer(a: cl_context, b: cl_mem_flags, c: size_t, d: *mut c_void) -> cl_mem;
    fn clCreateSubBuffer(a: cl_mem, b: cl_mem_flags, c: cl_buffer_create_type, d: *const c_void) -> cl_mem;
    fn clCreateImage(a: cl_context, b: cl_mem_flags, c: *const cl_image_format, d: *const cl_image_desc,
        e: *mut c_void) -> cl_mem;
    fn clCreateProgramWithSource(a: cl_context, b: cl_uint, c: *const *const c_char, d: *const size_t)
        -> cl_program;
    fn clCreateProgramWithBinary(a: cl_context, b: cl_uint, c: *const cl_device_id, d: *const size_t,
        e: *const *const c_uchar, f: *mut cl_int) -> cl_program;
    fn clLinkProgram(a: cl_context, b: cl_uint, c: *const cl_device_id, d: *const c_char, e: cl_uint,
        f: *const cl_program, g: Callback, h: *mut c_void) -> cl_program;
    fn clCreateKernel(a: cl_program, b: *const c_char) -> cl_kernel;
    fn clCreateUserEvent(a: cl_context) -> cl_event;
    fn clEnqueueMapBuffer(a: cl_command_queue, b: cl_mem, c: cl_bool, d: cl_map_flags, e: size_t, f: size_t,
        g: cl_uint, h: *const cl_event, i: *mut cl_event) -> *mut c_void;
    fn clEnqueueMapImage(a: cl_command_queue, b: cl_mem, c: cl_bool, d: cl_map_flags, e: *const size_t,
        f: *const size_t, g: *mut size_t, h: *mut size_t, i: cl_uint, j: *const cl_event, k: *mut cl_event)
        -> *mut c_void;
    fn clCreateSampler(a: cl_context, b: cl_bool, c: cl_addressing_mode, d: cl_filter_mode) -> cl_sampler;
}
