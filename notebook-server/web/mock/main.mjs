// `npm run mock`: the built page with the mock server behind it.
import { startMock } from './server.mjs';

const { url } = await startMock({
  port: Number(process.env.PORT ?? 0),
  pace: Number(process.env.MOCK_PACE ?? 1),
});
process.stdout.write(`${url}\n`);
