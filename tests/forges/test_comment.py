"""`ftops ci comment` on GitHub: one comment for each spec and environment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ftops.cli.ci_documents import read_document
from ftops.core.address import Address
from ftops.core.errors import Diagnostic, FtopsError
from ftops.planning.plan import Action, AttributeChange, Change, OutputChange, Plan, Reason
from ftops.views.annotations import check_annotations, check_summary
from tests.forges.conftest import DESTRUCTIVE, HEAD, SAFE, Job, change, plan
from tests.forges.github_api import LIMIT, GitHub
from tests.forges.stand_in import Account, Fault
from tests.golden.cli import Folder
from tests.property.test_planfile import outside_of_blocks

COMMENTS = "/issues/12/comments$"
ONE = r"/issues/comments/\d+$"


def test_the_first_run_posts_and_the_next_ones_update(github: GitHub, job: Job) -> None:
    assert "was created. https://github.example/contoso/models/pull/12#" in job.comment(SAFE).out
    (comment,) = github.comments
    first, title, *_ = comment.body.splitlines()
    assert first == f"<!-- ftops:v1 repo=77 spec=drone env=prod level=safe head={HEAD} -->"
    assert title == "### ✅ `drone (prod)`: 1 resource created"
    assert (
        f"commit `{HEAD[:12]}` · [run](https://github.example/contoso/models/actions/runs/5)" in comment.body
    )
    assert "was unchanged." in job.comment(SAFE).out
    assert github.writes == ["POST /repos/contoso/models/issues/12/comments 201"]
    more = plan(change("copilot", Action.CREATE), change("base", Action.CREATE))
    done = job.comment(more, "-o", "json").json
    assert (done["result"], done["is_reviewable"]) == ("updated", True)
    assert "2 resources created" in comment.body
    assert github.comments == [comment]


def test_a_worse_verdict_is_a_new_comment_and_the_old_one_is_minimised(github: GitHub, job: Job) -> None:
    job.comment(SAFE)
    job.comment(DESTRUCTIVE)
    old, new = github.comments
    assert old.is_minimized
    assert not new.is_minimized
    job.comment(SAFE)
    assert github.visible == [new]
    assert "level=safe" in new.body


@pytest.mark.parametrize("source", ["plan.json", "plan.ft", "-"])
def test_a_document_a_saved_plan_and_standard_input_are_read(github: GitHub, job: Job, source: str) -> None:
    document = job.ftops("plan", "-o", "json", "--out", "plan.ft").out
    job.folder.write("plan.json", document)
    job.ftops("ci", "comment", source, stdin=document)
    (comment,) = github.comments
    assert json.loads(document)["digest"] in comment.body
    assert "dataset.train  will be created" in comment.body
    assert "12 examples" in comment.body
    whole = job.ftops("plan", "-o", "markdown").out
    assert set(whole.splitlines()[:-1]) <= set(comment.body.splitlines())


def test_an_invalid_spec_gets_into_the_same_comment(github: GitHub, job: Job) -> None:
    job.comment(plan(change("copilot", Action.CREATE), environment="default"))
    job.folder.edit("n_epochs: 3", "n_epochs: three")
    job.folder.write("plan.json", job.ftops("plan", "-o", "json", code=1).out)
    done = job.ftops("ci", "comment", "plan.json", code=1)
    assert "doesn't say which spec it is about" in done.err
    job.ftops("ci", "comment", "plan.json", "--spec", "drone")
    (new,) = github.visible
    assert "### ❌ `drone`: can't be planned: 1 error" in new.body
    assert "ftops.yaml:10:22" in new.body
    assert "batch_size" not in new.body  # lines of the spec aren't quoted


def test_an_apply_is_shown_by_its_result(github: GitHub, job: Job) -> None:
    job.folder.write("apply.jsonl", job.ftops("apply", "-y", "-o", "json").out)
    job.ftops("ci", "comment", "apply.jsonl")
    assert "### ✅ `drone`: applied" in github.comments[0].body
    assert "| `deployment.copilot` | `done` |" in github.comments[0].body


def test_a_reconcile_is_shown_by_what_is_left(github: GitHub, job: Job) -> None:
    job.folder.write("reconcile.json", job.ftops("reconcile", "-o", "json").out)
    job.ftops("ci", "comment", "reconcile.json")
    assert "### ✅ `drone`: nothing to continue" in github.comments[0].body
    grant = {"left": {"job.a": "ftjob-1"}, "waiting": ["deployment.a"], "failed": [], "diagnostics": []}
    broken = {**grant, "left": {}, "failed": ["job.b"], "diagnostics": [{"summary": "no quota"}]}
    grants = [{**grant, "result": "in-progress"}, {**broken, "result": "failed"}]
    document = {"spec": "drone", "environment": "default", "exit_code": 1, "grants": grants}
    for count, said in ((1, "⏳ `drone`: in progress at the service"), (2, "❌ `drone`: apply failed")):
        job.folder.write("reconcile.json", json.dumps({**document, "grants": grants[:count]}))
        job.ftops("ci", "comment", "reconcile.json")
        body = github.visible[-1].body
        assert f"### {said}" in body
        assert "| `job.a` | `in progress` |\n| `deployment.a` | `waiting` |" in body
    assert "| `job.b` | `failed` |\n" in body
    assert "error: no quota" in body


def test_a_dry_run_prints_the_comment_and_contacts_nothing(github: GitHub, job: Job) -> None:
    out = job.comment(SAFE, "--dry-run", environ={"GITHUB_TOKEN": ""}).out
    assert "Would create or update this comment on pull request 12 of contoso/models at GitHub" in out
    assert "<!-- ftops:v1 repo=77 spec=drone env=prod level=safe" in out
    assert github.seen == []


def test_options_go_before_variables(github: GitHub, job: Job) -> None:
    github.pulls.add(34)
    github.repositories.add("contoso/other")
    words = (
        "--service",
        "github",
        "--api",
        f"{github.api}/",
        "--repository",
        "contoso/other",
        "--pull",
        "34",
    )
    named = {"GITHUB_ACTIONS": "", "GITHUB_API_URL": "", "GITHUB_TOKEN": "", "POSTER": "t0ken-of-eve"}
    job.comment(SAFE, *words, "--commit", "abcdef0", "--token-env", "POSTER", environ=named)
    (comment,) = github.comments
    assert (comment.pull, comment.author.login) == (34, "eve")
    assert "repo=contoso%2Fother" in comment.body
    assert "commit `abcdef0`" in comment.body


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"GITHUB_ACTIONS": ""}, "this isn't a run of a known CI"),
        ({"GITHUB_API_URL": ""}, "can't tell the URL of its API"),
        ({"GITHUB_REPOSITORY": ""}, "can't tell the repository"),
        ({"GITHUB_REPOSITORY": "../../x"}, "can't tell the repository"),
        ({"GITHUB_EVENT_PATH": "/nowhere"}, "this run doesn't belong to a pull request"),
        ({"GITHUB_TOKEN": " "}, "there is no token for GitHub"),
        ({"GITHUB_API_URL": "http://api.example.com"}, "credentials would go to api.example.com unencrypted"),
        ({"GITHUB_API_URL": "api.example.com"}, "this isn't the address of a server"),
        ({"GITHUB_TOKEN": "t0ken-of-ci\nX: y"}, "isn't a token"),
    ],
    ids=str,
)
def test_what_the_ci_must_say(github: GitHub, job: Job, environ: dict[str, str], said: str) -> None:
    assert said in job.comment(SAFE, code=1, environ=environ).err
    assert github.seen == []
    assert said in job.comment(SAFE, "--best-effort", environ=environ).err


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "It is empty"),
        ("{", "Expecting"),
        ("[]", "isn't a document of ftops"),
        ("7", "isn't a document of ftops"),
        ("[" * 100_000, "RecursionError"),
        ('{"format_version": 2, "changes": []}', "ValueError"),
        ('{"format_version": 1, "changes": [{}]}', "KeyError"),
        ('{"diagnostics": [{"summary": 3}]}', "TypeError"),
        ('{"diagnostics": [{"summary": "x", "severity": "fatal"}]}', "unknown severity"),
        ('{"event": "result", "result": "splendid"}', "KeyError"),
    ],
)
def test_a_file_that_is_no_document(github: GitHub, job: Job, text: str, why: str) -> None:
    job.folder.write("plan.json", text)
    assert why in job.ftops("ci", "comment", "plan.json", code=1).err
    assert "can't read nowhere" in job.ftops("ci", "comment", "nowhere", code=1).err
    assert github.seen == []


OTHERS: list[Any] = [None, 7, -1, 1.5, True, "x", "${job.x.y}", 10**400, [], [7], [[]], {}, {"x": 7}]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("first", "changed", "destroyed")), st.randoms(use_true_random=False))
def test_a_document_that_was_made_up_is_refused_or_drawn(name: str, rng: Random) -> None:
    """With another value at any place, or none: an error of ftops, or a comment."""
    document = json.loads(made_documents()[name])
    last, key = rng.choice(list(inside(document)))
    if rng.random() < 0.2:
        del last[key]
    else:
        last[key] = deepcopy(rng.choice(OTHERS))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(document), "utf-8")
        with suppress(FtopsError):
            read = read_document(path, None, None)
            assert len(read.draw(3_000).text.encode()) <= 3_000
            assert check_summary(read.found)
            check_annotations(read.found, "folder")


def inside(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a document: what holds it, and its key or number."""
    for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
        yield holder, key
        if isinstance(value, dict | list):
            yield from inside(value)


