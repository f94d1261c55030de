//! A scorer: adds up the numbers of a request.

use scorehost::{EntryScript, Error, Request, Response, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    data: Vec<f64>,
}

#[derive(Serialize)]
struct Output {
    sum: f64,
    count: usize,
}

/// What lives as long as a replica: open models here, in `init`.
struct Sum;

impl EntryScript for Sum {
    fn init() -> Result<Self> {
        scorehost::info!("ready");
        Ok(Self)
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        let input: Input = request.json()?;
        if input.data.is_empty() {
            return Err(Error::invalid("'data' is empty; send at least one number"));
        }
        Response::json(&Output { sum: input.data.iter().sum(), count: input.data.len() })
    }
}

scorehost::entry_script!(Sum);
