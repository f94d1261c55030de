//! Interface `collect`: records for model data collection.

use wasmtime::component::Resource;

use super::TensorHandle;
use crate::bindings::scorer::scorehost::scoring::collect::Host;
use crate::state::State;

impl Host for State {
    fn enabled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.environment.collector.enabled())
    }

    fn record_tensor(
        &mut self,
        designation: String,
        name: String,
        value: Resource<TensorHandle>,
    ) -> wasmtime::Result<()> {
        if self.environment.collector.enabled() {
            let tensor = self.fetch(self.held(&value)?)?;
            self.environment.collector.tensor(&self.call.request_id, &designation, &name, &tensor);
        }
        Ok(())
    }

    fn record_json(&mut self, designation: String, document: String) -> wasmtime::Result<()> {
        self.environment.collector.json(&self.call.request_id, &designation, &document);
        Ok(())
    }
}