@cache
def made_documents() -> dict[str, str]:
    """The documents of three plans of one spec."""
    with TemporaryDirectory() as path:
        folder = Folder.make(Path(path) / "drone")
        first = folder.ok("plan", "-o", "json")
        folder.ok("apply", "-y")
        folder.edit("n_epochs: 3", "n_epochs: 2")
        return {
            "first": first,
            "changed": folder.ok("plan", "-o", "json"),
            "destroyed": folder.ok("plan", "--destroy", "-o", "json"),
        }


def keyed(key: str) -> Change:
    made = change("copilot", Action.CREATE)
    address = Address("deployment", "copilot", key)
    return replace(made, step=str(address), address=address)


# the pitfalls of comments, by their numbers


def test_pitfall_05_a_comment_that_somebody_edited_is_written_anew(github: GitHub, job: Job) -> None:
    job.comment(DESTRUCTIVE)
    (comment,) = github.comments
    wanted = comment.body
    comment.body = wanted.replace("destructive", "none").replace("1 endpoint deleted", "no changes")
    job.comment(DESTRUCTIVE)
    assert [c.body for c in github.visible] == [wanted]
    github.visible[0].body = "LGTM"  # without the marker it isn't recognised
    job.comment(DESTRUCTIVE)
    assert github.visible[-1].body == wanted


