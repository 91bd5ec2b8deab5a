"""PyGithub: comments, minimising, a check run and a status. Prints what it was told."""

import json
import sys

import github

url, token, sha = sys.argv[1:]
service = github.Github(base_url=url, auth=github.Auth.Token(token), retry=None, per_page=2, lazy=True)
repository = service.get_repo("contoso/models")
issue = repository.get_issue(12)
comments = [issue.create_comment(f"comment {number}") for number in range(5)]
comments[0].edit("edited")
comments[1].minimize()
comments[2].delete()
try:
    issue.create_comment("x" * 65_537)
    refused = 0
except github.GithubException as error:
    refused = error.status
note = {"path": "a", "annotation_level": "notice", "message": "m"}
notes = [{**note, "start_line": line, "end_line": line} for line in range(1, 4)]
output = {"title": "t", "summary": "s", "annotations": notes}
check = repository.create_check_run("check", sha, status="completed", conclusion="neutral", output=output)
check.edit(output=output)
commit = repository.get_commit(sha)
status = commit.create_status("failure", "https://ci.example/1", "words", "ftops/drone/prod")
shown = {
    "comments": [comment.body for comment in issue.get_comments()],
    "refused": refused,
    "annotations": [note.start_line for note in check.get_annotations()],
    "runs": [run.conclusion for run in commit.get_check_runs(check_name="check")],
    "status": [status.state, status.context],
}
print(json.dumps(shown))
