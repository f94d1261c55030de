//! Compiles an OpenCL C file with the compiler of a device that has one (PoCL, Intel's FPGA emulator), writes the device's own form of the
//! program, and puts its digest into a manifest: for writing and trying kernels without a vendor's tools.
//!
//! `cargo run --release -p scorehost-device-opencl --example make_binary -- SOURCE.cl BINARY [MANIFEST.fpga.json] [--device PART-OF-NAME]`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the command line")]

use std::error::Error;
use std::process::ExitCode;
use std::{env, fs};

use scorehost_device_opencl::{OpenCl, OpenClConfig};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Lets loading check the types of arguments.
const OPTIONS: &str = "-cl-kernel-arg-info";

fn main() -> ExitCode {
    match make() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    let mut device = String::new();
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--device" {
            device = words.next().ok_or("--device needs a part of a device's name")?;
        } else {
            files.push(word);
        }
    }
    let (source, binary) = match &files[..] {
        [source, binary] | [source, binary, _] => (source, binary),
        _ => return Err("usage: make_binary SOURCE.cl BINARY [MANIFEST.fpga.json] [--device PART-OF-NAME]".into()),
    };
    let text = fs::read_to_string(source).map_err(|error| format!("{source}: {error}"))?;
    let opencl = OpenCl::discover(&OpenClConfig::default())?;
    let program = opencl.compile(&device, &text, OPTIONS)?;
    fs::write(binary, &program)?;
    let sha256: String = Sha256::digest(&program).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("{binary}: {} bytes, SHA-256 {sha256}", program.len());
    if let Some(manifest) = files.get(2) {
        let mut value: Value = serde_json::from_str(&fs::read_to_string(manifest)?)?;
        value["sha256"] = Value::from(sha256);
        fs::write(manifest, format!("{value:#}\n"))?;
        println!("{manifest}: has the digest");
    }
    Ok(())
}
