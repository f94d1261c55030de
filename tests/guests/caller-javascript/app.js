// Passes its input on to the service that the variable CALLS names, and returns what that one answers. Where the variable BODY is
// set, it posts that instead, and returns its input. As tests/guests/caller.

import { context, scorer } from "scorehost";
import { services } from "scorehost/services.js";

export const { init, signature, run } = scorer({
  signature: {
    inputs: [{ name: "INPUT0", dtype: "fp32", shape: [-1, 16] }],
    outputs: [{ name: "OUTPUT0", dtype: "fp32", shape: [-1, 16] }],
  },

  run(inputs) {
    const body = context.variable("BODY");
    if (body === undefined) {
      return services.call(context.variable("CALLS"), inputs);
    }
    services.post(context.variable("CALLS"), body, "text/plain").successful();
    return { OUTPUT0: inputs.INPUT0 };
  },
});
