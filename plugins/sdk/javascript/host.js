// Request context, log and data collection.

import hostCollect from "scorehost:scoring/collect@0.1.0";
import hostContext from "scorehost:scoring/context@0.1.0";
import hostLog from "scorehost:scoring/log@0.1.0";

import { text as checkedText } from "./check.js";

/** Facts about the request being handled, asked for one by one: what is not asked for costs nothing. */
export const context = {
  requestId: () => hostContext.requestId(),
  service: () => hostContext.service(),
  version: () => hostContext.version(),
  header: (name) => hostContext.header(checkedText("the name of a header", name)) ?? undefined,
  headers: () => hostContext.headers(),
  variable: (name) => hostContext.variable(checkedText("the name of a variable", name)) ?? undefined,
  /** Milliseconds until the host stops this call; undefined without a limit. */
  remaining: () => {
    const nanoseconds = hostContext.remaining();
    return nanoseconds === null || nanoseconds === undefined ? undefined : Number(nanoseconds) / 1e6;
  },
};

const text = (parts) => parts.map((part) => (typeof part === "string" ? part : JSON.stringify(part))).join(" ");

/** Lines for the service's log. */
export const log = {
  debug: (...parts) => hostLog.write("debug", text(parts)),
  info: (...parts) => hostLog.write("info", text(parts)),
  warn: (...parts) => hostLog.write("warn", text(parts)),
  error: (...parts) => hostLog.write("error", text(parts)),
};

/** Model data collection: records go where the deployment stores collected data, and nowhere (no error) where it does not. */
export const collect = {
  enabled: () => hostCollect.enabled(),
  tensor: (designation, name, tensor) => hostCollect.recordTensor(designation, name, tensor.handle),
  json: (designation, value) => {
    if (hostCollect.enabled()) {
      hostCollect.recordJson(designation, JSON.stringify(value));
    }
  },
};

// The runtime has no console of its own.
globalThis.console ??= { ...log, log: log.info, trace: log.debug };
