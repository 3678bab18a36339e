/**
 * Public clients of the Model Context Protocol against a server: the one of the 2025 revisions and the one of the current revision.
 * Run by `notebook-server/tests/mcp.rs`, which gives the settings as JSON and expects the exit status 0.
 */
import assert from 'node:assert/strict';

import {
  Client as NewClient,
  StreamableHTTPClientTransport as NewTransport,
} from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const { url, key, reader, notebook, source, question, answer, foreign } = JSON.parse(process.argv[2]);

async function connect(Client, Transport, token) {
  const client = new Client({ name: 'test', version: '1.0.0' });
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(new Transport(new URL(`${url}/mcp`), { requestInit }));
  return client;
}

async function check(Client, Transport) {
  const client = await connect(Client, Transport, key);
  assert.ok(client.getInstructions().includes('sources'));
  const { tools } = await client.listTools();
  const names = tools.map((tool) => tool.name).sort();
  assert.deepEqual(names, [
    'ask_notebook',
    'list_notebooks',
    'list_sources',
    'read_source',
    'search_notebook',
  ]);
  const call = async (name, args) => {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, JSON.stringify(result));
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
    return result.structuredContent;
  };
  const fails = async (name, args, word) => {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(result.isError && result.content[0].text.includes(word), JSON.stringify(result));
    return result.content[0].text;
  };

  const { notebooks } = await call('list_notebooks', {});
  assert.deepEqual(notebooks, [{ id: notebook, name: 'Rivers' }]);
  const { sources } = await call('list_sources', { notebook });
  assert.equal(sources[0].id, source);
  const { passages } = await call('search_notebook', { notebook, question, limit: 3 });
  assert.ok(passages[0].text.includes(answer), JSON.stringify(passages));
  const { start, end, text } = passages[0];
  const read = await call('read_source', { source, start, bytes: end - start });
  assert.equal(read.text, text);
  const asked = await call('ask_notebook', { notebook, question });
  assert.ok(asked.answer.includes(answer));
  assert.ok(asked.citations[0].citation.quote.includes(answer));

  // What is another's is what is not there.
  const nobody = '01900000-0000-7000-8000-000000000000';
  for (const [name, field, id] of [
    ['list_sources', 'notebook', foreign.notebook],
    ['search_notebook', 'notebook', foreign.notebook],
    ['ask_notebook', 'notebook', foreign.notebook],
    ['read_source', 'source', foreign.source],
  ]) {
    const more = field === 'notebook' && name !== 'list_sources' ? { question } : {};
    const said = await fails(name, { [field]: id, ...more }, 'There is no such');
    assert.equal(said, await fails(name, { [field]: nobody, ...more }, 'There is no such'));
  }
  await fails('search_notebook', { notebook, question, limit: 1000 }, 'limit');
  await fails('read_source', { source, start: 1e9 }, 'bytes');
  await fails('read_source', { source: 'x' }, 'arguments');
  await assert.rejects(client.callTool({ name: 'no_such_tool', arguments: {} }));

  const { resources } = await client.listResources();
  assert.deepEqual(
    resources.map((resource) => resource.uri),
    [`notebook://sources/${source}`],
  );
  const { contents } = await client.readResource({ uri: resources[0].uri });
  assert.ok(contents[0].text.includes(answer));
  await assert.rejects(client.readResource({ uri: `notebook://sources/${foreign.source}` }));
  const templates = await client.listResourceTemplates();
  assert.equal(templates.resourceTemplates[0].uriTemplate, 'notebook://sources/{id}');
  await client.close();

  // A key that may only read is offered nothing else, and gets nothing else.
  const reading = await connect(Client, Transport, reader);
  const offered = await reading.listTools();
  assert.ok(!offered.tools.some((tool) => tool.name === 'ask_notebook'));
  const refused = await reading.callTool({ name: 'ask_notebook', arguments: { notebook, question } });
  assert.ok(refused.isError && refused.content[0].text.includes('chat'), JSON.stringify(refused));
  await reading.close();
  await assert.rejects(connect(Client, Transport, 'nbk_wrong'));
}

for (const [name, Client, Transport] of [
  ['sdk', OldClient, OldTransport],
  ['client', NewClient, NewTransport],
]) {
  await check(Client, Transport);
  console.log(`${name}: good`);
}
