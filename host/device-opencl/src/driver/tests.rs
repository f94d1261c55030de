//! The layer on a device of this machine: PoCL's, where it is installed.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests; a skipped one says so")]

mod late;

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::{OpenCl, OpenClConfig, OpenClError};

const SOURCE: &str = "__kernel void scale(__global const float *x, __global float *y, float by, int n, int4 add) {
    int i = get_global_id(0);
    if (i < n) y[i] = x[i] * by + (float)add.s2;
}
__kernel void spin(__global float *x, int rounds) {
    float v = x[get_global_id(0)];
    for (int i = 0; i < rounds; i++) v = v * 0.5f + 1.0f;
    x[get_global_id(0)] = v;
}";

/// The first device; `None`, with the reason printed, where there is none and none is required.
fn device(config: &OpenClConfig) -> Option<Arc<Device>> {
    let config = OpenClConfig { cpu_devices: true, ..config.clone() };
    match OpenCl::discover(&config) {
        Ok(opencl) => Some(opencl.serving(DeviceType::Gpu).into_iter().next().expect("a GPU or CPU device")),
        Err(reason) => {
            let required = std::env::var_os("REQUIRE_OPENCL").is_some();
            assert!(!required, "{reason}");
            println!("skipped: {reason}");
            None
        }
    }
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn of_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// `x * by + 3` for all elements, on the device.
fn scaled(queue: &Queue, kernel: &Kernel, device: &Arc<Device>, x: &[f32], by: f32) -> Result<Vec<f32>, OpenClError> {
    let bytes = floats(x);
    let from = Buffer::new(device, bytes.len() as u64)?;
    let to = Buffer::new(device, bytes.len() as u64)?;
    let add: Vec<u8> = [1i32, 2, 3, 4].iter().flat_map(|word| word.to_le_bytes()).collect();
    let ((), out) = queue.run(None, |batch| {
        batch.fill(&to, 0, to.bytes(), 0xff)?;
        batch.write(&from, 0, &Bytes::from(bytes))?;
        let args = [Arg::Buffer(&from), Arg::Buffer(&to), Arg::Float(by), Arg::Int(x.len() as i32), Arg::Bytes(&add)];
        batch.launch(kernel, Grid { items: [x.len(), 1, 1], group: None }, &args)?;
        batch.read(&to, 0, to.bytes())
    })?;
    Ok(of_bytes(&out[0]))
}

#[test]
fn a_library_that_is_missing_or_none_of_opencl_is_a_typed_error() {
    let config = |library: &str| OpenClConfig { library: Some(library.into()), ..OpenClConfig::default() };
    let missing = OpenCl::discover(&config("/nowhere/libOpenCL.so.1")).err().unwrap();
    assert!(matches!(missing, OpenClError::Library { .. }), "{missing}");
    assert!(missing.to_string().contains("/nowhere/libOpenCL.so.1"), "{missing}");
    let other = OpenCl::discover(&config("libm.so.6")).err().unwrap();
    assert!(other.to_string().contains("not OpenCL's"), "{other}");
}

#[test]
fn no_program_of_this_crate_needs_the_library() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    // The names stand among what to open at run time, without a NUL; the table of what a program needs has one around each. They are
    // put together here so that they are not in this very program.
    for ending in ["so.1", "so"] {
        let name = format!("\0{}.{ending}\0", "libOpenCL").into_bytes();
        assert!(!program.windows(name.len()).any(|window| *window == *name), "the program needs {name:?}");
    }
}

#[test]
fn a_kernel_computes_with_all_kinds_of_arguments_and_says_how_long() {
    let Some(device) = device(&OpenClConfig::default()) else { return };
    let program = Program::compile(&device, SOURCE, "-cl-std=CL1.2").unwrap();
    let kernel = program.kernel("scale").unwrap();
    assert_eq!(kernel.parameters(), 5);
    let queue = Queue::new(&device, true).unwrap();
    assert_eq!(scaled(&queue, &kernel, &device, &[1.0, -2.0, 0.5], 4.0).unwrap(), [7.0, -5.0, 5.0]);
    let memory = Buffer::new(&device, 1 << 16).unwrap();
    let spin = program.kernel("spin").unwrap();
    let event = queue
        .run(None, |batch| {
            batch.fill(&memory, 0, 1 << 16, 0)?;
            let args = [Arg::Buffer(&memory), Arg::Int(1000)];
            batch.launch(&spin, Grid { items: [1 << 14, 1, 1], group: None }, &args)
        })
        .unwrap()
        .0;
    assert!(event.nanoseconds().unwrap() > 1000);
}

#[test]
fn threads_with_queues_of_their_own_share_a_kernel_without_mixing_arguments() {
    let Some(device) = device(&OpenClConfig::default()) else { return };
    let program = Program::compile(&device, SOURCE, "").unwrap();
    let kernel = program.kernel("scale").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u16 {
            let (device, kernel) = (&device, &kernel);
            scope.spawn(move || {
                let queue = Queue::new(device, false).unwrap();
                for round in 0..16u16 {
                    let by = f32::from(thread * 100 + round);
                    let length = 1 + usize::from(thread) * 7 + usize::from(round);
                    assert_eq!(
                        scaled(&queue, kernel, device, &vec![2.0; length], by).unwrap(),
                        vec![by * 2.0 + 3.0; length]
                    );
                }
            });
        }
    });
}

