// Write scorers for scorehost in JavaScript: entry scripts, scorers of tensors, and what they can use of the host.

export { collect, context, log } from "./host.js";
export { BadRequest, HostError } from "./errors.js";
export { entryScript } from "./entry-script.js";
export { Model } from "./model.js";
export { operations } from "./operations.js";
export { scorer } from "./scorer.js";
export { Tensor } from "./tensor.js";
