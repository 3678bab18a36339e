// `npm run mock`: the built page with the mock server behind it. MOCK_ACCOUNTS=open: people sign in.
import { startMock } from './server.mjs';

const { url } = await startMock({
  port: Number(process.env.PORT ?? 0),
  pace: Number(process.env.MOCK_PACE ?? 1),
  ...(process.env.MOCK_ACCOUNTS ? { accounts: { registration: process.env.MOCK_ACCOUNTS } } : {}),
});
process.stdout.write(`${url}\n`);
