#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests, which say why they skip")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use scorehost_core::{DType, Shape, Tensor};
use scorehost_graph::{Model, NoFold};

use super::constants::{Constants, Form};
use super::launch::{Arg, Cost, Kernel, Launch, Place, Work};
use super::view::{Base, View, channels_last, dense, elements};
use super::{Dialect, OpenCl, Plan, PlanError, Planner, Style, Target, arena, kernels};
use scorehost_core::Precision;

/// Element numbers that a view walks, row-major.
fn walked(view: &View) -> Vec<i64> {
    let count = elements(&view.shape);
    (0..count)
        .map(|index| {
            let (mut rest, mut at) = (index, view.start);
            for d in (0..view.shape.len()).rev() {
                at += (rest % view.shape[d]) as i64 * view.steps[d];
                rest /= view.shape[d];
            }
            at
        })
        .collect()
}

fn view(shape: &[u64]) -> View {
    View::new(Base::Buffer(0), DType::F32, shape.to_vec())
}

#[test]
fn views_move_nothing_and_keep_the_order_of_elements() {
    let x = view(&[2, 3, 4]);
    assert_eq!(
        walked(&x.permuted(&[1, 0, 2])),
        [0, 1, 2, 3, 12, 13, 14, 15, 4, 5, 6, 7, 16, 17, 18, 19, 8, 9, 10, 11, 20, 21, 22, 23]
    );
    assert_eq!(walked(&x.sliced(2, 3, 2, -2)), [3, 1, 7, 5, 11, 9, 15, 13, 19, 17, 23, 21]);
    assert_eq!(walked(&view(&[3]).expanded(&[2, 3]).unwrap()), [0, 1, 2, 0, 1, 2]);
    assert!(view(&[3]).expanded(&[2, 4]).is_none());
    assert!(view(&[2, 2]).expanded(&[2]).is_none());
}

#[test]
fn reshaping_a_view_gives_the_same_elements_or_refuses() {
    let cases: [(View, &[u64]); 8] = [
        (view(&[2, 6]), &[3, 4]),
        (view(&[4, 6]).permuted(&[1, 0]), &[6, 2, 2]),
        (view(&[4, 6]).permuted(&[1, 0]), &[24]),
        (view(&[2, 5, 6]).permuted(&[0, 2, 1]), &[2, 3, 2, 5]),
        (view(&[2, 5, 6]).permuted(&[0, 2, 1]), &[2, 1, 6, 5]),
        (view(&[8, 12]).sliced(1, 0, 6, 1), &[2, 4, 6]),
        (view(&[8, 12]).sliced(1, 0, 6, 1), &[48]),
        (view(&[1, 7]).expanded(&[3, 7]).unwrap(), &[3, 7, 1]),
    ];
    let fits: Vec<bool> = cases
        .iter()
        .map(|(view, shape)| {
            let reshaped = view.reshaped(shape);
            if let Some(reshaped) = &reshaped {
                assert_eq!(walked(reshaped), walked(view), "{view:?} as {shape:?}");
            }
            reshaped.is_some()
        })
        .collect();
    assert_eq!(fits, [true, true, false, true, true, true, false, true]);
}

#[test]
fn channels_last_is_told_from_row_major() {
    let mut image = view(&[2, 3, 4, 5]);
    assert!(image.is_dense() && !image.is_channels_last());
    image.steps = channels_last(&image.shape);
    assert!(image.is_channels_last() && !image.is_dense());
    assert_eq!(image.steps, [60, 1, 15, 3]);
    let flat = view(&[2, 3, 1, 1]);
    assert!(flat.is_channels_last() && flat.is_dense());
}

