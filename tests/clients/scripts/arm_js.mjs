// What @azure/arm-cognitiveservices does with an account and its deployments: one line of JSON.
import { CognitiveServicesManagementClient } from "@azure/arm-cognitiveservices";
import { ClientSecretCredential } from "@azure/identity";

const { ENDPOINT, SUBSCRIPTION, CLIENT_ID, CLIENT_SECRET } = process.env;
const credential = new ClientSecretCredential("acme.example", CLIENT_ID, CLIENT_SECRET, {
  authorityHost: ENDPOINT,
  disableInstanceDiscovery: true,
});
const client = new CognitiveServicesManagementClient(credential, SUBSCRIPTION, {
  endpoint: ENDPOINT,
  credentialScopes: ["https://management.azure.com/.default"],
});
const place = ["rg-emulator", "emulator"];

async function all(pages) {
  const rows = [];
  for await (const row of pages) rows.push(row);
  return rows;
}

async function refusal(call) {
  try {
    await call();
    return null;
  } catch (error) {
    return [error.statusCode, error.code];
  }
}

const body = (capacity) => ({
  sku: { name: "Standard", capacity },
  properties: { model: { format: "OpenAI", name: "gpt-4o-mini", version: "2024-07-18" } },
});
const { deployments, accounts } = client;
const made = await deployments.beginCreateOrUpdateAndWait(...place, "base", body(2));
const changed = await deployments.beginUpdateAndWait(...place, "base", { sku: { name: "Standard", capacity: 5 } });
const found = await deployments.get(...place, "base");
const listed = (await all(deployments.list(...place))).map((row) => row.name);
const skus = (await all(deployments.listSkus(...place, "base"))).map((row) => row.sku.name);
await deployments.beginDeleteAndWait(...place, "base");

console.log(
  JSON.stringify({
    states: [made, changed, found].map((row) => [row.properties.provisioningState, row.sku.capacity]),
    listed,
    skus,
    left: await all(deployments.list(...place)),
    missing: await refusal(() => deployments.get(...place, "base")),
    refused: await refusal(() => deployments.beginCreateOrUpdateAndWait(...place, "base", body(0))),
    endpoint: (await accounts.get(...place)).properties.endpoint,
    accounts: (await all(accounts.list())).map((row) => row.name),
    keys: await accounts.listKeys(...place),
    models: (await all(accounts.listModels(...place))).map((row) => row.name),
    usages: (await accounts.listUsages(...place)).value.map((row) => row.name.value),
    locationModels: (await all(client.models.list("swedencentral"))).map((row) => row.model.name),
    locationUsages: (await all(client.usages.list("swedencentral"))).map((row) => row.name.value),
    capacities: (await all(client.modelCapacities.list("OpenAI", "gpt-4o-mini", "2024-07-18"))).map((row) => row.name),
    policies: (await all(client.raiPolicies.list(...place))).map((row) => row.name),
    domain: (await client.checkDomainAvailability("emulator", "Microsoft.CognitiveServices/accounts"))
      .isSubdomainAvailable,
  }),
);
