export type DType =
  | "bool" | "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64"
  | "fp16" | "bf16" | "fp32" | "fp64" | "bytes";

export interface TensorSpec {
  name: string;
  dtype: DType;
  /** -1 stands for a dimension that varies. */
  shape: number[];
}

export class Tensor {
  static fromArray(dtype: DType, shape: number[], values: Iterable<number | bigint | boolean | string | Uint8Array>): Tensor;
  static fromBytes(dtype: DType, shape: number[], data: Uint8Array): Tensor;
  readonly dtype: DType;
  readonly shape: number[];
  toArray(): ArrayLike<number | bigint | boolean | Uint8Array>;
  bytes(): Uint8Array;
  reshape(shape: number[]): Tensor;
  slice(start: number, end: number): Tensor;
  share(): Tensor;
}

export class Model {
  static open(name: string): Model;
  static available(): string[];
  metadata(): { name: string; version: string; inputs: TensorSpec[]; outputs: TensorSpec[] };
  run(inputs: Record<string, Tensor>, outputs?: string[]): Record<string, Tensor>;
  file(path: string): Uint8Array;
}

export class HostError extends Error {
  readonly kind: "invalid-input" | "not-found" | "unsupported" | "overloaded" | "deadline" | "unavailable" | "internal";
}

export class BadRequest extends Error {
  constructor(message: string);
}

export interface Request {
  readonly method: string;
  readonly query: string;
  readonly body: Uint8Array;
  text(): string;
  json(): any;
}

export interface Response {
  status: number;
  headers?: Record<string, string>;
  body: string | Uint8Array;
}

export interface Exports {
  init(): void;
  run(...args: any[]): any;
}

export function entryScript(script: {
  init?(): void;
  run(request: Request): Response | unknown;
  rawHttp?: boolean;
  inputSchema?: object;
  outputSchema?: object;
}): Exports & { describe(): any };

type Signature = { inputs: TensorSpec[]; outputs: TensorSpec[] };

export function scorer(scorer: {
  init?(): void;
  signature: Signature | (() => Signature);
  run(inputs: Record<string, Tensor>): Record<string, Tensor>;
}): Exports & { signature(): any };

export const context: {
  requestId(): string;
  service(): string;
  version(): string;
  header(name: string): string | undefined;
  headers(): [string, string][];
  variable(name: string): string | undefined;
  remaining(): number | undefined;
};

export const log: Record<"debug" | "info" | "warn" | "error", (...parts: unknown[]) => void>;

export const collect: {
  enabled(): boolean;
  tensor(designation: string, name: string, tensor: Tensor): void;
  json(designation: string, value: unknown): void;
};
