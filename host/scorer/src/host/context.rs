//! Interface `context`: facts about the request being handled.

use crate::bindings::scorer::scorehost::scoring::context::Host;
use crate::state::State;

impl Host for State {
    fn request_id(&mut self) -> wasmtime::Result<String> {
        Ok(self.call.request_id.to_string())
    }

    fn service(&mut self) -> wasmtime::Result<String> {
        Ok(self.environment.service.to_string())
    }

    fn version(&mut self) -> wasmtime::Result<String> {
        Ok(self.environment.version.to_string())
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.call.headers.as_ref().and_then(|headers| headers.first(&name)).map(str::to_owned))
    }

    fn headers(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(self.call.headers.as_ref().map_or_else(Vec::new, |headers| headers.all().into_iter().map(owned).collect()))
    }

    fn remaining(&mut self) -> wasmtime::Result<Option<u64>> {
        let left = self.deadline.remaining(self.clock.now());
        Ok(Some(u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)))
    }

    fn variable(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.environment.variables.get(&name).cloned())
    }
}
