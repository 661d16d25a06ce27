/** The record that everything is measured with, and others where a size is asked for. */

export interface Order {
  readonly type: string;
  readonly id: number;
  readonly ts: number;
  readonly userId: string;
  readonly items: readonly { readonly sku: string; readonly qty: number; readonly price: number }[];
  readonly total: number;
  readonly currency: string;
  readonly region: string;
}

/** An order event: about 200 bytes of JSON, 177 of CBOR. Deterministic. */
export function order(id: number): Order {
  return {
    type: 'OrderPlaced',
    id,
    ts: 1_700_000_000_000 + id,
    userId: `user-${id % 1000}`,
    items: [
      { sku: `sku-${id % 512}`, qty: (id % 3) + 1, price: 19.99 },
      { sku: 'sku-77', qty: 1, price: 5.5 },
    ],
    total: 25.49 + (id % 100),
    currency: 'EUR',
    region: 'eu-central-1',
  };
}
