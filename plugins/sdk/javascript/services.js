// Other services of the host: those that the deployment lists (`scorehost.grants.services`).
//
// A module of its own, `scorehost/services.js`: only components whose `scorehost.toml` says `imports = "scorehost:services"` can
// be linked to what it imports.

import host from "scorehost:services/services@0.1.0";

import { text } from "./check.js";
import { HostError, called } from "./errors.js";
import { Tensor, handlesOf } from "./tensor.js";
import { decode, encode } from "./utf8.js";

/** As much of an answer's body as a message shows. */
const EXCERPT = 200;

/** What a service answered to a body. A status of 400 or more is an answer, too; the names of `headers` are in lower case. */
class Answer {
  constructor(service, { status, headers, body }) {
    this.service = service;
    this.status = status;
    this.headers = Object.fromEntries(Array.from(headers, ([name, value]) => [name.toLowerCase(), value]));
    this.body = Uint8Array.from(body);
  }

  /** The answer where its status is 200 to 299; else `HostError`. */
  successful() {
    if (this.status >= 200 && this.status < 300) {
      return this;
    }
    throw new HostError("unavailable", `service '${this.service}' answered ${this.status}${excerpt(this.body)}`);
  }

  text() {
    return decode(this.body);
  }

  json() {
    return JSON.parse(this.text());
  }
}

function excerpt(body) {
  try {
    const shown = decode(body);
    return shown === "" ? "" : `: ${Array.from(shown).slice(0, EXCERPT).join("")}`;
  } catch {
    return "";
  }
}

/** Bytes and their type: text and bytes as they are, anything else as JSON. */
function encoded(body, contentType) {
  if (typeof body === "string") {
    return [encode(body), contentType];
  }
  if (body instanceof Uint8Array) {
    return [body, contentType];
  }
  return [encode(JSON.stringify(body ?? null)), contentType ?? "application/json"];
}

/** See services.d.ts for what each takes and gives. Failures, those of the other service included, are `HostError`. */
export const services = {
  granted: () => host.granted(),

  call(service, inputs, outputs = []) {
    const [name, handles] = [text("the name of a service", service), handlesOf(inputs)];
    const results = called(() => host.callTensors(name, handles, outputs));
    return Object.fromEntries(results.map(({ name, tensor }) => [name, new Tensor(tensor)]));
  },

  post(service, body = "", contentType = undefined) {
    const [bytes, type] = encoded(body, contentType);
    const name = text("the name of a service", service);
    const request = { method: "POST", query: "", contentType: type, body: bytes };
    return new Answer(name, called(() => host.call(name, request)));
  },
};
