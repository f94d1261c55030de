// Models of the deployment.

import models from "scorehost:scoring/models@0.1.0";

import { text } from "./check.js";
import { called } from "./errors.js";
import { Tensor, handlesOf } from "./tensor.js";

/** A model that runs in the host, on the deployment's device. Open it once, in `init`. */
export class Model {
  constructor(handle) {
    this.handle = handle;
  }

  /** Opens a model of the deployment by `name` or `name:version`. */
  static open(name) {
    return new Model(called(() => models.Model.open(text("the name of a model", name))));
  }

  /** Names of the deployment's models, each `name:version`. */
  static available() {
    return models.available();
  }

  /** Name, version, inputs and outputs. */
  metadata() {
    return this.handle.metadata();
  }

  /** Runs the model on `{name: Tensor}` and returns `{name: Tensor}`: the outputs named, or all. Only handles travel. */
  run(inputs, outputs = []) {
    const handles = handlesOf(inputs);
    const results = called(() => this.handle.run(handles, outputs));
    return Object.fromEntries(results.map(({ name, tensor }) => [name, new Tensor(tensor)]));
  }

  /** Reads a file registered with the model, by its path below the model's folder. */
  file(path) {
    return called(() => this.handle.file(text("the path", path)));
  }
}
