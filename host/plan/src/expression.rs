//! Elementwise expressions and the kernels made of them.

mod opencl;

use std::fmt::Write;
use std::rc::Rc;

use scorehost_core::DType;

use super::launch::{Arg, Cost, Kernel, Place, Work, words};
use super::view::{Base, View, elements};
use crate::{Dialect, kernels};

/// Views that one kernel reads at most, and operations it does at most.
const MAX_READS: usize = 10;
const MAX_CALLS: usize = 48;
/// Threads of a block.
pub(crate) const THREADS: u32 = 256;

/// A tree of elementwise operations over views.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    /// The declared dtype of the result.
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<u64>,
    pub(crate) tree: Rc<Tree>,
}

/// A node of an expression.
#[derive(Debug)]
pub(crate) enum Tree {
    /// An element of a view, which is broadcast to the expression's shape.
    Read(View),
    /// C text in which `$0`, `$1`, … stand for the arguments.
    Call { text: String, dtype: DType, arguments: Vec<Rc<Tree>> },
}

impl Tree {
    fn visit<'a>(&'a self, reads: &mut Vec<&'a View>, calls: &mut usize) {
        match self {
            Self::Read(view) => {
                if !reads.contains(&view) {
                    reads.push(view);
                }
            }
            Self::Call { arguments, .. } => {
                *calls += 1;
                arguments.iter().for_each(|argument| argument.visit(reads, calls));
            }
        }
    }
}

impl Expression {
    /// Whether it still fits one kernel.
    pub(crate) fn fits(&self) -> bool {
        let (mut reads, mut calls) = (Vec::new(), 0);
        self.tree.visit(&mut reads, &mut calls);
        reads.len() <= MAX_READS && calls <= MAX_CALLS
    }

    /// The first view of the full shape, whose order of dimensions the result takes.
    pub(crate) fn model(&self) -> Option<View> {
        let (mut reads, mut calls) = (Vec::new(), 0);
        self.tree.visit(&mut reads, &mut calls);
        let full = reads.iter().filter(|view| view.shape == self.shape);
        full.clone()
            .find(|view| view.is_channels_last() && !view.is_dense())
            .or_else(|| full.clone().next())
            .map(|view| (*view).clone())
    }

    /// The work that writes the expression to `to`, a view of the expression's shape.
    pub(crate) fn store(&self, to: &View, dialect: Dialect) -> Result<(Work, Cost), String> {
        let (mut reads, mut calls) = (Vec::new(), 0);
        self.tree.visit(&mut reads, &mut calls);
        let views: Vec<View> = reads
            .iter()
            .map(|view| {
                view.expanded(&self.shape)
                    .ok_or_else(|| format!("{:?} does not broadcast to {:?}", view.shape, self.shape))
            })
            .collect::<Result<_, _>>()?;
        let walk = Walk::over(&views, to);
        let count = elements(&to.shape);
        if count > i32::MAX as u64 {
            return Err(format!("{count} elements are more than this device's kernels index"));
        }
        let read: u64 = reads.iter().map(|view| view.elements() * view.dtype.size().unwrap_or(1) as u64).sum();
        let cost = Cost { bytes: read + count * to.dtype.size().unwrap_or(1) as u64, operations: count * calls as u64 };
        if let Some(device) = dialect.opencl() {
            return Ok((opencl::work(self, &reads, &views, &walk, to, device)?, cost));
        }
        let kernel = self.kernel(&reads, &walk, to, dialect)?;
        let mut args: Vec<Arg> = views.iter().map(|view| Arg::Place(Place::from(view))).collect();
        args.push(Arg::Place(Place::from(to)));
        args.push(Arg::Words(walk.words()));
        let packs = count / walk.pack;
        args.push(Arg::Int(packs as i32));
        let blocks = [(packs as u32).div_ceil(THREADS), 1, 1];
        Ok((Work::Kernel { kernel, blocks, threads: THREADS, shared: 0, args }, cost))
    }

