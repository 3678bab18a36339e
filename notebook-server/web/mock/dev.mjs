// `npm run dev:mock`: the page with hot reloading, and the mock server behind it.
import { createServer } from 'vite';
import { startMock } from './server.mjs';

const mock = await startMock();
process.env.NOTEBOOK_API = mock.url;
const vite = await createServer();
await vite.listen();
vite.printUrls();
