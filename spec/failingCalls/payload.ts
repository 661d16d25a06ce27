/** Bytes of a record that say which one it is, of some 30 to 130 bytes. */
export function payloadOf(id: number): Buffer {
  const bytes = Buffer.alloc(30 + ((id * 37) % 101), 1 + (id % 251));
  bytes.writeUInt32LE(id);
  return bytes;
}

/** Which record these bytes are; undefined where they are none. */
export function idOf(payload: Uint8Array): number | undefined {
  if (payload.length < 4) return undefined;
  const id = Buffer.from(payload).readUInt32LE();
  return payloadOf(id).equals(payload) ? id : undefined;
}
