import { toJson } from '../toJson';

/** A value as JSON of bounded length. */
export interface JsonText {
  readonly text: string;
  /** Whether something of it is missing. */
  readonly cut: boolean;
}

/** Characters that are left, and whether they were too few. */
interface Room {
  left: number;
  cut: boolean;
}

/** What an item takes at least: a character and a comma. */
const ITEM_CHARS = 2;

/**
 * A value of a log as JSON, as the command writes it ({@link toJson}), of at most `maxChars` characters. A large value is cut before it is turned into
 * text, so the work is bounded as the text is.
 */
export function jsonText(value: unknown, maxChars: number): JsonText {
  const room: Room = { left: maxChars, cut: false };
  const text = JSON.stringify(toJson(clipped(value, room)));
  if (text.length <= maxChars) return { text, cut: room.cut };
  return { text: text.slice(0, maxChars), cut: true };
}

/** The value without what there is no room for. */
function clipped(value: unknown, room: Room): unknown {
  room.left -= ITEM_CHARS;
  if (typeof value === 'string') return value.slice(0, take(room, value.length));
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date || value instanceof RegExp || value instanceof DataView) return value;
  if (ArrayBuffer.isView(value)) {
    const array = value as NodeJS.TypedArray;
    return array.subarray(0, take(room, array.length));
  }
  if (Array.isArray(value)) return some(value, room, (item: unknown) => clipped(item, room));
  if (value instanceof Set) return new Set(some(value, room, (item: unknown) => clipped(item, room)));
  const member = <K>([key, item]: readonly [K, unknown]): readonly [K, unknown] => [
    clipped(key, room) as K,
    clipped(item, room),
  ];
  if (value instanceof Map) return new Map(some(value as Map<unknown, unknown>, room, member));
  return Object.fromEntries(some(Object.entries(value), room, member));
}

/** As many items as there is room for, converted. */
function some<I, O>(items: Iterable<I>, room: Room, convert: (item: I) => O): O[] {
  const shown: O[] = [];
  for (const item of items) {
    if (room.left <= 0) {
      room.cut = true;
      break;
    }
    shown.push(convert(item));
  }
  return shown;
}

/** @returns how many of `count` characters or elements there is room for. */
function take(room: Room, count: number): number {
  const taken = Math.max(0, Math.min(count, room.left));
  if (taken < count) room.cut = true;
  room.left -= taken;
  return taken;
}
