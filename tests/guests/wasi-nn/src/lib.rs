//! An entry script that runs models through `wasi:nn` instead of the host's own interface.
//!
//! The query names a model of the deployment (`load-by-name`); with an empty query the body is an ONNX model (`load`), and with the query
//! `keep` it is one that this instance holds on to from then on. The model gets
//! one FP32 input `INPUT0` of shape [1, 16] holding 0 to 15; the answer is the first output as a JSON list.

use scorehost::{EntryScript, Error, Request, Response, Result};

use bindings::wasi::nn::errors::Error as NnError;
use bindings::wasi::nn::graph::{self, ExecutionTarget, Graph, GraphEncoding};
use bindings::wasi::nn::tensor::{Tensor, TensorType};

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28", world: "ml", generate_all });
}

#[derive(Default)]
struct Neural {
    kept: Vec<Graph>,
}

impl EntryScript for Neural {
    fn init() -> Result<Self> {
        Ok(Self::default())
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        let keep = request.query == "keep";
        let graph = if keep || request.query.is_empty() {
            graph::load(&[request.body], GraphEncoding::Onnx, ExecutionTarget::Cpu).map_err(told)?
        } else {
            graph::load_by_name(&request.query).map_err(told)?
        };
        let numbers = run(&graph)?;
        if keep {
            self.kept.push(graph);
        }
        let numbers: Vec<String> = numbers.iter().map(f32::to_string).collect();
        Ok(Response::new(format!("[{}]", numbers.join(","))))
    }

    fn describe(&self) -> scorehost::Description {
        scorehost::Description::raw_http()
    }
}

scorehost::entry_script!(Neural);

fn run(graph: &Graph) -> Result<Vec<f32>> {
    let context = graph.init_execution_context().map_err(told)?;
    let input: Vec<u8> = (0..16).flat_map(|number| (number as f32).to_le_bytes()).collect();
    let input = Tensor::new(&[1, 16], TensorType::Fp32, &input);
    let outputs = context.compute(vec![("INPUT0".to_owned(), input)]).map_err(told)?;
    let (_, output) = outputs.first().ok_or_else(|| Error::internal("the model returned nothing"))?;
    let data = output.data();
    Ok(data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect())
}

fn told(error: NnError) -> Error {
    Error::internal(format!("{:?}: {}", error.code(), error.data()))
}
