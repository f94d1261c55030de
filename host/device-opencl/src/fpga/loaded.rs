//! A program's kernels on a device, checked against what the manifest says of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use scorehost_core::DType;
use scorehost_graph::ValueId;

use super::FpgaError;
use super::claim::{Claim, Facts};
use super::files::Files;
use super::manifest::{Argument, KernelSpec, Number, Size};
use crate::OpenClError;
use crate::driver::{Buffer, Device, Kernel, Program, Queue};

/// Kernels and constants on a device.
pub(super) struct Loaded {
    /// By the kernel's place in the manifest.
    pub(super) kernels: Vec<Kernel>,
    pub(super) constants: BTreeMap<ValueId, Buffer>,
}

impl Loaded {
    /// Loads the program and copies the constants that its kernels take.
    pub(super) fn new(
        device: &Arc<Device>,
        files: &Files,
        facts: &Facts<'_>,
        claims: &[Claim],
    ) -> Result<Self, FpgaError> {
        let manifest = &files.manifest;
        let binary = |problem: String| FpgaError::File { file: manifest.binary.clone(), problem };
        let program = Program::from_binary(device, &files.binary).map_err(|error| match error {
            OpenClError::Binary { device, reason } => {
                binary(format!("is no program for the device '{device}', which says: {reason}"))
            }
            error => error.into(),
        })?;
        let loaded = manifest.kernels.iter().map(|spec| kernel(device, &program, spec, files));
        let kernels = loaded.collect::<Result<_, _>>()?;
        Ok(Self { kernels, constants: constants(device, files, facts, claims)? })
    }

    /// Bytes of the constants.
    pub(super) fn bytes(&self) -> u64 {
        self.constants.values().map(Buffer::bytes).sum()
    }
}

fn kernel(device: &Device, program: &Program, spec: &KernelSpec, files: &Files) -> Result<Kernel, FpgaError> {
    let refused =
        |file: &str, problem: String| FpgaError::Kernel { file: file.to_owned(), kernel: spec.name.clone(), problem };
    let kernel = program.kernel(&spec.name).map_err(|error| match error {
        OpenClError::NoKernel { .. } => {
            refused(&files.manifest.binary, "the program has no function of this name".to_owned())
        }
        error => error.into(),
    })?;
    let (has, given) = (kernel.parameters() as usize, spec.arguments.len());
    if has != given {
        let problem = format!("lists {given} arguments, the program's function has {has}");
        return Err(refused(&files.file, problem));
    }
    for (index, argument) in spec.arguments.iter().enumerate() {
        let Some(parameter) = kernel.parameter(index as u32) else { continue };
        let expected = c_type(argument);
        if !is(&parameter.type_name, expected) {
            let problem = format!(
                "argument {index} is {} in the manifest, and '{}' is {} in the program",
                described(argument),
                parameter.name,
                parameter.type_name
            );
            return Err(refused(&files.file, problem));
        }
    }
    groups(device, spec).map_err(|problem| refused(&files.file, problem))?;
    Ok(kernel)
}

/// Whether the device can run the work items in such groups.
fn groups(device: &Device, spec: &KernelSpec) -> Result<(), String> {
    let Some(group) = spec.group else { return Ok(()) };
    let items: u64 = group.iter().map(|size| *size as u64).product();
    if items > device.info.group_items {
        return Err(format!("its group has {items} work items, the device allows {}", device.info.group_items));
    }
    let sizes = if spec.batch.is_empty() { &[0][..] } else { &spec.batch };
    for (size, group) in spec.items.iter().zip(group) {
        if let Some(rows) = sizes.iter().find(|rows| size.of(**rows) % group as u64 != 0) {
            return Err(format!("{} work items are no multiple of the group's {group}", size.of(*rows)));
        }
        if *size == Size::Batch && spec.batch.is_empty() {
            return Err("has \"batch\" work items and no shape with \"batch\" in it".to_owned());
        }
    }
    Ok(())
}

