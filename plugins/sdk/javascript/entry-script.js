// Entry scripts: a request in, a response out.

import { BadRequest, guarded } from "./errors.js";
import { utf8 } from "./tensor.js";

/** A request. */
class Request {
  constructor({ method, query, body }) {
    this.method = method;
    /** The part of the URL after `?`, still encoded. */
    this.query = query;
    this.body = body;
  }

  /** The body as text. */
  text() {
    return new TextDecoder().decode(Uint8Array.from(this.body));
  }

  /** The body parsed as JSON; a body that is not JSON is the caller's fault. */
  json() {
    try {
      return JSON.parse(this.text());
    } catch (error) {
      throw new BadRequest(`the body is not JSON: ${error.message}`);
    }
  }
}

/** The component's exports for `{init(), run(request), rawHttp?, inputSchema?, outputSchema?}`. `run` returns a value, which is sent
 * as JSON, or `{status, headers, body}` with `body` as text or bytes. */
export function entryScript({ init = () => {}, run, rawHttp = false, inputSchema, outputSchema }) {
  const schema = (value) => (value === undefined ? null : JSON.stringify(value));
  return {
    init() {
      guarded("init()", init);
    },
    describe() {
      return { rawHttp, inputSchema: schema(inputSchema), outputSchema: schema(outputSchema) };
    },
    run(request) {
      return guarded("run()", () => response(run(new Request(request))));
    },
  };
}

function response(result) {
  if (result === null || typeof result !== "object" || result.body === undefined || result.status === undefined) {
    return { status: 200, headers: [], body: utf8(JSON.stringify(result ?? null)) };
  }
  const body = typeof result.body === "string" ? utf8(result.body) : result.body;
  return { status: result.status, headers: Object.entries(result.headers ?? {}), body };
}
