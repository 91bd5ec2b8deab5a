#!/usr/bin/env bash
# Customize a model by REST: curl alone, after the service's how-to. Needs in the environment:
# AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY, MANAGEMENT_ENDPOINT, SUBSCRIPTION, RESOURCE_GROUP,
# RESOURCE_NAME, TOKEN; PAUSE (seconds between two looks) and PYTHON are optional.
set -euo pipefail
pause=${PAUSE:-10}
old=2023-12-01-preview
new=2024-10-21

call() { # call METHOD PATH?QUERY [curl's arguments]: the body, or the end of the script
  local method=$1 path=$2
  shift 2
  curl -sS --fail-with-body -X "$method" "$AZURE_OPENAI_ENDPOINT/openai/$path" \
    -H "api-key: $AZURE_OPENAI_API_KEY" "$@"
}

field() { # field EXPRESSION: of the JSON object on stdin, called `it`
  "${PYTHON:-python3}" -c "import json, sys; it = json.load(sys.stdin); print($1)"
}

for number in $(seq 1 12); do
  printf '{"messages": [{"role": "user", "content": "Gate %s?"}, {"role": "assistant", "content": "Open."}]}\n' \
    "$number"
done > training_set.jsonl
cp training_set.jsonl validation_set.jsonl

ids=()
for name in training_set validation_set; do
  ids+=("$(call POST "files?api-version=$old" -H "Content-Type: multipart/form-data" \
    -F "purpose=fine-tune" -F "file=@$name.jsonl;type=application/json" | field 'it["id"]')")
done

ended() { # ended JOB: waits for its end, and says which
  local status=pending
  while [[ $status == pending || $status == running ]]; do
    sleep "$pause"
    status=$(call GET "fine_tuning/jobs/$1?api-version=$new" | field 'it["status"]')
  done
  echo "$status"
}

job=$(call POST "fine_tuning/jobs?api-version=$new" -H "Content-Type: application/json" -d '{
  "model": "gpt-35-turbo-0125", "training_file": "'"${ids[0]}"'", "validation_file": "'"${ids[1]}"'", "seed": 105
}' | field 'it["id"]')
[[ $(ended "$job") == succeeded ]]

call POST "fine_tuning/jobs/$job/events?api-version=$new" | field 'len(it["data"])'
call POST "fine_tuning/jobs/$job/checkpoints?api-version=$new" | field '[c["step_number"] for c in it["data"]]'
whole=$(call GET "fine_tuning/jobs/$job?api-version=$old")
result=$(field 'it["result_files"][0]' <<< "$whole")
model=$(field 'it["fine_tuned_model"]' <<< "$whole")
call GET "files/$result/content?api-version=$old" > results.csv
head -1 results.csv

deployment="$MANAGEMENT_ENDPOINT/subscriptions/$SUBSCRIPTION/resourceGroups/$RESOURCE_GROUP/providers/\
Microsoft.CognitiveServices/accounts/$RESOURCE_NAME/deployments/gates?api-version=2024-10-01"
curl -sS --fail-with-body -X PUT "$deployment" -H "Authorization: Bearer $TOKEN" \
  -H "Content-Type: application/json" -d '{
    "sku": {"name": "standard", "capacity": 1},
    "properties": {"model": {"format": "OpenAI", "name": "'"$model"'", "version": "1"}}
  }' > put.json
state=Creating
while [[ $state == Creating ]]; do
  sleep "$pause"
  state=$(curl -sS "$deployment" -H "Authorization: Bearer $TOKEN" | field 'it["properties"]["provisioningState"]')
done
[[ $state == Succeeded ]]

until call POST "deployments/gates/chat/completions?api-version=$new" -H "Content-Type: application/json" \
  -d '{"messages": [{"role": "user", "content": "Gate 7?"}]}' > reply.json; do
  grep -q DeploymentNotFound reply.json # known to the control plane, and not yet to the data plane
  sleep "$pause"
done
[[ $(field 'it["choices"][0]["message"]["content"]' < reply.json) == "Open." ]]

more=$(call POST "fine_tuning/jobs?api-version=$old" -H "Content-Type: application/json" -d '{
  "model": "'"$model"'", "training_file": "'"${ids[0]}"'", "validation_file": "'"${ids[1]}"'", "suffix": "more"
}' | field 'it["id"]')
[[ $(ended "$more") == succeeded ]]
curl -sS --fail-with-body -X DELETE "$deployment" -H "Authorization: Bearer $TOKEN"
for id in "${ids[@]}" "$result"; do
  call DELETE "files/$id?api-version=$old" > deleted.json
done
echo done
