export { serveWal, type ServeWalOptions, type WalPage } from './serveWal';
