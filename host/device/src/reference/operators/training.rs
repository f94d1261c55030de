//! Steps of optimisers (`ai.onnx.preview.training`): inputs are the rate, the number of the step, then all tensors to
//! optimise, their gradients, and the state of each.

use super::numeric::{doubles, of_doubles, scalar};
use super::{Arguments, Attributes, Kernel, Results, Table};

const DOMAIN: &str = "ai.onnx.preview.training";

pub(super) const OPERATORS: Table =
    &[(DOMAIN, "Adagrad", adagrad), (DOMAIN, "Adam", adam), (DOMAIN, "Momentum", momentum)];

/// Applies `f` to each element with its gradient and `states` numbers of state; it changes all but the gradient.
fn optimise(inputs: &Arguments<'_>, states: usize, f: impl Fn(&mut [f64], f64)) -> Results {
    let all = inputs.all()?;
    let tensors = all.get(2..).unwrap_or_default();
    let many = tensors.len() / (states + 2);
    if many == 0 || many * (states + 2) != tensors.len() {
        return Err(format!("{} tensors, expected {} for each to optimise", tensors.len(), states + 2));
    }
    let mut results = vec![Vec::new(); states + 1];
    for index in 0..many {
        let (x, gradient) = (tensors[index], doubles(tensors[many + index])?);
        let mut columns = vec![doubles(x)?];
        for state in 0..states {
            columns.push(doubles(tensors[(2 + state) * many + index])?);
        }
        if columns.iter().any(|column| column.len() != gradient.len()) {
            return Err(format!("a tensor of shape {:?} has a gradient or state of another", x.shape));
        }
        for (place, gradient) in gradient.into_iter().enumerate() {
            let mut row: Vec<f64> = columns.iter().map(|column| column[place]).collect();
            f(&mut row, gradient);
            columns.iter_mut().zip(row).for_each(|(column, value)| column[place] = value);
        }
        for (result, column) in results.iter_mut().zip(columns) {
            result.push(of_doubles(x.elements.dtype(), x.shape.clone(), column)?);
        }
    }
    Ok(results.concat())
}

fn float(attributes: &Attributes<'_>, name: &str, default: f32) -> Result<f64, String> {
    attributes.float(name, default).map(f64::from)
}

fn adagrad(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (decay, epsilon) = (float(attributes, "decay_factor", 0.0)?, float(attributes, "epsilon", 1e-6)?);
    let norm = float(attributes, "norm_coefficient", 0.0)?;
    Ok(Box::new(move |inputs| {
        let rate = scalar(inputs.get(0)?)? / (1.0 + scalar(inputs.get(1)?)? * decay);
        optimise(inputs, 1, |row, gradient| {
            let gradient = norm * row[0] + gradient;
            row[1] += gradient * gradient;
            row[0] -= rate * gradient / (row[1].sqrt() + epsilon);
        })
    }))
}

fn adam(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (alpha, beta) = (float(attributes, "alpha", 0.9)?, float(attributes, "beta", 0.999)?);
    let epsilon = float(attributes, "epsilon", 1e-6)?;
    let (norm, after) = (float(attributes, "norm_coefficient", 0.0)?, float(attributes, "norm_coefficient_post", 0.0)?);
    Ok(Box::new(move |inputs| {
        let (rate, step) = (scalar(inputs.get(0)?)?, scalar(inputs.get(1)?)?);
        let warm = if step > 0.0 { (1.0 - beta.powf(step)).sqrt() / (1.0 - alpha.powf(step)) } else { 1.0 };
        optimise(inputs, 2, |row, gradient| {
            let gradient = norm * row[0] + gradient;
            row[1] = alpha * row[1] + (1.0 - alpha) * gradient;
            row[2] = beta * row[2] + (1.0 - beta) * gradient * gradient;
            row[0] = (1.0 - after) * (row[0] - rate * warm * row[1] / (row[2].sqrt() + epsilon));
        })
    }))
}

fn momentum(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (alpha, beta) = (float(attributes, "alpha", 0.0)?, float(attributes, "beta", 0.0)?);
    let norm = float(attributes, "norm_coefficient", 0.0)?;
    let nesterov = match &*attributes.string("mode", "standard")? {
        b"standard" => false,
        b"nesterov" => true,
        other => return Err(format!("mode '{}'", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let (rate, step) = (scalar(inputs.get(0)?)?, scalar(inputs.get(1)?)?);
        let beta = if step > 0.0 { beta } else { 1.0 };
        optimise(inputs, 1, |row, gradient| {
            let gradient = norm * row[0] + gradient;
            row[1] = alpha * row[1] + beta * gradient;
            row[0] -= rate * if nesterov { gradient + alpha * row[1] } else { row[1] };
        })
    }))
}