def test_pitfall_05_apply_knows_no_forge() -> None:
    """What is approved can't come from a comment, a check or a status: only `ci` reaches them."""
    root = Path(__file__).parents[2] / "ftops"
    users = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "ftops.forges" in path.read_text("utf-8") and path.parent.name != "forges"
    }
    assert "cli/commands/ci.py" in users
    assert [user for user in users if not re.fullmatch(r"cli/(commands/)?ci(_\w+)?\.py", user)] == []


def test_pitfall_06_a_comment_of_somebody_else_with_the_marker_is_left(github: GitHub, job: Job) -> None:
    job.comment(SAFE)
    (own,) = github.comments
    forged = github.write(own.body.replace("created", "deleted"))
    more = [github.write(f"{own.body}{number}") for number in range(120)]  # and too many for one page
    text = forged.body
    job.comment(DESTRUCTIVE)
    assert forged.body == text
    assert not any(comment.is_minimized for comment in (forged, *more))
    assert own.is_minimized
    assert github.comments[-1].author.login == "ci[bot]"


def test_pitfall_06_the_marker_counts_in_the_first_line_only(github: GitHub, job: Job) -> None:
    job.comment(SAFE)
    quoted = github.write(f"> {github.comments[0].body}", token="t0ken-of-ci")
    job.comment(plan(change("other", Action.CREATE)))
    assert quoted.body.startswith("> <!-- ftops")
    assert "deployment.other" in github.comments[0].body


