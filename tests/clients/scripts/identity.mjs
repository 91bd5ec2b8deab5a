// @azure/identity gets a token of the managed identity, and the control plane takes it: one line of JSON.
import { ManagedIdentityCredential } from "@azure/identity";

const { ENDPOINT, ACCOUNT_ID } = process.env;
const { token } = await new ManagedIdentityCredential().getToken("https://management.azure.com/.default");
const reply = await fetch(`${ENDPOINT}${ACCOUNT_ID}?api-version=2025-09-01`, {
  headers: { authorization: `Bearer ${token}` },
});
console.log(JSON.stringify({ status: reply.status, name: (await reply.json()).name }));