#[test]
fn constants_are_laid_out_once_for_each_form() {
    let weights = Tensor::from_f32([2u64, 3, 1, 2].as_slice(), &(0..12).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let mut constants = Constants::default();
    let plain = constants.get(&weights, DType::F32, Form::Plain).unwrap();
    let last = constants.get(&weights, DType::F16, Form::ChannelsLast { padded: 4 }).unwrap();
    assert_eq!(constants.get(&weights, DType::F32, Form::Plain).unwrap(), plain);
    assert_ne!(plain, last);
    let halves: Vec<f32> =
        constants.pending[last].1.as_chunks().0.iter().map(|bytes| half::f16::from_le_bytes(*bytes).to_f32()).collect();
    assert_eq!(halves, [0., 2., 4., 0., 1., 3., 5., 0., 6., 8., 10., 0., 7., 9., 11., 0.]);
    let numbers = Tensor::new(DType::I64, [1u64].as_slice(), vec![0; 8].into()).unwrap();
    assert!(constants.get(&numbers, DType::F16, Form::Plain).is_err());
}

#[test]
fn the_lowest_number_of_a_mask_stays_finite_in_a_narrow_type() {
    let mask = Tensor::from_f32([3u64].as_slice(), &[f32::MIN, f32::NEG_INFINITY, 1.0]).unwrap();
    let mut constants = Constants::default();
    let id = constants.get(&mask, DType::BF16, Form::Plain).unwrap();
    let stored: Vec<f32> =
        constants.pending[id].1.as_chunks().0.iter().map(|bytes| half::bf16::from_le_bytes(*bytes).to_f32()).collect();
    assert!(
        stored[0].is_finite() && stored[0] < -1e38 && stored[1] == f32::NEG_INFINITY && stored[2] == 1.0,
        "{stored:?}"
    );
}

fn touching(buffers: &[usize]) -> Launch {
    let args = buffers.iter().map(|id| Arg::Place(Place { base: Base::Buffer(*id), offset: 0 })).collect();
    let kernel = Kernel { source: Arc::from(""), entry: "none" };
    let work = Work::Kernel { kernel, blocks: [1; 3], threads: 1, shared: 0, args };
    Launch { node: Arc::from("n"), work, cost: Cost::default() }
}

#[test]
fn buffers_share_bytes_only_when_never_alive_together() {
    // A chain 0 → 1 → 2 → 3 with 0 pinned: 1 and 3 may share, 0 may not.
    let launches = [touching(&[0, 1]), touching(&[1, 2]), touching(&[2, 3])];
    let (offsets, total) = arena::place(&[100, 1000, 300, 900], &launches, &[true, false, false, false]);
    assert_eq!(offsets[1], offsets[3]);
    assert_eq!(total, 256 + 1024 + 512);
    let mut seed = 3u64;
    let mut random = |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % bound
    };
    for _ in 0..50 {
        let sizes: Vec<u64> = (0..20).map(|_| random(5000)).collect();
        let launches: Vec<Launch> = (0..30).map(|_| touching(&[random(20) as usize, random(20) as usize])).collect();
        let (offsets, total) = arena::place(&sizes, &launches, &[false; 20]);
        let span = |id: usize| {
            let times =
                launches.iter().enumerate().filter(|(_, launch)| launch.buffers().contains(&id)).map(|(time, _)| time);
            times.clone().min().zip(times.max())
        };
        for a in 0..20 {
            for b in 0..a {
                let (Some(one), Some(two)) = (span(a), span(b)) else { continue };
                let together = one.0 <= two.1 && two.0 <= one.1 && sizes[a] > 0 && sizes[b] > 0;
                let apart = offsets[a] + sizes[a] <= offsets[b] || offsets[b] + sizes[b] <= offsets[a];
                assert!(!together || apart, "{a} and {b} overlap");
            }
            assert!(span(a).is_none() || offsets[a] + sizes[a] <= total && offsets[a] % arena::ALIGN == 0);
        }
    }
}

const PRECISIONS: [Precision; 4] = [Precision::F32, Precision::Tf32, Precision::F16, Precision::BF16];

fn model(name: &str) -> Option<Model> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.models").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(Model::read(bytes.into(), None).unwrap()),
        Err(_) if std::env::var_os("REQUIRE_MODELS").is_some() => panic!("{} is missing", path.display()),
        Err(_) => {
            eprintln!("skipped: {} is missing", path.display());
            None
        }
    }
}

fn planned(model: &Model, shapes: &[&[u64]], capability: u32, precision: Precision) -> Result<Plan, PlanError> {
    let dialect = Dialect::Cuda { capability, multiprocessors: 132 };
    planned_for(model, shapes, Target { dialect, precision })
}

fn planned_for(model: &Model, shapes: &[&[u64]], target: Target) -> Result<Plan, PlanError> {
    let shapes: Vec<Shape> = shapes.iter().map(|shape| Shape::from_slice(shape)).collect();
    let options = scorehost_graph::Options { fold: &NoFold, supports: &super::supports };
    let graph = model.graph()?.optimised(&options)?;
    Planner::plan(&graph, &shapes, &NoFold, target, &mut Constants::default())
}

