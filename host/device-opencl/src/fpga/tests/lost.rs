//! A kernel that never ends. Nothing stops it, so that it runs in a process of its own, which ends all the same.

use std::process::Command;
use std::time::{Duration, Instant};

use scorehost_core::{Deadline, DeviceKind, Graph, Placement};
use scorehost_device::{DeviceConfig, Devices, ModelSource};

use super::*;

/// Set in the process that runs the kernel.
const INSIDE: &str = "SCOREHOST_TEST_ENDLESS_KERNEL";
const NAME: &str =
    "fpga::tests::lost::a_kernel_that_never_ends_ends_its_call_and_loses_its_device_which_the_model_then_leaves";
const CEILING: Duration = Duration::from_secs(2);

#[test]
fn a_kernel_that_never_ends_ends_its_call_and_loses_its_device_which_the_model_then_leaves() {
    let Some((model, onnx)) = digits() else { return };
    if std::env::var_os(INSIDE).is_some() {
        return endless(&model, &onnx);
    }
    if fpgas(&OpenClConfig::default()).devices.is_empty() {
        return;
    }
    let test = std::env::current_exe().unwrap();
    let ended = Command::new(test).args(["--exact", NAME, "--nocapture"]).env(INSIDE, "1").output().unwrap();
    let [out, err] = [&ended.stdout, &ended.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(ended.status.success(), "{}\n{out}\n{err}", ended.status);
    assert!(out.contains("1 passed"), "{out}");
}

/// On the first device: what a call, the device's row, the model and its next load say.
fn endless(model: &Model, onnx: &[u8]) {
    let config = OpenClConfig { ceiling: Some(CEILING), ..OpenClConfig::default() };
    let fpgas = Arc::new(fpgas(&config));
    fpgas.devices.iter().skip(1).for_each(|device| drop(device.overdue()));
    let (source, manifest) = whole(model);
    let endless = "while (x[0] == 666.0f) ((volatile __global long *)label)[0] = 1;\n    int best = 0;";
    let source = source.replace("int best = 0;", endless);
    let folder = Folder::new(onnx, manifest, &compiled(&fpgas.devices[0], &source));
    let open = {
        let fpgas = Arc::clone(&fpgas);
        move || Ok(vec![Arc::clone(&fpgas) as Arc<dyn Accelerator>])
    };
    let absent = DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() };
    let devices = Devices::discover(absent).with("opencl", &[DeviceKind::Fpga], Box::new(open));
    let load = |fallback| {
        let placement = Placement { device: DeviceKind::Fpga, fallback, ..Placement::default() };
        devices.load_on(ModelSource::File(folder.graph.clone()), &placement)
    };
    let graph = load(false).unwrap();
    let call = |graph: &dyn Graph, pixel: f32, until| {
        let input = Tensor::from_f32([1, 64].as_slice(), &[pixel; 64]).unwrap();
        graph.run_until(&[NamedTensor::new("X", input)], &[0], until)
    };
    call(&*graph, 3.0, None).unwrap();

    let until = Deadline::after(Instant::now(), CEILING / 8);
    let late = call(&*graph, 666.0, Some(until)).unwrap_err();
    assert_eq!(late.kind, ErrorKind::Deadline, "{late}");
    let give_up = Instant::now() + Duration::from_secs(60);
    let lost = loop {
        if let Err(reason) = graph.health() {
            break reason;
        }
        assert!(Instant::now() < give_up, "the device is never lost");
        std::thread::yield_now();
    };
    assert!(lost.message.contains("is lost: it has not come back from a call for 2 s"), "{lost}");
    assert!(devices.loads().iter().all(|load| !load.healthy));
    assert!(
        devices.reports().iter().any(|row| !row.available && row.detail == lost.message),
        "{:?}",
        devices.reports()
    );
    assert_eq!(call(&*graph, 3.0, None).unwrap_err().kind, ErrorKind::Unavailable);

    let refused = load(false).map(drop).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unavailable);
    assert!(refused.message.contains("it has not come back"), "{refused}");
    let moved = load(true).unwrap();
    assert_eq!((moved.device(), devices.fallbacks()), (DeviceKind::Cpu, 1));
    call(&*moved, 3.0, None).unwrap();
}
