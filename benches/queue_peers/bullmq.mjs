// BullMQ on a Redis: jobs a second to store and to do. `node bullmq.mjs PORT JOBS AT_ONCE`
import { Queue, Worker } from "bullmq";

const [port, jobs, atOnce] = process.argv.slice(2).map(Number);
const connection = { host: "127.0.0.1", port };
const name = `bench-${atOnce}`;
const queue = new Queue(name, { connection });
await queue.waitUntilReady();

let started = performance.now();
const perCall = atOnce > 4 ? atOnce : 1;
const callers = 4;
await Promise.all(
  Array.from({ length: callers }, async () => {
    for (let stored = 0; stored < jobs / callers; stored += perCall) {
      if (perCall === 1) await queue.add("empty", {});
      else await queue.addBulk(Array.from({ length: perCall }, () => ({ name: "empty", data: {} })));
    }
  }),
);
const insert = jobs / ((performance.now() - started) / 1000);

let done = 0;
started = performance.now();
const worker = new Worker(name, async () => null, { connection, concurrency: atOnce, autorun: false });
await new Promise((resolve) => {
  worker.on("completed", () => {
    done += 1;
    if (done >= jobs) resolve();
  });
  worker.run();
});
// What an event says is stored already; this is what the others are asked too.
while ((await queue.getCompletedCount()) < jobs) await new Promise((resolve) => setTimeout(resolve, 1));
const work = jobs / ((performance.now() - started) / 1000);
console.log(JSON.stringify({ insert, work }));
await worker.close();
await queue.close();
