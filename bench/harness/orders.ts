/** The orders that every contender gets, made before the clock starts: making one costs a fifth of encoding it. */
import { order, type Order } from '../order';

/** Distinct orders in the ring: enough that no cache of a library holds them all as one shape and one text. */
export const RING = 16_384;

const ring = Array.from({ length: RING }, (_, id) => order(id));

/** The order with this number; they come round again after {@link RING}. */
export function ringOrder(index: number): Order {
  return ring[index % RING] as Order;
}

/** `count` orders in a row. */
export function ringOrders(count: number): Order[] {
  return Array.from({ length: count }, (_, index) => ringOrder(index));
}
