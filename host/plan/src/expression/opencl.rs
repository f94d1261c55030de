//! Elementwise kernels in OpenCL C: a work item computes a run of the innermost dimension, in a loop that compilers turn into vectors.

use std::fmt::Write;

use super::{Expression, Walk, Writer};
use crate::kernels;
use crate::launch::{Arg, Place, Work};
use crate::planner::{OpenCl, Style};
use crate::view::View;

/// Elements of a run, and work items of a group, on cores; elsewhere neighbouring items take neighbouring elements.
const RUN: u64 = 512;
const GROUP: u32 = 16;
const WIDE_GROUP: u32 = 64;

/// The work that stores an expression over `reads`, which `views` broadcast to the shape of `to`.
pub(super) fn work(
    expression: &Expression,
    reads: &[&View],
    views: &[View],
    walk: &Walk,
    to: &View,
    device: OpenCl,
) -> Result<Work, String> {
    let (run, threads) = match device.style {
        Style::Cores => (RUN, GROUP),
        Style::Groups => (1, WIDE_GROUP),
    };
    let last = walk.sizes.len() - 1;
    let parts = walk.sizes[last].div_ceil(run);
    let items = parts * walk.sizes[..last].iter().product::<u64>();
    let text = text(expression, reads, walk, to, run)?;
    let kernel = kernels::generated(crate::Dialect::OpenCl(device), "elementwise", &text);
    let mut args: Vec<Arg> = views.iter().map(|view| Arg::Place(Place::from(view))).collect();
    args.extend([
        Arg::Place(Place::from(to)),
        Arg::Words(walk.words()),
        Arg::Int(parts as i32),
        Arg::Int(items as i32),
    ]);
    let blocks = [(items as u32).div_ceil(threads), 1, 1];
    Ok(Work::Kernel { kernel, blocks, threads, shared: 0, args })
}

fn text(expression: &Expression, reads: &[&View], walk: &Walk, to: &View, run: u64) -> Result<String, String> {
    let stored =
        |dtype| kernels::name(dtype).ok_or_else(|| "strings cannot be computed with on this device".to_owned());
    let names = reads.iter().map(|view| stored(view.dtype)).collect::<Result<Vec<_>, _>>()?;
    let (rank, out) = (walk.sizes.len(), stored(to.dtype)?);
    let mut text = head(&names, out, rank);
    place(&mut text, names.len(), rank, run);
    // Steps that are known let the compiler use vectors.
    let step = |step: i64, other: String| match step {
        1 => "e".to_owned(),
        _ => format!("e * {other}"),
    };
    let same = |i: usize| walk.reads[i][rank - 1] == 0;
    for (i, name) in names.iter().enumerate().filter(|(i, _)| same(*i)) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "const {name} p{i} = x{i}[at{i}];");
    }
    text.push_str("for (int e = first; e < last; ++e) {\n");
    let element = |i: usize| {
        if same(i) {
            return format!("up_{}(p{i})", names[i]);
        }
        format!("up_{}(x{i}[at{i} + {}])", names[i], step(walk.reads[i][rank - 1], format!("s.x[{i}][{}]", rank - 1)))
    };
    let mut writer = Writer { reads, element: &element, text: &mut text, next: 0, done: Vec::new() };
    let result = writer.write(&expression.tree);
    let at = step(walk.write[rank - 1], format!("s.y[{}]", rank - 1));
    let _ = writeln!(text, "y[at_y + {at}] = down_{out}({result});\n}}\n}}");
    Ok(text)
}

/// The structure of the steps, and the function up to its places being open.
fn head(names: &[&str], out: &str, rank: usize) -> String {
    let mut text = format!(
        "typedef struct {{ int size[{rank}]; int y[{rank}]; int x[{}][{rank}]; }} JOIN(Steps_, ID);\n",
        names.len().max(1)
    );
    text.push_str("__kernel void ENTRY(elementwise)(");
    // Writing to a string cannot fail.
    names.iter().enumerate().for_each(|(i, name)| {
        let _ = write!(text, "IN({name}, x{i}), ");
    });
    let _ = writeln!(text, "OUT({out}, y), JOIN(Steps_, ID) s, int parts, int items) {{");
    names.iter().enumerate().for_each(|(i, name)| {
        let _ = write!(text, "OPEN_IN({name}, x{i}); ");
    });
    let _ = writeln!(text, "OPEN_OUT({out}, y);");
    text
}

/// Where the work item's run is: `first`, `last`, and `at` the start of the innermost dimension for each operand.
fn place(text: &mut String, reads: usize, rank: usize, run: u64) {
    // Writing to a string cannot fail.
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    let inner = rank - 1;
    line(format_args!("const int i = get_global_id(0);\nif (i >= items) return;\nint rest = i / parts, at_y = 0;"));
    line(format_args!("const int first = (i - rest * parts) * {run}, last = min(first + {run}, s.size[{inner}]);"));
    for i in 0..reads {
        line(format_args!("int at{i} = 0;"));
    }
    for d in (0..inner).rev() {
        if d == 0 {
            line(format_args!("{{ const int c = rest;"));
        } else {
            line(format_args!("{{ const int q = rest / s.size[{d}], c = rest - q * s.size[{d}]; rest = q;"));
        }
        for i in 0..reads {
            line(format_args!("at{i} += c * s.x[{i}][{d}];"));
        }
        line(format_args!("at_y += c * s.y[{d}]; }}"));
    }
}
