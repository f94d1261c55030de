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

type Layout = "channels-last" | "channels-first";
type Interpolation = "nearest" | "bilinear" | "bicubic";
/** Default: bilinear with antialiasing, channels last. At most 4 channels where they are last. */
type Sampling = { interpolation?: Interpolation; antialias?: boolean; layout?: Layout };
type Operator = "add" | "subtract" | "multiply" | "divide" | "minimum" | "maximum";
type Comparison = "less" | "less-equal" | "greater" | "greater-equal" | "equal" | "not-equal";

/** Operations that run in the host: tensors in, new tensors out, no element in the scorer's memory. Negative axes count from the back. */
export const operations: {
  /** Integers wrap around; floats become integers toward zero and saturate. */
  cast(tensor: Tensor, dtype: DType): Tensor;
  /** Axes in another order; none reverses all. */
  transpose(tensor: Tensor, axes?: number[]): Tensor;
  /** A part of the leading axes, as numpy's slicing. */
  sliceAxes(tensor: Tensor, ranges: { start?: number; end?: number; step?: number }[]): Tensor;
  concat(tensors: Tensor[], axis?: number): Tensor;
  stack(tensors: Tensor[], axis?: number): Tensor;
  /** Tensors of one rank along a new first axis, each filled up to `shape`, or to the greatest length of each axis. */
  stackPadded(tensors: Tensor[], shape?: number[], fill?: number): Tensor;
  pad(tensor: Tensor, before: number[], after: number[], fill?: number): Tensor;
  /** Slices along an axis by i32 or i64 indices. */
  gather(tensor: Tensor, indices: Tensor, axis?: number): Tensor;
  arithmetic(operator: Operator, left: Tensor, right: Tensor | number): Tensor;
  add(left: Tensor, right: Tensor | number): Tensor;
  subtract(left: Tensor, right: Tensor | number): Tensor;
  multiply(left: Tensor, right: Tensor | number): Tensor;
  divide(left: Tensor, right: Tensor | number): Tensor;
  compare(comparison: Comparison, tensor: Tensor, number: number): Tensor;
  clip(tensor: Tensor, minimum: number, maximum: number): Tensor;
  softmax(tensor: Tensor, axis?: number): Tensor;
  matmul(left: Tensor, right: Tensor): Tensor;
  reduce(reduction: "sum" | "mean" | "max" | "min", tensor: Tensor, axes?: number[], keepDims?: boolean): Tensor;
  argmax(tensor: Tensor, axis?: number, keepDims?: boolean): Tensor;
  /** Values and indices. */
  topK(tensor: Tensor, k: number, axis?: number, largest?: boolean): [Tensor, Tensor];
  /** A JPEG or PNG file to u8 pixels [height, width, channels]. */
  decode(file: Tensor | Uint8Array, options?: { color?: "grey" | "rgb" | "bgr" | "rgba"; orient?: boolean; maxPixels?: number }): Tensor;
  resize(tensor: Tensor, height: number, width: number, options?: Sampling): Tensor;
  /** Pixel (x, y) of `image` shows source pixel ((x - left) / scale, (y - top) / scale). */
  letterbox(tensor: Tensor, height: number, width: number, options?: Sampling & { fill?: number; center?: boolean }):
    { image: Tensor; scale: number; top: number; left: number; height: number; width: number };
  /** Each box is [left, top, right, bottom] in pixels. */
  cropAndResize(tensor: Tensor, boxes: [number, number, number, number][], height: number, width: number, options?: Sampling): Tensor;
  /** Four corners [x, y]: those that become top left, top right, bottom right, bottom left. */
  cropQuad(tensor: Tensor, corners: [number, number][], height: number, width: number, interpolation?: Interpolation): Tensor;
  warpPerspective(tensor: Tensor, matrix: number[], height: number, width: number, options?: { interpolation?: Interpolation; fill?: number }): Tensor;
  /** (value * scale - mean) / std, fp32. */
  normalize(tensor: Tensor, options?: { scale?: number; mean?: number | number[]; std?: number | number[]; from?: Layout; to?: Layout; reverse?: boolean }): Tensor;
  /** Indices of boxes, best first, without those that overlap a better one of their class. */
  nonMaxSuppression(boxes: Tensor, scores: Tensor, options?: {
    classes?: Tensor; iouThreshold?: number; scoreThreshold?: number; maxBoxes?: number; format?: "corners" | "corners-yx" | "center";
  }): Tensor;
};

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
