// #region powerCuts-code
import { lastValueFrom } from 'rxjs';
import { recoverWal, type SegmentStore, type Wal } from 'rxwal';

interface Move {
  readonly account: string;
  readonly amount: number;
}

/** Balances in memory, every change of them in a log. */
class Accounts {
  readonly #balances = new Map<string, number>();

  private constructor(private readonly wal: Wal<Move>) {}

  static async open(store: SegmentStore): Promise<Accounts> {
    const accounts = new Accounts(await lastValueFrom(recoverWal<Move>(store)));
    await accounts.wal.read().forEach(({ value }) => {
      accounts.#apply(value);
    });
    return accounts;
  }

  /** Resolves once the deposit cannot be lost any more. */
  async deposit(account: string, amount: number): Promise<void> {
    const move: Move = { account, amount };
    await this.wal.append(move);
    this.#apply(move);
  }

  balance(account: string): number {
    return this.#balances.get(account) ?? 0;
  }

  close(): Promise<void> {
    return this.wal.close();
  }

  #apply({ account, amount }: Move): void {
    this.#balances.set(account, this.balance(account) + amount);
  }
}
// #endregion powerCuts-code

// #region powerCuts
import assert from 'node:assert/strict';
import { powerCuts, type PowerCutReport, type PowerCutTest } from 'rxwal/testing';

/** Six deposits, each promised when it is confirmed. After a power cut at any moment all that were promised must be there. */
const keepsDeposits: PowerCutTest<number> = {
  async use(disk, promise) {
    const accounts = await Accounts.open(disk);
    for (let amount = 1; amount <= 6; amount += 1) {
      await accounts.deposit('alice', amount);
      promise(amount);
    }
    await accounts.close();
  },
  async check(disk, promises) {
    const accounts = await Accounts.open(disk);
    const promised = promises.reduce((sum, amount) => sum + amount, 0);
    assert.ok(accounts.balance('alice') >= promised, `${promised} was promised, ${accounts.balance('alice')} is there`);
    await accounts.deposit('bob', 1); // and it goes on
    await accounts.close();
  },
};

/** The same, but for a store that confirms before it has waited. */
const confirmsTooEarly: PowerCutTest<number> = {
  ...keepsDeposits,
  async use(disk, promise) {
    const accounts = await Accounts.open(disk);
    for (let amount = 1; amount <= 6; amount += 1) {
      const deposited = accounts.deposit('alice', amount);
      promise(amount);
      await deposited;
    }
    await accounts.close();
  },
};
// #endregion powerCuts

export async function main(): Promise<void> {
  const report: PowerCutReport = await powerCuts(keepsDeposits, { states: 50 });
  console.log(`kept every promise in ${report.distinct} states, and in ${report.nested} cut again while it recovered`);
  const violation: unknown = await powerCuts(confirmsTooEarly, { states: 50 }).catch((error: unknown) => error);
  console.log((violation as Error).message);
}

if (require.main === module) void main();