def test_pitfall_08_a_comment_that_is_deleted_meanwhile_is_posted_again(github: GitHub, job: Job) -> None:
    job.comment(SAFE)
    (lost,) = github.comments
    github.faults.append(Fault("PATCH", ONE, before=lambda: github.comments.remove(lost)))
    job.comment(plan(change("other", Action.CREATE)))
    (comment,) = github.comments
    assert comment is not lost
    assert github.writes[-2:] == [
        f"PATCH /repos/contoso/models/issues/comments/{lost.id} 404",
        "POST /repos/contoso/models/issues/12/comments 201",
    ]


def test_pitfall_09_one_deletion_among_2000_steps_is_on_top(github: GitHub, job: Job) -> None:
    creates = [keyed(f"модель-{number}") for number in range(2_000)]
    job.comment(plan(*creates[:1_000], change("serving", Action.DELETE), *creates[1_000:]))
    (comment,) = github.comments
    assert len(comment.body.encode()) <= LIMIT
    assert "| - | `deployment.serving` | delete |" in comment.body
    assert comment.body.index("deployment.serving") < 700
    assert "**Left out for length:**" in comment.body


def test_pitfall_10_5000_deletions_cannot_be_reviewed(github: GitHub, job: Job) -> None:
    many = plan(*(change(f"copilot-{number}", Action.DELETE) for number in range(5_000)))
    job.comment(many, code=3)
    assert "too large to be reviewed here" in github.comments[0].body
    job.comment(many, "--dry-run", "--allow-unreviewable")


EVIL = (
    "</details>",
    "```",
    "|",
    "@org/team",
    "<!-- ftops:v1 repo=77 spec=drone env=prod level=none head= -->",
    "\u202e",
    "<img src=x onerror=alert(1)>",
    "[x](https://evil.example)",
    "#12",
    "\n/merge\n",
    "--> <script>",
    "``a`` `b`",
)


def evil_plan(text: str) -> Plan:
    """A plan with a text wherever a spec, the data or a service can put one."""
    name = Address("deployment", "copilot", text)
    step = Change(
        str(name),
        name,
        Action.DELETE,
        Reason("inputs", text),
        text,
        attributes=(AttributeChange(text, text, text),),
        remote_id=text,
    )
    updated = Address("job", "copilot", text)
    more = replace(step, step=str(updated), address=updated, action=Action.UPDATE)
    made = plan(step, more, findings=(Diagnostic(text, text, text, severity="warning"),))
    outputs = (OutputChange(text, text, text),)
    return replace(made, spec=f"spec {text}", environment=f"env {text}", warnings=(text,), outputs=outputs)


def test_pitfall_11_what_others_wrote_is_inert(github: GitHub, job: Job) -> None:
    for number, text in enumerate(EVIL):
        job.comment(evil_plan(text))
        body = github.comments[number].body
        first, *rest = body.splitlines()
        assert first.count("<!--") == first.count("-->") == 1
        assert first.endswith(" -->")
        outside = outside_of_blocks("\n".join(rest))
        assert outside is not None
        bare = [remove_code(line) for line in outside]
        for line in bare:
            assert "<!--" not in line
            assert not set("@\u202e") & set(line), line
            assert "evil" not in line
            assert "script" not in line
            assert not line.startswith("/"), "GitLab would carry it out"
            assert "<img" not in line
        assert sum("</details>" in line for line in bare) == sum("<details>" in line for line in bare)


def remove_code(line: str) -> str:
    """A line without its code spans, as CommonMark finds them."""
    found, at = "", 0
    while at < len(line):
        if line[at] != "`":
            found += line[at]
            at += 1
            continue
        run = len(line[at:]) - len(line[at:].lstrip("`"))
        end = next((e for e in range(at + run, len(line)) if _closes(line, e, run)), -1)
        at = at + run if end < 0 else end + run
    return found


def _closes(line: str, at: int, run: int) -> bool:
    ticks = "`" * run
    return line[at : at + run] == ticks and line[at - 1] != "`" and line[at + run : at + run + 1] != "`"


