// openai for JavaScript: chat completions and responses of a deployment.
const client = process.env.KIND === "v1" ? v1 : azure;
const model = "copilot";
const { messages, tools, schema, functions } = JSON.parse(process.env.QUESTIONS);
const chat = (text, more = {}) => ({ model, messages: [messages[0], { role: "user", content: text }], ...more });
const response = (text, more = {}) => ({ model, instructions: messages[0].content, input: text, ...more });
const text = async (stream) => {
  let found = "";
  for await (const chunk of stream) found += chunk.choices[0]?.delta?.content ?? "";
  return found;
};
const kinds = async (stream) => {
  const found = [];
  for await (const { type } of stream) if (type !== found.at(-1)) found.push(type);
  return found;
};

const hello = await client.chat.completions.create(chat("Say hello", { logprobs: true, top_logprobs: 2 }));
const call = await client.chat.completions.create(chat("make the light red", { tools }));
const format = { type: "json_schema", json_schema: { name: "sky", strict: true, schema } };
const sky = await client.chat.completions.parse(
  chat("Which colour is the sea? Answer in JSON.", { response_format: format }),
);
const said = await client.responses.create(response("Say hello"));
const called = await client.responses.create(response("make the light red", { tools: functions }));
const result = { type: "function_call_output", call_id: called.output[0].call_id, output: "done" };
const after = await client.responses.create(response([result], { previous_response_id: called.id }));
const kept = await client.responses.retrieve(said.id);
const gone = await client.responses.delete(said.id).then(() => client.responses.retrieve(said.id), String).catch(
  ({ status }) => status,
);
const refused = await client.chat.completions.create(chat("Say hello", { temperature: 3 })).catch(
  ({ status, param }) => [status, param],
);
console.log(
  JSON.stringify({
    hello: hello.choices[0].message.content,
    tokens: hello.choices[0].logprobs.content.map(({ token }) => token).join(""),
    stream: await text(await client.chat.completions.create(chat("Say hello", { stream: true }))),
    call: call.choices[0].message.tool_calls[0].function,
    sky: JSON.parse(sky.choices[0].message.content),
    said: said.output_text,
    called: called.output[0].arguments,
    previous: after.previous_response_id === called.id,
    kept: kept.output_text,
    gone,
    refused,
    kinds: await kinds(await client.responses.create(response("Say hello", { stream: true }))),
  }),
);
