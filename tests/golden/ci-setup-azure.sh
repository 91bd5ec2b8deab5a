# Identities of contoso/my project/models. Read the commands, then run them in a shell: az login first.
set -eu

# Where: accounts and state.
TENANT=$(az account show --query tenantId --output tsv)
ACCOUNT_1=/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/acme
STATE=$(az storage account show --name acmestate --query id --output tsv)/blobServices/default/containers/ftops

# A role that only reads the data plane.
az role definition create --role-definition "$(printf '{"Name": "ftops plan contoso my project models", "Description": "Reads what a plan of ftops compares", "Actions": [], "DataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/files/read", "Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/read", "Microsoft.CognitiveServices/accounts/OpenAI/models/read"], "AssignableScopes": ["%s"]}' "${ACCOUNT_1%/providers/*}")"

# plan: plans and drift; reads only.
PLAN_APP=$(az ad app create --display-name 'ftops plan contoso/my project/models' --query appId --output tsv)
PLAN_ID=$(az ad sp create --id "$PLAN_APP" --query id --output tsv)
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role Reader --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role 'ftops plan contoso my project models' --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Reader' --scope "$STATE"
SUBSCRIPTION=$(printf %s "$ACCOUNT_1" | cut -d / -f 3)
PROJECT=$(az devops project show --organization https://dev.azure.com/contoso --project 'my project' --query id --output tsv)
printf %s "$(printf '{"data": {"subscriptionId": "%s", "subscriptionName": "%s", "environment": "AzureCloud", "scopeLevel": "Subscription", "creationMode": "Manual"}, "name": "ftops-plan", "type": "AzureRM", "url": "https://management.azure.com/", "authorization": {"parameters": {"tenantid": "%s", "serviceprincipalid": "%s"}, "scheme": "WorkloadIdentityFederation"}, "isShared": false, "isReady": true, "serviceEndpointProjectReferences": [{"projectReference": {"id": "%s", "name": "my project"}, "name": "ftops-plan"}]}' "$SUBSCRIPTION" "$SUBSCRIPTION" "$TENANT" "$PLAN_APP" "$PROJECT")" > ftops-plan.json
PLAN_CONNECTION=$(az devops service-endpoint create --organization https://dev.azure.com/contoso --project 'my project' --service-endpoint-configuration ftops-plan.json --query id --output tsv)
PLAN_ISSUER=$(az devops service-endpoint show --organization https://dev.azure.com/contoso --project 'my project' --id "$PLAN_CONNECTION" --output tsv --query authorization.parameters.workloadIdentityFederationIssuer)
PLAN_SUBJECT=$(az devops service-endpoint show --organization https://dev.azure.com/contoso --project 'my project' --id "$PLAN_CONNECTION" --output tsv --query authorization.parameters.workloadIdentityFederationSubject)
az ad app federated-credential create --id "$PLAN_APP" --parameters "$(printf '{"name": "ftops-plan", "issuer": "%s", "subject": "%s", "audiences": ["api://AzureADTokenExchange"]}' "$PLAN_ISSUER" "$PLAN_SUBJECT")"

# apply-prod: apply and reconcile of prod.
APPLY_PROD_APP=$(az ad app create --display-name 'ftops apply-prod contoso/my project/models' --query appId --output tsv)
APPLY_PROD_ID=$(az ad sp create --id "$APPLY_PROD_APP" --query id --output tsv)
az role assignment create --assignee-object-id "$APPLY_PROD_ID" --assignee-principal-type ServicePrincipal --role 'Cognitive Services OpenAI Contributor' --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$APPLY_PROD_ID" --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Contributor' --scope "$STATE"
SUBSCRIPTION=$(printf %s "$ACCOUNT_1" | cut -d / -f 3)
PROJECT=$(az devops project show --organization https://dev.azure.com/contoso --project 'my project' --query id --output tsv)
printf %s "$(printf '{"data": {"subscriptionId": "%s", "subscriptionName": "%s", "environment": "AzureCloud", "scopeLevel": "Subscription", "creationMode": "Manual"}, "name": "ftops-apply", "type": "AzureRM", "url": "https://management.azure.com/", "authorization": {"parameters": {"tenantid": "%s", "serviceprincipalid": "%s"}, "scheme": "WorkloadIdentityFederation"}, "isShared": false, "isReady": true, "serviceEndpointProjectReferences": [{"projectReference": {"id": "%s", "name": "my project"}, "name": "ftops-apply"}]}' "$SUBSCRIPTION" "$SUBSCRIPTION" "$TENANT" "$APPLY_PROD_APP" "$PROJECT")" > ftops-apply.json
APPLY_PROD_CONNECTION=$(az devops service-endpoint create --organization https://dev.azure.com/contoso --project 'my project' --service-endpoint-configuration ftops-apply.json --query id --output tsv)
APPLY_PROD_ISSUER=$(az devops service-endpoint show --organization https://dev.azure.com/contoso --project 'my project' --id "$APPLY_PROD_CONNECTION" --output tsv --query authorization.parameters.workloadIdentityFederationIssuer)
APPLY_PROD_SUBJECT=$(az devops service-endpoint show --organization https://dev.azure.com/contoso --project 'my project' --id "$APPLY_PROD_CONNECTION" --output tsv --query authorization.parameters.workloadIdentityFederationSubject)
az ad app federated-credential create --id "$APPLY_PROD_APP" --parameters "$(printf '{"name": "ftops-apply", "issuer": "%s", "subject": "%s", "audiences": ["api://AzureADTokenExchange"]}' "$APPLY_PROD_ISSUER" "$APPLY_PROD_SUBJECT")"

# The pipeline, and where its state is.
az pipelines create --organization https://dev.azure.com/contoso --project 'my project' --name ftops --repository models --repository-type tfsgit --branch main --yml-path .azure-pipelines/ftops.yml --skip-first-run true
az pipelines variable create --organization https://dev.azure.com/contoso --project 'my project' --pipeline-name ftops --name FTOPS_STATE --value https://acmestate.blob.core.windows.net/ftops/models

# By hand, in the settings of the project: an approval for ftops-prod; branch control (main only) and an exclusive lock for the service connection ftops-apply; a policy of the branch main that runs the pipeline.
