// Plumbing of the mock server: bodies, problems, static files.
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

export class Refusal extends Error {
  constructor(status, code, detail, field, labels) {
    super(detail);
    Object.assign(this, { status, code, detail, field, labels });
  }
}

export async function readBody(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return Buffer.concat(chunks);
}

export async function readJson(req) {
  try {
    return JSON.parse((await readBody(req)).toString('utf8'));
  } catch {
    throw new Refusal(400, 'invalid_json', 'The body is not JSON.');
  }
}

/** The one file of a form. */
export function multipart(type, body) {
  const boundary = /boundary="?([^";]+)"?/.exec(type)?.[1];
  if (!boundary) throw new Refusal(415, 'not_multipart', 'Send the file as multipart/form-data.', 'file');
  const start = body.indexOf('\r\n\r\n') + 4;
  const head = body.subarray(0, start).toString('utf8');
  const end = body.lastIndexOf(`\r\n--${boundary}--`);
  const name = /filename="((?:[^"\\]|\\.)*)"/.exec(head)?.[1] ?? 'file';
  return { name, data: body.subarray(start, end) };
}

/** What the real server sends: the page must work under it. */
export const policy =
  "default-src 'self'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};
const root = fileURLToPath(new URL('../dist/', import.meta.url));

export async function serveFile(path, res) {
  const wanted =
    path === '/docs'
      ? 'docs.html'
      : extname(path)
        ? normalize(path).replace(/^(\.\.[/\\])+/, '')
        : 'index.html';
  try {
    const data = await readFile(join(root, wanted));
    res.writeHead(200, {
      'content-type': types[extname(wanted)] ?? 'application/octet-stream',
      'content-security-policy': policy,
      'x-content-type-options': 'nosniff',
    });
    res.end(data);
  } catch {
    res.writeHead(404, { 'content-type': 'text/plain' });
    res.end('Not found. Run `npm run build` first.');
  }
}
