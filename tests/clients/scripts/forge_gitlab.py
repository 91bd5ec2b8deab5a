"""python-gitlab: notes of a merge request and a status. Prints what it was told."""

import json
import sys

import gitlab

url, token, sha = sys.argv[1:]
service = gitlab.Gitlab(url, private_token=token, per_page=2)
service.auth()
project = service.projects.get(77, lazy=True)
notes = project.mergerequests.get(12).notes
made = [notes.create({"body": f"note {number}"}) for number in range(5)]
made[0].body = "edited"
made[0].save()
made[2].delete()
try:
    notes.create({"body": "x" * 1_000_001})
    refused = 0
except gitlab.GitlabCreateError as error:
    refused = error.response_code
project.commits.get(sha, lazy=True).statuses.create({"state": "failed", "name": "ftops/drone/prod"})
shown = {
    "notes": [note.body for note in notes.list(get_all=True, sort="asc")],
    "refused": refused,
    "user": service.user.username,
}
print(json.dumps(shown))
