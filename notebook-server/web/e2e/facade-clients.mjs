/**
 * The vendors' own client libraries against a server: OpenAI's for chat completions, responses, embeddings and models, and the AI
 * SDK's transport for its UI message stream. Run by `notebook-server/tests/facades.rs`, which gives the settings as JSON and expects
 * the exit status 0.
 */
import assert from 'node:assert/strict';

import { DefaultChatTransport, readUIMessageStream } from 'ai';
import OpenAI from 'openai';

const { url, key, notebook, conversation, question, answer, embedding } = JSON.parse(process.argv[2]);
const headers = { Authorization: `Bearer ${key}` };
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const model = `notebook:${notebook}`;
const asked = { role: 'user', content: question };

const get = async (path) => {
  const reply = await fetch(`${url}${path}`, { headers });
  assert.equal(reply.status, 200, path);
  return reply.json();
};
const conversations = async () => (await get(`/api/notebooks/${notebook}/conversations`)).items.length;

/** The cited words, read from where the citation points. */
async function checkCitation(citation) {
  const { source, span, quote } = citation;
  const passage = await get(`/api/sources/${source}/passage?start=${span.start}&end=${span.end}`);
  assert.ok(JSON.stringify(passage).includes(JSON.stringify(quote).slice(1, -1)), JSON.stringify(passage));
  assert.ok(quote.includes(answer), quote);
}

async function models() {
  const list = await client.models.list();
  assert.ok(list.data.some((item) => item.id === model));
  assert.equal((await client.models.retrieve(model)).id, model);
}

async function completions() {
  const before = await conversations();
  const whole = await client.chat.completions.create({ model, messages: [asked], temperature: 0 });
  const [{ message, finish_reason: reason }] = whole.choices;
  assert.ok(message.content.includes(answer), message.content);
  assert.equal(reason, 'stop');
  assert.ok(whole.usage.total_tokens > 0);
  const [annotation] = message.annotations;
  assert.equal(annotation.type, 'url_citation');
  assert.equal((await fetch(annotation.url_citation.url, { headers })).status, 200);
  await checkCitation(annotation.citation);

  // The client's history is that of a conversation: it goes on there.
  const messages = [asked, { role: 'assistant', content: message.content }, asked];
  const stream = await client.chat.completions.create({
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let [text, ended, usage, citations] = ['', null, null, 0];
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? '';
    citations += chunk.choices[0]?.delta.annotations?.length ?? 0;
    ended = chunk.choices[0]?.finish_reason ?? ended;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, message.content);
  assert.equal(ended, 'stop');
  assert.ok(citations > 0 && usage.completion_tokens > 0);
  assert.equal(await conversations(), before + 1);

  // A history that nobody knows is read as it is given.
  const invented = [{ role: 'user', content: 'Hello?' }, { role: 'assistant', content: 'Hello!' }, asked];
  await client.chat.completions.create({ model, messages: invented });
  assert.equal(await conversations(), before + 2);

  // What is not to be kept is not kept.
  await client.chat.completions.create({ model, messages: [asked], store: false });
  const unkept = await client.chat.completions.create({
    model,
    messages: [asked],
    store: false,
    stream: true,
  });
  for await (const chunk of unkept) assert.ok(chunk.id);
  assert.equal(await conversations(), before + 2);
}

async function errors() {
  const fails = (kind, request, param) =>
    assert.rejects(client.chat.completions.create(request), (error) => {
      assert.ok(error instanceof kind, `${error}`);
      assert.equal(error.param, param);
      assert.ok(error.message.length > 10);
      return true;
    });
  await fails(OpenAI.NotFoundError, { model: 'gpt-5', messages: [asked] }, 'model');
  await fails(OpenAI.UnprocessableEntityError, { model, messages: [] }, 'messages');
  const tools = [{ type: 'function', function: { name: 'f', parameters: {} } }];
  await fails(OpenAI.UnprocessableEntityError, { model, messages: [asked], tools }, 'tools');
  await fails(OpenAI.UnprocessableEntityError, { model, messages: [asked], n: 2 }, 'n');
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'nbk_wrong', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(client.responses.retrieve('resp_nothing'), OpenAI.NotFoundError);
}

async function responses() {
  const first = await client.responses.create({ model, input: question, instructions: 'Be brief.' });
  assert.equal(first.status, 'completed');
  assert.ok(first.output_text.includes(answer), first.output_text);
  const [annotation] = first.output[0].content[0].annotations;
  assert.equal(annotation.type, 'file_citation');
  await checkCitation(annotation.citation);

  const before = await conversations();
  const stream = client.responses.stream({ model, input: [asked], previous_response_id: first.id });
  let [deltas, seen] = ['', new Set()];
  stream.on('event', (event) => seen.add(event.type));
  stream.on('response.output_text.delta', (event) => (deltas += event.delta));
  const last = await stream.finalResponse();
  assert.equal(last.output_text, deltas);
  assert.equal(last.output_text, first.output_text);
  assert.ok(last.usage.total_tokens > 0);
  for (const name of [
    'created',
    'output_item.added',
    'output_text.annotation.added',
    'output_item.done',
    'completed',
  ]) {
    assert.ok(seen.has(`response.${name}`), name);
  }
  assert.equal(await conversations(), before);
  const again = await client.responses.retrieve(last.id);
  assert.deepEqual([again.output_text, again.status], [last.output_text, 'completed']);
  assert.equal((await client.responses.cancel(last.id)).status, 'completed');
}

async function embeddings() {
  const input = ['The first text.', 'Another one.'];
  // The client asks for base64 by itself.
  const packed = await client.embeddings.create({ model: embedding, input });
  const plain = await client.embeddings.create({ model: embedding, input, encoding_format: 'float' });
  assert.equal(packed.data.length, 2);
  for (const [at, { embedding: vector }] of packed.data.entries()) {
    assert.equal(vector.length, 384);
    const length = Math.hypot(...vector);
    assert.ok(Math.abs(length - 1) < 1e-3, `${length}`);
    vector.forEach((number, place) => assert.ok(Math.abs(number - plain.data[at].embedding[place]) < 1e-6));
  }
  await assert.rejects(client.embeddings.create({ model: 'another', input }), OpenAI.NotFoundError);
}

async function uiMessages() {
  const transport = new DefaultChatTransport({
    api: `${url}/api/conversations/${conversation}/ui-messages`,
    headers,
  });
  const messages = [{ id: 'one', role: 'user', parts: [{ type: 'text', text: question }] }];
  const stream = await transport.sendMessages({ trigger: 'submit-message', chatId: 'chat', messages });
  let message;
  for await (const state of readUIMessageStream({ stream })) message = state;
  const text = message.parts.find((part) => part.type === 'text');
  assert.ok(text.text.includes(answer), text.text);
  assert.equal(text.state, 'done');
  const source = message.parts.find((part) => part.type === 'source-document');
  await checkCitation(source.providerMetadata.notebook.citation);
  await checkCitation(message.parts.find((part) => part.type === 'data-citation').data);
  assert.ok(message.metadata.run && message.metadata.usage);
  // Nothing is being made any more.
  assert.equal(await transport.reconnectToStream({ chatId: 'chat' }), null);
  const again = await transport.sendMessages({ trigger: 'regenerate-message', chatId: 'chat', messages });
  for await (const state of readUIMessageStream({ stream: again })) message = state;
  assert.ok(message.parts.some((part) => part.type === 'text' && part.text === text.text));
}

for (const check of [models, completions, errors, responses, embeddings, uiMessages]) {
  await check();
  console.log(`${check.name}: good`);
}
