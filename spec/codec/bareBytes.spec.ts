import { isBareBytes } from '../../src/codec/bareBytes';

describe('isBareBytes', () => {
  it.each([
    ['a Uint8Array', new Uint8Array(2)],
    ['a Buffer', Buffer.alloc(2)],
    ['shared memory', new Uint8Array(new SharedArrayBuffer(2))],
  ])('is %s', (_what, value) => {
    expect(isBareBytes(value)).toBe(true);
  });

  it.each([
    ['a subclass', new (class extends Uint8Array {})(2)],
    ['a Proxy', new Proxy(new Uint8Array(2), {})],
    ['another array', new Uint16Array(2)],
    ['memory', new ArrayBuffer(2)],
    ['nothing', undefined],
    ['what says that it is', Object.create(Uint8Array.prototype)],
  ])('is not %s', (_what, value) => {
    expect(isBareBytes(value)).toBe(false);
  });
});