#[test]
fn copies_outside_a_buffer_are_refused() {
    let Some(device) = device(&OpenClConfig::default()) else { return };
    let queue = Queue::new(&device, false).unwrap();
    let buffer = Buffer::new(&device, 64).unwrap();
    queue.run(None, |batch| batch.fill(&buffer, 0, 64, 7)).unwrap();
    let read = |offset| queue.run(None, |batch| batch.read(&buffer, offset, 16)).map(|(_, mut out)| out.remove(0));
    assert!(read(48).unwrap().iter().all(|byte| *byte == 7));
    for offset in [49, u64::MAX] {
        assert!(matches!(read(offset), Err(OpenClError::Range { length: 64, .. })), "{offset}");
    }
    assert_eq!(device.used(), 64);
    drop(buffer);
    assert_eq!(device.used(), 0);
}

#[test]
fn memory_beyond_the_budget_is_refused_and_given_back() {
    let Some(device) = device(&OpenClConfig { memory_limit: Some(1 << 20), ..OpenClConfig::default() }) else { return };
    let held = Buffer::new(&device, 900 << 10).unwrap();
    let refused = Buffer::new(&device, 200 << 10).err().unwrap();
    assert!(matches!(refused, OpenClError::Memory { wanted, used, .. } if wanted == 200 << 10 && used == 900 << 10));
    drop(held);
    assert!(Buffer::new(&device, 200 << 10).is_ok());
    let longest = Buffer::new(&device, u64::MAX).err().unwrap();
    assert!(matches!(longest, OpenClError::Largest { .. }), "{longest}");
}

#[test]
fn programs_and_arguments_that_do_not_fit_say_why() {
    let Some(device) = device(&OpenClConfig::default()) else { return };
    let error =
        Program::compile(&device, "__kernel void broken(__global float *x) { x[0] = nothing; }", "").err().unwrap();
    assert!(error.to_string().contains("nothing"), "{error}");
    let program = Program::compile(&device, SOURCE, "").unwrap();
    let missing = program.kernel("other").err().unwrap();
    assert!(matches!(&missing, OpenClError::NoKernel { kernel } if kernel == "other"), "{missing}");
    let kernel = program.kernel("scale").unwrap();
    let queue = Queue::new(&device, false).unwrap();
    let one = Grid { items: [1, 1, 1], group: Some([1, 1, 1]) };
    let launch = |args: &[Arg<'_>]| queue.run(None, |batch| batch.launch(&kernel, one, args).map(drop)).map(drop);
    assert!(matches!(launch(&[Arg::Null]), Err(OpenClError::Arguments { expected: 5, given: 1, .. })));
    let wrong = [Arg::Null, Arg::Null, Arg::Bytes(&[0; 2]), Arg::Int(0), Arg::Int(0)];
    assert!(matches!(launch(&wrong), Err(OpenClError::Argument { index: 2, .. })));
    for junk in [&b""[..], b"junk", &[0; 4096]] {
        let error = Program::from_binary(&device, junk).err().unwrap();
        assert!(matches!(error, OpenClError::Binary { .. }), "{error}");
    }
}

#[test]
fn compiled_programs_come_from_disk_and_damaged_ones_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = OpenClConfig { program_cache: Some(folder.path().to_owned()), ..OpenClConfig::default() };
    let Some(device) = device(&config) else { return };
    let files = || {
        let all = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        all.collect::<Vec<_>>()
    };
    let runs = |source: &str| {
        let program = Program::compile(&device, source, "").unwrap();
        let queue = Queue::new(&device, false).unwrap();
        let kernel = program.kernel("scale").unwrap();
        assert_eq!(scaled(&queue, &kernel, &device, &[1.0], 1.0).unwrap(), [4.0]);
    };
    runs(SOURCE);
    let [file] = &files()[..] else { panic!("one file, got {:?}", files()) };
    let whole = std::fs::read(file).unwrap();
    std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
    runs(SOURCE);
    let key = file.file_stem().unwrap().to_str().unwrap();
    assert!(device.cache.get(key).is_some_and(|binary| binary.len() > whole.len() / 2));
    runs(&format!("{SOURCE}\n"));
    assert_eq!(files().len(), 2);
}

#[test]
fn the_cache_of_programs_stays_within_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let cache = ProgramCache::new(Some(folder.path().to_owned()), 1000);
    for number in 0..20 {
        cache.put(&number.to_string(), &[number; 200]);
    }
    let bytes: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!((400..=1000).contains(&bytes), "{bytes}");
    assert_eq!(cache.get("19"), Some(vec![19; 200]));
    assert_eq!(cache.get("0"), None);
    cache.put("large", &[0; 2000]);
    assert_eq!(cache.get("large"), None);
}