def test_pitfall_22_a_token_that_may_not_comment(github: GitHub, job: Job, tmp_path: Path) -> None:
    github.accounts["t0ken-of-ci"] = Account(41, "ci[bot]", frozenset())
    summary = tmp_path / "summary.md"
    done = job.comment(SAFE, code=1, environ={"GITHUB_STEP_SUMMARY": str(summary)})
    assert "GitHub answered 403: Resource not accessible by integration" in done.err
    assert "The token needs `permissions: {pull-requests: write}` in the job" in done.err
    assert "in the summary of the job" in done.err
    assert summary.read_text("utf-8").startswith("### ✅ `drone (prod)`: 1 resource created")
    done = job.comment(SAFE, "--best-effort")
    assert done.err.startswith("warning: can't post the comment")
    (diagnostic,) = job.comment(SAFE, "--best-effort", "-o", "json").json["diagnostics"]
    assert diagnostic["severity"] == "warning"


@pytest.mark.parametrize("status", [403, 429])
def test_pitfall_22_a_long_limit_is_not_waited_for(github: GitHub, job: Job, status: int) -> None:
    limit = Fault(
        "GET", COMMENTS, status, {"message": "API rate limit exceeded"}, {"Retry-After": "3600"}, times=9
    )
    github.faults.append(limit)
    done = job.comment(SAFE, code=1)
    assert "It asks to wait 3,600 s" in done.err
    assert len(github.seen) == 1
    assert "warning:" in job.comment(SAFE, "--best-effort").err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("GET", COMMENTS, 401, {"message": "Bad credentials t0ken-of-ci"}), "the token isn't valid"),
        (Fault("GET", COMMENTS, 404, {"message": "Not Found"}), "doesn't exist"),
        (Fault("GET", COMMENTS, 410, {"message": "Issues are disabled"}), "Issues are disabled"),
        (Fault("GET", COMMENTS, 200, "<html>Sign in"), "something else than JSON"),
        (Fault("POST", COMMENTS, 422, {"message": "Validation Failed", "errors": ["spam"]}), "spam"),
        (Fault("POST", COMMENTS, 201, {}), "its answer has no id"),
        (Fault("POST", COMMENTS, 201, [{"id": 3}]), "its answer has no id"),
        (
            Fault("GET", COMMENTS, 301, None, {"Location": "https://evil.example/x"}),
            "leads to another server",
        ),
        (Fault("GET", COMMENTS, 301, None, {"Location": "https://[evil/x"}), "address that isn't one"),
        (
            Fault("GET", COMMENTS, 200, [], {"Link": '<https://evil.example/2>; rel="next"'}),
            "leads to another server",
        ),
    ],
    ids=lambda value: getattr(value, "status", value),
)
def test_answers_that_end_the_command(github: GitHub, job: Job, fault: Fault, said: str) -> None:
    fault.times = 9
    github.faults.append(fault)
    assert said.lower() in job.comment(SAFE, code=1).err.lower()


def test_a_comment_that_is_too_long_for_the_service_is_shortened(github: GitHub, job: Job) -> None:
    many = plan(change("serving", Action.DELETE), *(change(f"c-{n}", Action.CREATE) for n in range(2_000)))
    too_long = {"message": "Validation Failed", "errors": [{"message": "body is too long"}]}
    github.faults.append(Fault("POST", COMMENTS, 422, too_long))
    job.comment(many)
    (half,) = github.comments
    assert 20_000 < len(half.body.encode()) < LIMIT // 2
    github.comments.clear()
    github.faults.append(Fault("POST", COMMENTS, 422, too_long, times=2))
    job.comment(many, code=3)
    (stub,) = github.comments
    assert len(stub.body) < 600
    assert "1 endpoint deleted, 2,000 resources created" in stub.body
    assert "actions/runs/5" in stub.body
    github.comments.clear()
    github.faults.append(Fault("POST", COMMENTS, 422, too_long, times=3))
    assert "body is too long" in job.comment(many, code=1).err


def test_a_minimising_that_fails_is_a_warning(github: GitHub, job: Job) -> None:
    job.comment(SAFE)
    refused = {"data": None, "errors": [{"message": "Something went wrong"}]}
    github.faults.append(Fault("POST", "graphql", before=lambda: github.faults.append(second)))
    second = Fault("POST", "graphql", before=lambda: github.faults.append(third))
    third = Fault("POST", "graphql", 200, refused)
    done = job.comment(DESTRUCTIVE)
    assert "an outdated comment can't be collapsed: GitHub answered: Something went wrong" in done.err
    assert len(github.visible) == 2


