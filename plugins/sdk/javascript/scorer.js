// Scorers of tensors.

import { guarded } from "./errors.js";
import { Tensor, handleOf } from "./tensor.js";

/** The component's exports for `{init(), signature, run(inputs)}`: `signature` is `{inputs, outputs}`, or a function that returns it
 * and is called after `init`; each input and output is `{name, dtype, shape}` with -1 for a dimension that varies. `run` takes and
 * returns `{name: Tensor}`. */
export function scorer({ init = () => {}, signature, run }) {
  return {
    init() {
      guarded("init()", init);
    },
    signature() {
      return typeof signature === "function" ? signature() : signature;
    },
    run(inputs) {
      return guarded("run()", () => {
        const outputs = run(Object.fromEntries(inputs.map(({ name, tensor }) => [name, new Tensor(tensor)])));
        return Object.entries(outputs).map(([name, tensor]) => {
          handleOf(`output '${name}'`, tensor);
          return { name, tensor: tensor.share().handle };
        });
      });
    },
  };
}
