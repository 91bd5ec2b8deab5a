# Identities of contoso/ai/models. Read the commands, then run them in a shell: az login first.
set -eu

# Where: accounts and state.
TENANT=$(az account show --query tenantId --output tsv)
ACCOUNT_1=/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/acme
STATE=$(az storage account show --name acmestate --query id --output tsv)/blobServices/default/containers/ftops

# A role that only reads the data plane.
az role definition create --role-definition "$(printf '{"Name": "ftops plan contoso ai models", "Description": "Reads what a plan of ftops compares", "Actions": [], "DataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/files/read", "Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/read", "Microsoft.CognitiveServices/accounts/OpenAI/models/read"], "AssignableScopes": ["%s"]}' "${ACCOUNT_1%/providers/*}")"

# plan: plans and drift; reads only.
PLAN_APP=$(az ad app create --display-name 'ftops plan contoso/ai/models' --query appId --output tsv)
PLAN_ID=$(az ad sp create --id "$PLAN_APP" --query id --output tsv)
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role Reader --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role 'ftops plan contoso ai models' --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Reader' --scope "$STATE"
az ad app federated-credential create --id "$PLAN_APP" --parameters '{"name": "protected-branch", "issuer": "https://gitlab.com", "subject": "project_path:contoso/ai/models:ref_type:branch:ref:main", "audiences": ["api://AzureADTokenExchange"]}'

# apply-prod: apply and reconcile of prod.
APPLY_PROD_APP=$(az ad app create --display-name 'ftops apply-prod contoso/ai/models' --query appId --output tsv)
APPLY_PROD_ID=$(az ad sp create --id "$APPLY_PROD_APP" --query id --output tsv)
az role assignment create --assignee-object-id "$APPLY_PROD_ID" --assignee-principal-type ServicePrincipal --role 'Cognitive Services OpenAI Contributor' --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$APPLY_PROD_ID" --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Contributor' --scope "$STATE"
az ad app federated-credential create --id "$APPLY_PROD_APP" --parameters '{"name": "protected-branch", "issuer": "https://gitlab.com", "subject": "project_path:contoso/ai/models:ref_type:branch:ref:main", "audiences": ["api://AzureADTokenExchange"]}'

# Variables. Add FTOPS_CI_TOKEN likewise, masked, for ftops-*: a project access token with the role Developer and the scope api.
glab variable set AZURE_TENANT_ID "$TENANT" --repo contoso/ai/models
glab variable set FTOPS_STATE https://acmestate.blob.core.windows.net/ftops/models --repo contoso/ai/models
glab variable set FTOPS_PLAN_CLIENT_ID "$PLAN_APP" --scope ftops-plan --repo contoso/ai/models
glab variable set FTOPS_APPLY_CLIENT_ID "$APPLY_PROD_APP" --scope ftops-prod --repo contoso/ai/models
glab variable set FTOPS_APPLY_CLIENT_ID "$APPLY_PROD_APP" --scope ftops-reconcile --repo contoso/ai/models

# Schedules.
glab schedule create --cron '7,27,47 * * * *' --description 'ftops reconcile' --ref main --variable FTOPS_SCHEDULE:reconcile --repo contoso/ai/models
glab schedule create --cron '23 5 * * *' --description 'ftops drift' --ref main --variable FTOPS_SCHEDULE:drift --repo contoso/ai/models

# Maintainers approve each apply (needs GitLab Premium).
printf %s '{"name": "ftops-prod", "deploy_access_levels": [{"access_level": 40}], "approval_rules": [{"access_level": 40}]}' | glab api --method POST projects/contoso%2Fai%2Fmodels/protected_environments --header 'Content-Type: application/json' --input -

# Jobs run in the order of merges; after the first one has run.
glab api --method PUT projects/contoso%2Fai%2Fmodels/resource_groups/ftops-prod --field process_mode=oldest_first