    fn kernel(&self, reads: &[&View], walk: &Walk, to: &View, dialect: Dialect) -> Result<Kernel, String> {
        let stored =
            |dtype| kernels::name(dtype).ok_or_else(|| "strings cannot be computed with on this device".to_owned());
        let (rank, pack, out) = (walk.sizes.len(), walk.pack, stored(to.dtype)?);
        let mut text = String::new();
        let line = |text: &mut String, line: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        line(&mut text, format_args!("template <class T> struct alignas(sizeof(T) * {pack}) Pack {{ T v[{pack}]; }};"));
        line(
            &mut text,
            format_args!("struct Steps {{ int size[{rank}]; int y[{rank}]; int x[{}][{rank}]; }};", reads.len().max(1)),
        );
        line(&mut text, format_args!("extern \"C\" __global__ void elementwise("));
        for (i, view) in reads.iter().enumerate() {
            line(&mut text, format_args!("const {}* __restrict__ x{i},", stored(view.dtype)?));
        }
        line(&mut text, format_args!("{out}* __restrict__ y, Steps s, int packs) {{"));
        line(
            &mut text,
            format_args!(
                "int i = blockIdx.x * blockDim.x + threadIdx.x;\nif (i >= packs) return;\nint rest = i * {pack}, at_y = 0;"
            ),
        );
        for i in 0..reads.len() {
            line(&mut text, format_args!("int at{i} = 0;"));
        }
        for d in (0..rank).rev() {
            if d == 0 {
                line(&mut text, format_args!("{{ const int c = rest;"));
            } else {
                line(
                    &mut text,
                    format_args!("{{ const int q = rest / s.size[{d}], c = rest - q * s.size[{d}]; rest = q;"),
                );
            }
            for i in 0..reads.len() {
                line(&mut text, format_args!("at{i} += c * s.x[{i}][{d}];"));
            }
            line(&mut text, format_args!("at_y += c * s.y[{d}]; }}"));
        }
        for (i, (view, access)) in reads.iter().zip(&walk.access).enumerate() {
            let name = stored(view.dtype)?;
            match access {
                Access::Pack => {
                    line(&mut text, format_args!("const Pack<{name}> p{i} = *(const Pack<{name}>*)(x{i} + at{i});"))
                }
                Access::Same => line(&mut text, format_args!("const {name} p{i} = x{i}[at{i}];")),
                Access::Each => {}
            }
        }
        line(&mut text, format_args!("Pack<{out}> r;\n#pragma unroll\nfor (int e = 0; e < {pack}; ++e) {{"));
        let element = |i: usize| match walk.access[i] {
            Access::Pack => format!("up(p{i}.v[e])"),
            Access::Same => format!("up(p{i})"),
            Access::Each => format!("up(x{i}[at{i} + e * s.x[{i}][{}]])", rank - 1),
        };
        let mut writer = Writer { reads, element: &element, text: &mut text, next: 0, done: Vec::new() };
        let result = writer.write(&self.tree);
        line(&mut text, format_args!("r.v[e] = Down<{out}>::of({result});\n}}"));
        if pack > 1 {
            line(&mut text, format_args!("*(Pack<{out}>*)(y + at_y) = r;\n}}"));
        } else {
            line(&mut text, format_args!("y[at_y] = r.v[0];\n}}"));
        }
        Ok(kernels::generated(dialect, "elementwise", &text))
    }
}

struct Writer<'a> {
    reads: &'a [&'a View],
    /// Text of an element of a view, by the view's number.
    element: &'a dyn Fn(usize) -> String,
    text: &'a mut String,
    next: usize,
    done: Vec<(*const Tree, String)>,
}

impl Writer<'_> {
    fn write(&mut self, tree: &Rc<Tree>) -> String {
        let key = Rc::as_ptr(tree);
        if let Some((_, name)) = self.done.iter().find(|(done, _)| *done == key) {
            return name.clone();
        }
        let name = match &**tree {
            Tree::Read(view) => {
                let i = self.reads.iter().position(|read| *read == view).unwrap_or(0);
                (self.element)(i)
            }
            Tree::Call { text, dtype, arguments } => {
                let arguments: Vec<String> = arguments.iter().map(|argument| self.write(argument)).collect();
                let mut call = text.clone();
                for (i, argument) in arguments.iter().enumerate().rev() {
                    call = call.replace(&format!("${i}"), argument);
                }
                let name = format!("v{}", self.next);
                self.next += 1;
                // Writing to a string cannot fail.
                let _ = writeln!(self.text, "const {} {name} = {call};", kernels::wide(*dtype));
                name
            }
        };
        self.done.push((key, name.clone()));
        name
    }
}

