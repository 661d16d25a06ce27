export {
  memoryStore,
  type MemoryStore,
  type MemoryStoreOptions,
  type StoreOperation,
  type StoreOperationKind,
  type StorePlan,
} from './memoryStore';
export { memoryWal, type MemoryWalOptions } from './memoryWal';
export { fault, marblePlan, type MarbleTimeline } from './marblePlan';
export { virtualTime } from './virtualTime';
