import type { Tensor } from "./index.js";

/** What a service answered to a body. */
export interface Answer {
  readonly service: string;
  /** 400 and above is an answer, too. */
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  readonly body: Uint8Array;
  /** The answer where its status is 200 to 299; else `HostError`. */
  successful(): Answer;
  text(): string;
  json(): any;
}

/**
 * Other services of the host: those that the deployment lists (`scorehost.grants.services`). `scorehost.toml` must say
 * `imports = "scorehost:services"`.
 *
 * A call ends with the request that makes it, at the latest by its deadline, and belongs to its trace. It takes no key: the other
 * service sees who sent the request, and its access log names this service.
 */
export const services: {
  /** Names of the services that the deployment lists. */
  granted(): string[];
  /** Calls a service of tensors and returns the outputs named, or all. Only handles travel. */
  call(service: string, inputs: Record<string, Tensor>, outputs?: string[]): Record<string, Tensor>;
  /** Posts to a service what its scoring URI would take: text or bytes as they are, any other value as JSON. */
  post(service: string, body?: unknown, contentType?: string): Answer;
};
