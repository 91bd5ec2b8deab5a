// openai for JavaScript: a file, a job, its events and checkpoints.
import fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

const client = process.env.KIND === "v1" ? v1 : azure;

async function until(read, isDone) {
  for (;;) {
    const found = await read();
    if (isDone(found)) return found;
    await pause(100);
  }
}

const created = await client.files.create({ file: fs.createReadStream(process.env.DATA), purpose: "fine-tune" });
const file = await until(() => client.files.retrieve(created.id), ({ status }) => status === "processed");
const request = { model: "gpt-4o-mini-2024-07-18", training_file: file.id, trainingType: "Standard" };
const { id } = await client.fineTuning.jobs.create({ ...request, hyperparameters: { n_epochs: 3 } });
const job = await until(() => client.fineTuning.jobs.retrieve(id), ({ status }) => status === "succeeded");
const events = await client.fineTuning.jobs.listEvents(id, { limit: 100 });
const checkpoints = await client.fineTuning.jobs.checkpoints.list(id);
const files = [];
for await (const one of client.files.list()) {
  files.push(one.id);
  if (files.length > 20) break;
}
console.log(
  JSON.stringify({
    bytes: [created.bytes, file.bytes],
    model: job.fine_tuned_model,
    events: events.data.map(({ message }) => message),
    steps: checkpoints.data.map(({ step_number }) => step_number),
    listed: files.includes(file.id),
    content: (await (await client.files.content(file.id)).text()).length,
    deleted: (await client.files.delete(file.id)).deleted,
  }),
);
