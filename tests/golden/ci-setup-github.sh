# Identities of contoso/models. Read the commands, then run them in a shell: az login first.
set -eu

# Where: accounts and state.
TENANT=$(az account show --query tenantId --output tsv)
ACCOUNT_1=/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-ai/providers/Microsoft.CognitiveServices/accounts/acme
STATE=$(az storage account show --name acmestate --query id --output tsv)/blobServices/default/containers/ftops

# A role that only reads the data plane.
az role definition create --role-definition "$(printf '{"Name": "ftops plan contoso models", "Description": "Reads what a plan of ftops compares", "Actions": [], "DataActions": ["Microsoft.CognitiveServices/accounts/OpenAI/files/read", "Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/read", "Microsoft.CognitiveServices/accounts/OpenAI/models/read"], "AssignableScopes": ["%s"]}' "${ACCOUNT_1%/providers/*}")"

# plan: plans and drift; reads only.
PLAN_APP=$(az ad app create --display-name 'ftops plan contoso/models' --query appId --output tsv)
PLAN_ID=$(az ad sp create --id "$PLAN_APP" --query id --output tsv)
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role Reader --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role 'ftops plan contoso models' --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$PLAN_ID" --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Reader' --scope "$STATE"
az ad app federated-credential create --id "$PLAN_APP" --parameters '{"name": "ftops-plan", "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:contoso/models:environment:ftops-plan", "audiences": ["api://AzureADTokenExchange"]}'

# apply-prod: apply and reconcile of prod.
APPLY_PROD_APP=$(az ad app create --display-name 'ftops apply-prod contoso/models' --query appId --output tsv)
APPLY_PROD_ID=$(az ad sp create --id "$APPLY_PROD_APP" --query id --output tsv)
az role assignment create --assignee-object-id "$APPLY_PROD_ID" --assignee-principal-type ServicePrincipal --role 'Cognitive Services OpenAI Contributor' --scope "$ACCOUNT_1"
az role assignment create --assignee-object-id "$APPLY_PROD_ID" --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Contributor' --scope "$STATE"
az ad app federated-credential create --id "$APPLY_PROD_APP" --parameters '{"name": "ftops-prod", "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:contoso/models:environment:ftops-prod", "audiences": ["api://AzureADTokenExchange"]}'
az ad app federated-credential create --id "$APPLY_PROD_APP" --parameters '{"name": "ftops-reconcile", "issuer": "https://token.actions.githubusercontent.com", "subject": "repo:contoso/models:environment:ftops-reconcile", "audiences": ["api://AzureADTokenExchange"]}'

# Environments. Then add required reviewers to ftops-prod in the settings of the repository: no self-review, no bypass for administrators.
printf %s '{"deployment_branch_policy": {"protected_branches": false, "custom_branch_policies": true}}' | gh api --method PUT repos/contoso/models/environments/ftops-plan --input -
gh api --method POST repos/contoso/models/environments/ftops-plan/deployment-branch-policies --raw-field name=main
gh api --method POST repos/contoso/models/environments/ftops-plan/deployment-branch-policies --raw-field name='refs/pull/*/merge'
printf %s '{"deployment_branch_policy": {"protected_branches": false, "custom_branch_policies": true}}' | gh api --method PUT repos/contoso/models/environments/ftops-prod --input -
gh api --method POST repos/contoso/models/environments/ftops-prod/deployment-branch-policies --raw-field name=main
printf %s '{"deployment_branch_policy": {"protected_branches": false, "custom_branch_policies": true}}' | gh api --method PUT repos/contoso/models/environments/ftops-reconcile --input -
gh api --method POST repos/contoso/models/environments/ftops-reconcile/deployment-branch-policies --raw-field name=main

# Variables. None of them is a secret.
gh variable set AZURE_TENANT_ID --repo contoso/models --body "$TENANT"
gh variable set FTOPS_STATE --repo contoso/models --body https://acmestate.blob.core.windows.net/ftops/models
gh variable set FTOPS_PLAN_CLIENT_ID --repo contoso/models --env ftops-plan --body "$PLAN_APP"
gh variable set FTOPS_APPLY_CLIENT_ID --repo contoso/models --env ftops-prod --body "$APPLY_PROD_APP"
gh variable set FTOPS_APPLY_CLIENT_ID --repo contoso/models --env ftops-reconcile --body "$APPLY_PROD_APP"
