// UTF-8, which the runtime has no TextEncoder and TextDecoder for.

/** The bytes of a text. */
export function encode(text) {
  const bytes = new Uint8Array(text.length * 3);
  let length = 0;
  for (let index = 0; index < text.length; index++) {
    let code = text.charCodeAt(index);
    if (code < 0x80) {
      bytes[length++] = code;
      continue;
    }
    if (code >= 0xd800 && code < 0xe000) {
      code = pair(code, text.charCodeAt(index + 1));
      index += code > 0xffff ? 1 : 0;
    }
    if (code < 0x800) {
      bytes[length++] = 0xc0 | (code >> 6);
    } else {
      if (code > 0xffff) {
        bytes[length++] = 0xf0 | (code >> 18);
        bytes[length++] = 0x80 | ((code >> 12) & 0x3f);
      } else {
        bytes[length++] = 0xe0 | (code >> 12);
      }
      bytes[length++] = 0x80 | ((code >> 6) & 0x3f);
    }
    bytes[length++] = 0x80 | (code & 0x3f);
  }
  return bytes.slice(0, length);
}

/** The code point of a surrogate pair; the replacement character for half a pair. */
function pair(high, low) {
  const whole = high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
  return whole ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
}

/** The text of bytes; throws where they are not UTF-8. */
export function decode(bytes) {
  const parts = [];
  for (let start = 0; start < bytes.length; ) {
    const codes = [];
    while (start < bytes.length && codes.length < 8192) {
      const [code, size] = point(bytes, start);
      codes.push(code);
      start += size;
    }
    parts.push(String.fromCodePoint(...codes));
  }
  return parts.join("");
}

/** The code point at an index, and how many bytes it takes. */
function point(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) {
    return [first, 1];
  }
  const size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  let code = first & (0xff >> (size + 1));
  for (let index = 1; index < size; index++) {
    const byte = bytes[at + index];
    if (byte === undefined || (byte & 0xc0) !== 0x80) {
      throw new RangeError(`not UTF-8 at byte ${at}`);
    }
    code = (code << 6) | (byte & 0x3f);
  }
  const smallest = [0x80, 0x800, 0x10000][size - 2];
  if (first < 0xc2 || first > 0xf4 || code < smallest || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
    throw new RangeError(`not UTF-8 at byte ${at}`);
  }
  return [code, size];
}
