// Entry scripts: a request in, a response out.

import { BadRequest, guarded } from "./errors.js";
import { decode, encode } from "./utf8.js";

/** A request. */
class Request {
  constructor({ method, query, body }) {
    this.method = method;
    /** The part of the URL after `?`, still encoded. */
    this.query = query;
    this.body = body;
  }

  /** The body as text; a body that is not UTF-8 is the caller's fault. */
  text() {
    try {
      return decode(this.body);
    } catch (error) {
      throw new BadRequest(`the body is ${error.message}`);
    }
  }

  /** The body parsed as JSON; a body that is not JSON is the caller's fault. */
  json() {
    const text = this.text();
    try {
      return JSON.parse(text);
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
    return { status: 200, headers: [], body: encode(JSON.stringify(result ?? null)) };
  }
  const body = typeof result.body === "string" ? encode(result.body) : result.body;
  return { status: result.status, headers: Object.entries(result.headers ?? {}), body };
}
