//! Looks features up at another server before it scores: a request names a customer, the feature store knows the rest.
//!
//! The deployment gives the store's address as the variable `FEATURES_URL`, and lists its host in `scorehost.grants.outbound`.

use scorehost::{EntryScript, Error, Request, Response, Result, context, http};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Asked {
    customer: String,
}

#[derive(Deserialize)]
struct Features {
    features: Vec<f64>,
}

#[derive(Serialize)]
struct Answer {
    customer: String,
    score: f64,
}

struct LookUp {
    url: String,
}

impl EntryScript for LookUp {
    fn init() -> Result<Self> {
        let url = context::variable("FEATURES_URL");
        Ok(Self { url: url.ok_or_else(|| Error::invalid("the deployment sets no variable FEATURES_URL"))? })
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        let asked: Asked = request.json()?;
        if !asked.customer.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::invalid("a customer's name is letters and digits"));
        }
        let found = http::get(format!("{}/{}", self.url, asked.customer)).send()?.successful()?;
        let Features { features } = found.json()?;
        Response::json(&Answer { customer: asked.customer, score: features.iter().sum() })
    }
}

scorehost::entry_script!(LookUp);
