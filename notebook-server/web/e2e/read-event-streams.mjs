// Reads event streams as the page does: one hex-encoded stream a line on standard input, one JSON
// list of its events a line on standard output. For the Rust encoder's test against a peer.
import { createInterface } from 'node:readline';
import { createParser } from 'eventsource-parser';

/** The chunks' lengths, in turn: they cut lines, CRLF and characters. */
const steps = [1, 2, 3, 5, 7];

for await (const line of createInterface({ input: process.stdin })) {
  const bytes = Buffer.from(line, 'hex');
  const events = [];
  let failure;
  const parser = createParser({
    onEvent: ({ event, data, id }) => events.push({ event, data, id }),
    onError: (error) => (failure = String(error)),
  });
  const decoder = new TextDecoder();
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + steps[turn % steps.length];
    parser.feed(decoder.decode(bytes.subarray(at, end), { stream: true }));
    at = end;
  }
  console.log(JSON.stringify({ events, failure }));
}
