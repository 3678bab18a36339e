// `npm run dev:mock`: the page with hot reloading, and the mock server behind it.
import { createServer } from 'vite';
import { startMock } from './server.mjs';

const registration = process.env.MOCK_ACCOUNTS;
const mock = await startMock(registration ? { accounts: { registration } } : {});
process.env.NOTEBOOK_API = mock.url;
const vite = await createServer();
await vite.listen();
vite.printUrls();
