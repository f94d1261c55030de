// What calls to the host take. The runtime ends the component where a value cannot become what the interface says, without a word about
// which; so values are looked at before, and a wrong one is a TypeError that names it.

function wrong(what, expected, value) {
  const found = Array.isArray(value) ? "an array" : value === null ? "null" : typeof value;
  const shown = { number: String, bigint: String, string: JSON.stringify }[found];
  return new TypeError(`${what} must be ${expected}, not ${shown === undefined ? found : shown(value)}`);
}

/** A word of a fixed set. */
export function choice(what, word, among) {
  if (among.includes(word)) {
    return word;
  }
  throw new TypeError(`there is no ${what} '${word}'; there are: ${among.join(", ")}`);
}

/** A whole number from 0 on. */
export function natural(what, value) {
  if (["number", "bigint"].includes(typeof value) && Number.isSafeInteger(Number(value)) && value >= 0) {
    return Number(value);
  }
  throw wrong(what, "a whole number from 0 on", value);
}

/** A list of them, such as a shape. */
export function naturals(what, values) {
  if (values === null || typeof values !== "object" || typeof values[Symbol.iterator] !== "function") {
    throw wrong(what, "a list of whole numbers", values);
  }
  return Array.from(values, (value) => natural(`each of ${what}`, value));
}

/** A whole number. */
export function integer(what, value) {
  if (Number.isSafeInteger(value)) {
    return value;
  }
  throw wrong(what, "a whole number", value);
}

/** A text. */
export function text(what, value) {
  if (typeof value === "string") {
    return value;
  }
  throw wrong(what, "a text", value);
}

/** Bytes. */
export function bytes(what, value) {
  if (value instanceof Uint8Array) {
    return value;
  }
  throw wrong(what, "a Uint8Array", value);
}