/// A model's file, its inputs' shapes for one batch, and its outputs' shape.
type Network = (&'static str, fn(u64) -> Vec<Vec<u64>>, fn(u64) -> Vec<u64>);

/// Models with their inputs' shapes for one batch, and their outputs' shape.
const MODELS: [Network; 4] = [
    ("resnet50.onnx", |n| vec![vec![n, 3, 224, 224]], |n| vec![n, 1000]),
    ("mobilenetv2.onnx", |n| vec![vec![n, 3, 224, 224]], |n| vec![n, 1000]),
    ("minilm.onnx", |n| vec![vec![n, 21]; 3], |n| vec![n, 21, 384]),
    ("ppocr_rec.onnx", |n| vec![vec![n, 3, 48, 320]], |n| vec![n, 40, 6625]),
];

#[test]
fn whole_models_are_planned_for_every_precision_and_batch() {
    for (name, inputs, output) in MODELS {
        let Some(model) = model(name) else { continue };
        for precision in PRECISIONS {
            for batch in [1, 5] {
                let shapes = inputs(batch);
                let shapes: Vec<&[u64]> = shapes.iter().map(Vec::as_slice).collect();
                let plan = planned(&model, &shapes, 90, precision).unwrap();
                assert_eq!(plan.outputs[0].shape.to_vec(), output(batch), "{name}");
                let naive: u64 = plan.arena_bytes;
                assert!(naive > 0 && plan.cost().operations > 0, "{name}");
                let last = plan.outputs[0].offset + plan.outputs[0].bytes;
                assert!(last <= plan.arena_bytes, "{name}");
            }
        }
    }
}

#[test]
fn a_wrong_input_shape_names_the_node_that_cannot_run() {
    let Some(model) = model("resnet50.onnx") else { return };
    let error = planned(&model, &[&[1, 4, 224, 224]], 90, Precision::F32).unwrap_err();
    assert!(matches!(&error, PlanError::Node { .. }), "{error}");
    assert!(error.to_string().contains("4 channels"), "{error}");
}

#[test]
fn steps_of_an_empty_shape_are_none() {
    assert!(dense(&[]).is_empty());
}

#[test]
fn opencl_plans_multiply_by_themselves_and_name_each_kernel_once() {
    for (name, inputs, output) in MODELS {
        let Some(model) = model(name) else { continue };
        for (style, lanes) in [(Style::Cores, 8), (Style::Cores, 16), (Style::Groups, 4)] {
            let shapes = inputs(3);
            let shapes: Vec<&[u64]> = shapes.iter().map(Vec::as_slice).collect();
            let dialect = Dialect::OpenCl(OpenCl { style, lanes, units: 2 });
            let plan = planned_for(&model, &shapes, Target { dialect, precision: Precision::F32 }).unwrap();
            assert_eq!(plan.outputs[0].shape.to_vec(), output(3), "{name}");
            let kernel = |launch: &Launch| match &launch.work {
                Work::Kernel { kernel, .. } => Some(kernel.clone()),
                Work::Gemm(_) => panic!("{name}: {} asks for a library", launch.node),
                Work::Zero { .. } => None,
            };
            let all: BTreeSet<Kernel> = plan.launches.iter().filter_map(kernel).collect();
            let (text, names) = kernels::program(&all.iter().collect::<Vec<_>>());
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), all.len(), "{name}");
            for kernel in &all {
                let function = format!("ENTRY({})(", kernel.entry);
                assert!(kernel.source.contains(&function) && text.contains(&*kernel.source), "{name} {}", kernel.entry);
            }
        }
    }
}

#[test]
fn panels_hold_the_columns_of_a_matrix_and_zeros() {
    let numbers: Vec<f32> = (0..6u8).map(f32::from).collect();
    let mut constants = Constants::default();
    let laid = |constants: &mut Constants, shape: &[u64], form| -> Vec<f32> {
        let tensor = Tensor::from_f32(shape, &numbers).unwrap();
        constants.get(&tensor, DType::F32, form).unwrap();
        let (_, bytes) = constants.pending.pop().unwrap();
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    let plain = laid(&mut constants, &[2, 3], Form::Panels { width: 2, turned: false });
    assert_eq!(plain, [0.0, 1.0, 3.0, 4.0, 2.0, 0.0, 5.0, 0.0]);
    let turned = laid(&mut constants, &[3, 2], Form::Panels { width: 2, turned: true });
    assert_eq!(turned, [0.0, 2.0, 1.0, 3.0, 4.0, 0.0, 5.0, 0.0]);
    // One output channel, two input channels, three positions; and as two groups of one channel each.
    let one = laid(&mut constants, &[1, 2, 1, 3], Form::ConvolutionPanels { width: 2, groups: 1 });
    assert_eq!(one, [0.0, 0.0, 3.0, 0.0, 1.0, 0.0, 4.0, 0.0, 2.0, 0.0, 5.0, 0.0]);
    let two = laid(&mut constants, &[2, 1, 1, 3], Form::ConvolutionPanels { width: 2, groups: 2 });
    assert_eq!(two, [0.0, 0.0, 1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 5.0, 0.0]);
}
