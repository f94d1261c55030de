//! What the graph says of batches is held against the executor: where it says that the rows of a batch stay apart, rows that
//! are run together come out as rows that are run alone.
//!
//! A wrong "yes" is a wrong answer to somebody whose call was merged with another's, so the models are made to be mistaken:
//! every case of the ONNX project with every choice of which inputs are constants ([`cases`]), and random graphs whose
//! sizes, axes and shapes come from the batch's own size ([`generated`]).

mod cases;
mod families;
mod generated;

use scorehost_core::{DType, Graph, NamedTensor, Tensor};

use crate::fixtures::floats;
use crate::random::Random;

/// What came of running rows together and in parts.
#[derive(Debug)]
enum Outcome {
    Same,
    /// The parts cannot be run, so that nothing can be compared.
    Fails,
    Differs(String),
}

/// Runs all rows of the inputs in `batch` together, then in parts; other inputs serve every run as they are.
fn compare(graph: &dyn Graph, batch: &[NamedTensor], whole: &[NamedTensor], parts: &[u64]) -> Outcome {
    let outputs: Vec<usize> = (0..graph.signature().outputs.len()).collect();
    let run = |rows: Vec<NamedTensor>| graph.run(&[rows, whole.to_vec()].concat(), &outputs);
    let (mut start, mut alone) = (0, Vec::new());
    for part in parts {
        let cut =
            |input: &NamedTensor| NamedTensor::new(input.name.clone(), input.tensor.rows(start, start + part).unwrap());
        match run(batch.iter().map(cut).collect()) {
            Ok(results) => alone.push((start, *part, results)),
            Err(_) => return Outcome::Fails,
        }
        start += part;
    }
    let together = match run(batch.to_vec()) {
        Ok(together) => together,
        Err(error) => return Outcome::Differs(format!("rows run together fail, alone they do not: {error}")),
    };
    for (start, many, results) in alone {
        for (all, own) in together.iter().zip(results) {
            let place = format!("output '{}', rows {start}..{}", all.name, start + many);
            if all.tensor.shape().first() != Some(&parts.iter().sum()) {
                return Outcome::Differs(format!("{place}: together they are {:?}", all.tensor.shape()));
            }
            if let Err(problem) = same(&all.tensor.rows(start, start + many).unwrap(), &own.tensor) {
                return Outcome::Differs(format!("{place}: {problem}"));
            }
        }
    }
    Outcome::Same
}

/// Equal but for rounding: sums may be made in another order where there are more rows.
fn same(together: &Tensor, alone: &Tensor) -> Result<(), String> {
    if (together.dtype(), together.shape()) != (alone.dtype(), alone.shape()) {
        return Err(format!("shape {:?} together, {:?} alone", together.shape(), alone.shape()));
    }
    let (Some(all), Some(own)) = (floats(together), floats(alone)) else {
        let same = together.data() == alone.data();
        return if same { Ok(()) } else { Err("other integers, truths or texts together than alone".to_owned()) };
    };
    let finite = own.iter().filter(|x| x.is_finite());
    let largest = finite.fold(0.0f64, |most, x| most.max(x.abs()));
    let step = if together.dtype() == DType::F16 { 1e-3 } else { 1e-5 };
    let close = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= step * (b.abs() + largest);
    match all.iter().zip(&own).position(|(a, b)| !close(*a, *b)) {
        None => Ok(()),
        Some(at) => Err(format!("[{at}] is {} together, {} alone", all[at], own[at])),
    }
}

/// Compares with several inputs that `make` gives; a difference counts when it shows twice, so that a rounding that turned
/// one integer into its neighbour does not.
fn check(
    graph: &dyn Graph,
    random: &mut Random,
    whole: &[NamedTensor],
    mut make: impl FnMut(&mut Random) -> (Vec<NamedTensor>, u64),
) -> Outcome {
    let (mut outcome, mut differences) = (Outcome::Fails, 0);
    for round in 0..4 {
        let (batch, rows) = make(random);
        let first = 1 + random.below(rows as usize - 1) as u64;
        let parts = if round % 2 == 0 { vec![1; rows as usize] } else { vec![first, rows - first] };
        match compare(graph, &batch, whole, &parts) {
            Outcome::Fails => {}
            Outcome::Same if matches!(outcome, Outcome::Fails) => outcome = Outcome::Same,
            Outcome::Same => {}
            Outcome::Differs(problem) => {
                differences += 1;
                outcome = Outcome::Differs(problem);
                if differences == 2 {
                    return outcome;
                }
            }
        }
    }
    match outcome {
        Outcome::Differs(_) => Outcome::Same,
        other => other,
    }
}

/// Fills one row of the floats with what is no number, or too large for one.
fn spoil(random: &mut Random, tensor: &Tensor) -> Tensor {
    let rows = tensor.shape()[0] as usize;
    if tensor.dtype() != DType::F32 || rows == 0 {
        return tensor.clone();
    }
    let mut data = tensor.data().to_vec();
    let width = data.len() / rows;
    let row = random.below(rows) * width;
    let value = *random.choose(&[f32::NAN, f32::INFINITY, -1e30, 1e4]);
    data[row..row + width].as_chunks_mut::<4>().0.iter_mut().for_each(|bytes| *bytes = value.to_le_bytes());
    Tensor::new(DType::F32, tensor.shape(), data.into()).unwrap()
}
