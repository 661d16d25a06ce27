import * as fc from 'fast-check';
import { jsonText } from '../../src/serve/jsonText';
import { toJson } from '../../src/toJson';

const anything = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withObjectString: true,
});

describe('jsonText', () => {
  it('is what the command prints where there is room', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const whole = JSON.stringify(toJson(value));
        expect(jsonText(value, whole.length * 10 + 100)).toEqual({ text: whole, cut: false });
      }),
    );
  });

  it('is never longer than it may be, and says when something is missing', () => {
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 60 }), (value, maxChars) => {
        const whole = JSON.stringify(toJson(value));
        const { text, cut } = jsonText(value, maxChars);
        expect(text.length).toBeLessThanOrEqual(maxChars);
        expect(cut || text === whole).toBe(true);
      }),
    );
  });

  it.each([
    ['bytes', new Uint8Array(16 * 1024 * 1024)],
    ['text', 'x'.repeat(16 * 1024 * 1024)],
    ['a list', new Array<number>(1_000_000).fill(1)],
    ['a set', new Set(Array.from({ length: 100_000 }, (_, n) => n))],
    ['a map', new Map(Array.from({ length: 100_000 }, (_, n) => [n, 'y'.repeat(100)]))],
    ['an object', Object.fromEntries(Array.from({ length: 100_000 }, (_, n) => [`key ${n}`, n]))],
    ['numbers', new Float64Array(1_000_000)],
  ])('cuts a large value before it becomes text: %s', (_what, value) => {
    const stringify = jest.spyOn(JSON, 'stringify');
    try {
      expect(jsonText(value, 200)).toMatchObject({ cut: true });
      const [given] = stringify.mock.calls[0] as [unknown];
      stringify.mockRestore();
      // What stringify had to write is of the size of the result, and not of the value.
      expect(JSON.stringify(given).length).toBeLessThan(10_000);
    } finally {
      stringify.mockRestore();
    }
  });
});
