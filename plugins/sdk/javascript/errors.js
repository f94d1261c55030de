// Failures: of the host's calls, and of the caller.

import log from "scorehost:scoring/log@0.1.0";

/** A call to the host failed. `kind` is invalid-input, not-found, unsupported, overloaded, deadline, unavailable or internal; left
 * uncaught, it decides the status that the caller sees. */
export class HostError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = "HostError";
    this.kind = kind;
  }
}

/** Thrown in `run` where the caller is at fault: status 400 with the message. */
export class BadRequest extends Error {
  constructor(message) {
    super(message);
    this.name = "BadRequest";
  }
}

/** Calls the host; its failures become `HostError`. */
export function called(call) {
  try {
    return call();
  } catch (error) {
    const failure = error?.payload ?? error;
    if (typeof failure?.kind === "string" && typeof failure?.message === "string" && !(error instanceof HostError)) {
      throw new HostError(failure.kind, failure.message);
    }
    throw error;
  }
}

/** Calls the scorer's own code; what it throws becomes the failure that the host hears of. */
export function guarded(what, call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof BadRequest) {
      throw { kind: "invalid-input", message: error.message };
    }
    if (error instanceof HostError) {
      throw { kind: error.kind, message: error.message };
    }
    log.write("error", `${error}\n${error?.stack ?? ""}`);
    throw { kind: "internal", message: `${what} threw ${error?.name ?? typeof error}; the service's log has its stack` };
  }
}
