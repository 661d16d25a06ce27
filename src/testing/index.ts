export {
  memoryStore,
  type MemoryStore,
  type MemoryStoreOptions,
  type StoreOperation,
  type StoreOperationKind,
  type StorePlan,
} from './memoryStore';
