// A real OpenID provider for tests, on a port of 127.0.0.1. Its state and its keys last as long as the process, so one that
// is started again has new keys. It asks for a name and takes any password.
//
// SETTINGS (JSON): { port, alg, clients: [{ id, secret, redirect }], accounts: { name: claims }, emailInIdToken }
//
// For tests only, under /test/: `PUT /test/tamper` with claims that the next ID tokens say instead, signed with the right
// key; `GET /test/counts` with how often each path was asked for.
import { createServer } from 'node:http';
import { SignJWT, decodeJwt, exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';

const settings = JSON.parse(process.env.SETTINGS);
const issuer = `http://127.0.0.1:${settings.port}`;
const alg = settings.alg ?? 'RS256';
const { privateKey } = await generateKeyPair(alg, { extractable: true });
const kid = crypto.randomUUID();
const jwk = { ...(await exportJWK(privateKey)), kid, alg, use: 'sig' };

const provider = new Provider(issuer, {
  clients: settings.clients.map(({ id, secret, redirect }) => ({
    client_id: id,
    client_secret: secret,
    redirect_uris: [redirect],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    id_token_signed_response_alg: alg,
  })),
  jwks: { keys: [jwk] },
  pkce: { required: () => true },
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: !settings.emailInIdToken,
  cookies: { keys: [crypto.randomUUID()] },
  features: { devInteractions: { enabled: true } },
  findAccount: (_, sub) => {
    const claims = settings.accounts[sub];
    return claims && { accountId: sub, claims: () => ({ sub, ...claims }) };
  },
});

let tamper = {};
const counts = {};
provider.use(async (ctx, next) => {
  counts[ctx.path] = (counts[ctx.path] ?? 0) + 1;
  await next();
  if (ctx.path !== '/token' || !ctx.body?.id_token || Object.keys(tamper).length === 0) return;
  const claims = { ...decodeJwt(ctx.body.id_token), ...tamper };
  const token = new SignJWT(claims).setProtectedHeader({ alg, kid });
  ctx.body = { ...ctx.body, id_token: await token.sign(privateKey) };
});

const read = async (request) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
};

const handle = provider.callback();
const server = createServer(async (request, response) => {
  if (request.url === '/test/tamper') {
    tamper = await read(request);
    response.end('{}');
  } else if (request.url === '/test/counts') {
    response.end(JSON.stringify(counts));
  } else {
    handle(request, response);
  }
});
server.listen(settings.port, '127.0.0.1', () => console.log(`provider is ready at ${issuer}`));
// Whoever started it has ended.
process.stdin.on('end', () => process.exit(0)).resume();