def test_a_renamed_repository_is_followed_on_the_same_server(github: GitHub, job: Job) -> None:
    job.comment(SAFE)
    github.repositories = {"contoso/renamed"}
    there = {"Location": f"{github.api}/repos/contoso/renamed/issues/12/comments"}
    github.faults.append(Fault("GET", "contoso/models", 301, {"message": "Moved"}, there))
    job.comment(SAFE)
    assert len(github.comments) == 1


def of_all(job: Job, *folders: str) -> None:
    """Specs beside each other, planned together."""
    for name in folders:
        job.folder.write(
            f"all/{name}/ftops.yaml", f"ftops: {{name: {name}}}\nproviders: {{m: {{type: memory}}}}\n"
        )
    done = job.folder.run("plan", "all", "--all", "-o", "json", environ=job.environ)
    job.folder.write("all.json", done.out)


def test_several_specs_share_one_comment_and_have_a_status_each(github: GitHub, job: Job) -> None:
    of_all(job, "one", "two")
    job.ftops("ci", "comment", "all.json")
    (comment,) = github.comments
    first, title, *_ = comment.body.splitlines()
    assert first == f"<!-- ftops:v1 repo=77 spec=all%2F%2A env= level=none head={HEAD} -->"
    assert title == "## ✅ 2 specs: 2 without changes"
    job.folder.write("all/two/ftops.yaml", "ftops: {name: two}\njobs: {x: {modle: y}}\n")
    of_all(job, "one")
    job.ftops("ci", "comment", "all.json")
    (comment,) = github.visible
    assert "2 specs: 1 can't be planned, 1 without changes" in comment.body
    assert "modle" in comment.body
    assert "level=failed" in comment.body
    done = job.ftops("ci", "status", "all.json", "-o", "json")
    assert {one["status"]: one["state"] for one in (done.json, *done.json["specs"])} == {
        "ftops/all/*": "failure",
        "ftops/one/default": "success",
        "ftops/two/default": "failure",
    }
    assert "conclusion failure" in job.ftops("ci", "annotate", "all.json").out


BROKEN_SETS = [
    '{"specs": 3}',
    '{"specs": [3]}',
    '{"specs": [{}]}',
    '{"specs": [{"path": "a"}]}',
    '{"specs": [{"path": "a", "plan": {}}]}',
    '{"specs": [], "skipped": [{}]}',
]


@pytest.mark.parametrize("document", BROKEN_SETS)
def test_a_broken_document_of_several_specs_is_refused(job: Job, document: str) -> None:
    job.folder.write("all.json", document)
    assert "isn't a document of ftops" in job.ftops("ci", "comment", "all.json", code=1).err


def test_names_of_folders_are_no_markup(github: GitHub, job: Job) -> None:
    for name in ("@contoso", "a|b", "`x`", "<img src=x>", "-->"):
        job.folder.write(f"all/{name}/ftops.yaml", "ftops: {name: x}\njobs: {x: {modle: y}}\n")
    job.folder.write("all.json", job.folder.run("plan", "all", "--all", "-o", "json").out)
    job.ftops("ci", "comment", "all.json")
    (comment,) = github.comments
    assert not re.search(r"@contoso|<img|x>", outside_of_code(comment.body))


def test_names_of_folders_are_one_line_each(github: GitHub, job: Job) -> None:
    """In the log, too, where a line can be a command of the runner."""
    name = "one\n::add-mask::a\u202e\x1b[31m\udcff"
    job.folder.write(f"all/{name}/ftops.yaml", "jobs: {x: {modle: y}}\n")
    job.folder.write("all.json", job.folder.run("plan", "all", "--all", "-o", "json").out)
    for command in ("status", "annotate", "comment"):
        for words in ((), ("--dry-run",)):
            done = job.ftops("ci", command, "all.json", *words)
            assert not re.search("^::|[\u202e\x1b]", done.out + done.err, re.MULTILINE)
    assert all(one["context"].isprintable() for one in github.statuses)


def outside_of_code(body: str) -> str:
    """What isn't in inline code."""
    return re.sub(r"(`+).+?\1", "", "\n".join(outside_of_blocks(body) or [body]))
