const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** SHA-1 (FIPS 180-4) as five words. It uses no library, because pure code derives ids too. */
function sha1(bytes: Uint8Array): readonly number[] {
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 4, bytes.length * 8);
  let [h0, h1, h2, h3, h4] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];
  const words = new Int32Array(80);
  for (let block = 0; block < padded.length; block += 64) {
    for (let place = 0; place < 16; place++) words[place] = view.getInt32(block + place * 4);
    for (let place = 16; place < 80; place++) {
      const mixed =
        (words[place - 3] ?? 0) ^ (words[place - 8] ?? 0) ^ (words[place - 14] ?? 0) ^ (words[place - 16] ?? 0);
      words[place] = rotate(mixed, 1);
    }
    let [a, b, c, d, e] = [h0, h1, h2, h3, h4];
    for (let place = 0; place < 80; place++) {
      const [f, k] =
        place < 20
          ? [(b & c) | (~b & d), 0x5a827999]
          : place < 40
            ? [b ^ c ^ d, 0x6ed9eba1]
            : place < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1bbcdc]
              : [b ^ c ^ d, 0xca62c1d6];
      const next = (rotate(a, 5) + f + e + k + (words[place] ?? 0)) | 0;
      [a, b, c, d, e] = [next, a, rotate(b, 30), c, d];
    }
    h0 = (h0 + a) | 0;
    h1 = (h1 + b) | 0;
    h2 = (h2 + c) | 0;
    h3 = (h3 + d) | 0;
    h4 = (h4 + e) | 0;
  }
  return [h0, h1, h2, h3, h4];
}

const encoder = new TextEncoder();

/**
 * The UUIDv5 (RFC 9562, section 5.5) of a name within a namespace. The same name and namespace always give the same id,
 * so that a repeated start under this id has no second effect. `namespace` is a UUID.
 */
export function uuidV5(namespace: string, name: string): string {
  const hex = namespace.replaceAll('-', '');
  const text = encoder.encode(name);
  const bytes = new Uint8Array(16 + text.length);
  for (let place = 0; place < 16; place++) bytes[place] = Number.parseInt(hex.slice(place * 2, place * 2 + 2), 16);
  bytes.set(text, 16);
  const digest = sha1(bytes)
    .slice(0, 4)
    .map((word) => (word >>> 0).toString(16).padStart(8, '0'))
    .join('');
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(18, 20)}-${digest.slice(20, 32)}`;
}