/// An argument's type in a program, without the pointer.
const fn c_type(argument: &Argument) -> &'static [&'static str] {
    let Some(layout) = argument.layout() else {
        return match argument {
            Argument::Int(_) | Argument::Rows(Number::Int) => &["int", "uint"],
            Argument::Float(_) => &["float"],
            _ => &["long", "ulong", "size_t"],
        };
    };
    match layout.dtype {
        DType::Bool => &["char*", "uchar*", "bool*"],
        DType::U8 => &["uchar*"],
        DType::I8 => &["char*"],
        DType::U16 | DType::BF16 => &["ushort*"],
        DType::I16 => &["short*"],
        DType::U32 => &["uint*"],
        DType::I32 => &["int*"],
        DType::U64 => &["ulong*"],
        DType::I64 => &["long*"],
        DType::F16 => &["half*", "ushort*"],
        DType::F32 => &["float*"],
        DType::F64 => &["double*"],
        DType::Bytes => &[],
    }
}

/// Whether a program's type is one of those expected. Types that the program made itself, and pointers to anything, are taken at
/// the manifest's word; so are vectors of the right element.
fn is(type_name: &str, expected: &[&str]) -> bool {
    const KNOWN: [&str; 13] = [
        "char", "uchar", "bool", "short", "ushort", "int", "uint", "long", "ulong", "half", "float", "double", "size_t",
    ];
    let plain = type_name.replace("unsigned ", "u").replace(' ', "");
    let pointer = plain.ends_with('*');
    let element = plain.trim_end_matches('*').trim_end_matches(|digit: char| digit.is_ascii_digit());
    let wants_pointer = expected.iter().any(|name| name.ends_with('*'));
    if !KNOWN.contains(&element) {
        return pointer == wants_pointer;
    }
    let whole = if pointer { format!("{element}*") } else { element.to_owned() };
    expected.contains(&whole.as_str())
}

fn described(argument: &Argument) -> String {
    match argument {
        Argument::Input(_, layout) => format!("an input of {}", layout.dtype),
        Argument::Output(_, layout) => format!("an output of {}", layout.dtype),
        Argument::Constant(_, layout) => format!("a constant of {}", layout.dtype),
        Argument::Int(_) | Argument::Rows(Number::Int) => "a number of INT32".to_owned(),
        Argument::Float(_) => "a number of FP32".to_owned(),
        Argument::Long(_) | Argument::Rows(Number::Long) => "a number of INT64".to_owned(),
    }
}

fn constants(
    device: &Arc<Device>,
    files: &Files,
    facts: &Facts<'_>,
    claims: &[Claim],
) -> Result<BTreeMap<ValueId, Buffer>, FpgaError> {
    let mut constants = BTreeMap::new();
    let mut queue = None;
    for claim in claims {
        let arguments = &files.manifest.kernels[claim.kernel].arguments;
        for value in arguments.iter().zip(&claim.values).filter_map(|(_, value)| *value) {
            if !facts.is_constant(value) || constants.contains_key(&value) {
                continue;
            }
            let tensor = facts.constant(value)?;
            let buffer = Buffer::new(device, tensor.data().len() as u64)?;
            let queue = match &mut queue {
                Some(queue) => queue,
                none => none.insert(Queue::new(device, false)?),
            };
            queue.run(None, |batch| batch.write(&buffer, 0, tensor.data()))?;
            constants.insert(value, buffer);
        }
    }
    Ok(constants)
}

#[cfg(test)]
mod tests {
    use super::is;

    #[test]
    fn types_of_a_program_are_compared_where_they_are_known() {
        for (type_name, expected, fits) in [
            ("float*", "float*", true),
            ("float16*", "float*", true),
            ("unsigned int", "uint", true),
            ("int", "uint", false),
            ("float", "float*", false),
            ("double*", "float*", false),
            ("void*", "float*", true),
            ("struct weights*", "float*", true),
            ("struct weights", "float*", false),
        ] {
            assert_eq!(is(type_name, &[expected]), fits, "{type_name} for {expected}");
        }
    }
}
