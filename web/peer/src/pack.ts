// How PeerJS's client packs values into bytes: like MessagePack of its first days, where 0xa0 and 0xda are bytes, and texts have 0xb0 and 0xd8.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Packs a value: null, booleans, numbers, texts, bytes, and arrays and plain objects of them. */
export function pack(value: unknown): ArrayBuffer {
  const parts: Uint8Array[] = [];
  put(value, parts);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.buffer;
}

function put(value: unknown, parts: Uint8Array[]): void {
  if (value === null || value === undefined) parts.push(Uint8Array.of(0xc0));
  else if (typeof value === 'boolean') parts.push(Uint8Array.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'number') putNumber(value, parts);
  else if (typeof value === 'string') {
    const text = encoder.encode(value);
    parts.push(head(text.length, 0xb0, 0xd8), text);
  } else if (value instanceof Date) put(String(value), parts);
  else if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    parts.push(head(bytes.length, 0xa0, 0xda), bytes);
  } else if (Array.isArray(value)) {
    parts.push(head(value.length, 0x90, 0xdc));
    for (const entry of value) put(entry, parts);
  } else if (typeof value === 'object') {
    const entries = Object.entries(value);
    parts.push(head(entries.length, 0x80, 0xde));
    for (const [key, entry] of entries) {
      put(key, parts);
      put(entry, parts);
    }
  } else throw new TypeError(`A ${typeof value} cannot be sent.`);
}

/** The length of what follows: in the kind's own byte, or after it in two or four. */
function head(length: number, short: number, long: number): Uint8Array {
  if (length < 16) return Uint8Array.of(short + length);
  const wide = length > 0xffff;
  const view = new DataView(new ArrayBuffer(wide ? 5 : 3));
  view.setUint8(0, wide ? long + 1 : long);
  if (wide) view.setUint32(1, length);
  else view.setUint16(1, length);
  return new Uint8Array(view.buffer);
}

function putNumber(value: number, parts: Uint8Array[]): void {
  const view = new DataView(new ArrayBuffer(9));
  const take = (kind: number, length: number) => {
    view.setUint8(0, kind);
    parts.push(new Uint8Array(view.buffer, 0, length + 1));
  };
  if (Number.isInteger(value) && value >= -32 && value < 128 && !Object.is(value, -0)) parts.push(Uint8Array.of(value & 0xff));
  else if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) {
    view.setUint32(1, value);
    take(0xce, 4);
  } else if (Number.isInteger(value) && value < 0 && value >= -0x80000000) {
    view.setInt32(1, value);
    take(0xd2, 4);
  } else {
    view.setFloat64(1, value);
    take(0xcb, 8);
  }
}

/** Unpacks what {@link pack}, or PeerJS's client, has packed. Throws a RangeError if something is missing. */
export function unpack(buffer: ArrayBuffer): unknown {
  const view = new DataView(buffer);
  let at = 0;
  const bytes = (length: number) => {
    if (at + length > buffer.byteLength) throw new RangeError('The message ends too early.');
    return buffer.slice(at, (at += length));
  };
  const number = (length: number, read: (at: number) => number | bigint) => {
    const value = read(at);
    at += length;
    return Number(value);
  };
  const u16 = () => number(2, (at) => view.getUint16(at));
  const u32 = () => number(4, (at) => view.getUint32(at));
  const text = (length: number) => decoder.decode(bytes(length));
  const array = (length: number, depth: number) => {
    const values: unknown[] = [];
    while (length-- > 0) values.push(value(depth));
    return values;
  };
  const object = (length: number, depth: number) => {
    const entries: [string, unknown][] = [];
    while (length-- > 0) entries.push([String(value(depth)), value(depth)]);
    // Not by assignment: a key may be `__proto__`.
    return Object.fromEntries(entries);
  };

  function value(depth: number): unknown {
    if (depth > 200) throw new RangeError('The message is nested too deeply.');
    const kind = number(1, (at) => view.getUint8(at));
    if (kind < 0x80) return kind;
    if (kind >= 0xe0) return kind - 0x100;
    const short = kind & 0x0f;
    switch (kind & 0xf0) {
      case 0x80: return object(short, depth + 1);
      case 0x90: return array(short, depth + 1);
      case 0xa0: return bytes(short);
      case 0xb0: return text(short);
    }
    switch (kind) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xca: return number(4, (at) => view.getFloat32(at));
      case 0xcb: return number(8, (at) => view.getFloat64(at));
      case 0xcc: return number(1, (at) => view.getUint8(at));
      case 0xcd: return u16();
      case 0xce: return u32();
      case 0xcf: return number(8, (at) => view.getBigUint64(at));
      case 0xd0: return number(1, (at) => view.getInt8(at));
      case 0xd1: return number(2, (at) => view.getInt16(at));
      case 0xd2: return number(4, (at) => view.getInt32(at));
      case 0xd3: return number(8, (at) => view.getBigInt64(at));
      case 0xd8: return text(u16());
      case 0xd9: return text(u32());
      case 0xda: return bytes(u16());
      case 0xdb: return bytes(u32());
      case 0xdc: return array(u16(), depth + 1);
      case 0xdd: return array(u32(), depth + 1);
      case 0xde: return object(u16(), depth + 1);
      case 0xdf: return object(u32(), depth + 1);
      default: return undefined;
    }
  }
  return value(0);
}
