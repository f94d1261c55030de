// Runs the model `identity` on a list of numbers and tells which of its outputs are above a threshold.
//
// Request:  {"data": [16 numbers], "threshold": number}
// Response: {"above": [indices]}

import { BadRequest, Model, Tensor, entryScript } from "scorehost";

let model;

export const { init, describe, run } = entryScript({
  init() {
    model = Model.open("identity");
  },

  run(request) {
    const { data, threshold = 0 } = request.json();
    if (!Array.isArray(data) || data.length !== 16) {
      throw new BadRequest("'data' must be a list of 16 numbers");
    }
    const { OUTPUT0 } = model.run({ INPUT0: Tensor.fromArray("fp32", [1, 16], data) });
    const above = Array.from(OUTPUT0.toArray()).flatMap((value, index) => (value > threshold ? [index] : []));
    return { above };
  },
});