/// How a thread reads an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// All its elements at once.
    Pack,
    /// One element for all.
    Same,
    /// One after the other.
    Each,
}

/// Dimensions in the order of the result's memory, those that all operands step through alike merged.
struct Walk {
    sizes: Vec<u64>,
    reads: Vec<Vec<i64>>,
    write: Vec<i64>,
    /// Elements of a thread.
    pack: u64,
    access: Vec<Access>,
}

impl Walk {
    fn over(views: &[View], to: &View) -> Self {
        let mut order: Vec<usize> = (0..to.shape.len()).filter(|d| to.shape[*d] != 1).collect();
        order.sort_by_key(|d| std::cmp::Reverse(to.steps[*d].abs()));
        let mut walk = Self {
            sizes: Vec::new(),
            reads: vec![Vec::new(); views.len()],
            write: Vec::new(),
            pack: 1,
            access: vec![Access::Each; views.len()],
        };
        for d in order {
            walk.push(to.shape[d], views.iter().map(|view| view.steps[d]).collect(), to.steps[d]);
        }
        if walk.sizes.is_empty() {
            walk.push(1, vec![0; views.len()], 1);
        }
        walk.choose(views, to);
        walk
    }

    fn push(&mut self, size: u64, reads: Vec<i64>, write: i64) {
        let inner = size as i64;
        let merges = |outer: Option<&i64>, step: i64| outer.is_some_and(|outer| *outer == step * inner);
        let all = self.reads.iter().zip(&reads).all(|(steps, step)| merges(steps.last(), *step));
        if let Some(last) = self.sizes.last_mut()
            && all
            && merges(self.write.last(), write)
        {
            *last *= size;
            self.write.pop();
            for steps in &mut self.reads {
                steps.pop();
            }
        } else {
            self.sizes.push(size);
        }
        self.write.push(write);
        self.reads.iter_mut().zip(reads).for_each(|(steps, step)| steps.push(step));
    }

    fn choose(&mut self, views: &[View], to: &View) {
        let last = self.sizes.len() - 1;
        let aligned = |steps: &[i64], start: i64, pack: i64| {
            steps[last] == 1 && start % pack == 0 && steps[..last].iter().all(|step| step % pack == 0)
        };
        // A constant in full among narrow values is read in two accesses rather than that all read less at a time.
        let full = |view: &&View| {
            matches!(view.base, Base::Weight(_))
                && view.dtype == DType::F32
                && matches!(to.dtype, DType::F16 | DType::BF16)
        };
        let widest = views
            .iter()
            .filter(|view| !full(view))
            .map(|view| view.dtype.size().unwrap_or(1))
            .chain([to.dtype.size().unwrap_or(1)])
            .max()
            .unwrap_or(1);
        let fits = |pack: &u64| {
            self.sizes[last].is_multiple_of(*pack)
                && *pack as usize * widest <= 16
                && aligned(&self.write, to.start, *pack as i64)
        };
        self.pack = [8, 4, 2].into_iter().find(fits).unwrap_or(1);
        for ((access, steps), view) in self.access.iter_mut().zip(&self.reads).zip(views) {
            *access = match steps[last] {
                0 => Access::Same,
                1 if aligned(steps, view.start, self.pack as i64) => Access::Pack,
                _ => Access::Each,
            };
        }
    }

    fn words(&self) -> Vec<u32> {
        let mut all = words(self.sizes.iter().map(|size| *size as i64));
        all.extend(words(self.write.iter().copied()));
        for steps in &self.reads {
            all.extend(words(steps.iter().copied()));
        }
        if self.reads.is_empty() {
            all.extend(words(vec![0; self.sizes.len()]));
        }
        all
    }
}
