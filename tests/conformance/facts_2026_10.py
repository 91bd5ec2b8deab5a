"""Which tests would have caught each fact about the service that turned out wrong in autumn 2026.

The key is a row's place in `2026-10/FACTS-changes.md` of the API facts: its section, then the line that it
corrects, or its number. A fact on which nothing here depends says so in place of tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Fact(NamedTuple):
    """What a row is about, and the tests that fail if the old fact is built in again: files in `tests`."""

    subject: str
    tests: tuple[str, ...] = ()
    why_none: str = ""


_CATALOG = "unit/catalog/test_catalog.py"
_DATES = f"{_CATALOG}::test_the_days_of_the_schedule_of_september"
_OFFERS = f"{_CATALOG}::test_what_is_offered_since_october"
_KNOWN = f"{_CATALOG}::test_what_is_known"
_LIMITS = f"{_CATALOG}::test_limits_and_prices_have_the_dates_of_their_pages"
_SKUS = f"{_CATALOG}::test_skus_by_region"
_EMULATED = "emulator/test_catalog.py::test_what_is_offered"
_ROWS = "contract/test_model_rows.py"
_TRAINING_ROWS = f"{_ROWS}::test_training"
_TUNED_ROWS = f"{_ROWS}::test_the_end_of_a_base_model_blocks_no_model_that_was_tuned_from_it"
_BASE_ROWS = f"{_ROWS}::test_deploying_the_base_model_itself"
_PREFLIGHT = "unit/planning/test_preflight.py"
_ROUTES = "emulator/test_job_routes.py"
_DIALECT = f"{_ROUTES}::test_the_dialect_of_the_preview"
_LEFT_OPEN = f"{_ROUTES}::test_what_a_reinforcement_job_leaves_open_in_the_preview"
_TRAINING_TYPE = f"{_ROUTES}::test_the_training_type_of_each_route"
_QUEUED = "contract/test_dialects.py::test_a_job_in_the_queue_differs_in_nothing"
_RECORDED = "contract/test_recorded_jobs.py::test_it_is_read_as_asked"
_LISTED = "contract/test_recorded_jobs.py::test_it_is_listed_as_asked"
_LIFE_CYCLE = "contract/test_routes.py::test_versions_of_a_life_cycle"
_BEST = "contract/test_azure_jobs.py::test_the_best_checkpoint"
_REWARDS = "emulator/test_reinforcement.py::test_rewards_rise_and_the_model_answers_what_was_rewarded"
_LIMIT_PAUSE = "functional/test_cli_job.py::test_apply_ends_at_the_spending_limit_and_goes_on_after_a_resume"
_DEVELOPER = "functional/test_cli_job.py::test_a_developer_job_is_waited_for"
_STATEMENTS = "conformance/test_statements.py::test_statement"
_EVALS = "emulator/test_evals.py::test_the_dated_plane_has_it_since_its_preview"
_WORDS = "unit/config/test_loader_bad_specs.py::test_refused_in_these_words"
_PROJECT = "contract/test_projects.py::test_jobs_use_the_project_and_deployments_its_account"
_SCOPES = "contract/test_projects.py::test_a_token_of_the_other_scope_is_explained"
_SETTINGS = "contract/test_azure_deployments.py::test_properties_of_2026_are_set_and_reset"
_WIRE = "unit/providers/test_deployment_wire.py"
_OPEN = "functional/test_open_models.py"

FACTS: Mapping[str, Fact] = {
    "A 1": Fact(
        "base dates of the gpt-4.1 family", (_DATES, f"{_PREFLIGHT}::test_a_day_says_where_it_comes_from")
    ),
    "A 2": Fact("base date of gpt-4o", (_DATES,)),
    "A 3": Fact("base date of gpt-4o-mini", (_DATES, _TRAINING_ROWS)),
    "A 4": Fact("base date of o4-mini, which is past", (_DATES, _TRAINING_ROWS, _TUNED_ROWS)),
    "A 5": Fact("base date of gpt-5", (_DATES,)),
    "B 27-28": Fact("evals on the dated preview", (_EVALS,)),
    "B 30-33": Fact(
        "fields and words of jobs on v1",
        (
            _DIALECT,
            _RECORDED,
            "unit/providers/test_job_wire.py::test_jobs_count_by_the_words_of_both_dialects",
        ),
    ),
    "B 36": Fact("what is unset: left out or null", (_DIALECT, _RECORDED, _LISTED, _STATEMENTS)),
    "B 52-53": Fact("auto: a number or a word", (_DIALECT, _LEFT_OPEN, _LISTED, _QUEUED)),
    "B 55-56": Fact(
        "names of rewards",
        (_BEST, _REWARDS, "unit/providers/test_job_wire.py::test_rewards_of_an_event_are_shown"),
    ),
    "B 61": Fact(
        "who pauses a job",
        (
            _LIMIT_PAUSE,
            _DEVELOPER,
            "emulator/test_pause.py::test_a_job_pauses_at_the_spending_limit_once",
            "functional/test_cli_job.py::test_what_the_service_refuses_is_said",
        ),
    ),
    "B 63": Fact(
        "how long jobs take",
        (
            "functional/test_first_steps.py::test_when_the_service_guesses_that_a_job_ends_is_not_kept",
            "functional/test_places.py::test_a_plan_says_how_long_comparable_jobs_took",
        ),
    ),
    "B 67": Fact("201 for runs of evals", (_EVALS, "emulator/test_data_plane.py::test_v1_creates_with_200")),
    "B 68": Fact(
        "the longest suffix",
        (
            f"{_ROUTES}::test_the_longest_suffix_of_each_route",
            "unit/config/test_loader_accounts.py::test_the_longest_suffix_of_a_job",
        ),
    ),
    "B 70": Fact(
        "routes and types of graders",
        (
            "contract/test_routes.py::test_graders_are_checked_on_v1_without_a_header_for_previews",
            "emulator/test_endpoint_graders.py::test_the_endpoint_gets_the_answer_and_the_row",
            "unit/config/test_graders.py::test_a_header_may_be_a_secret",
        ),
    ),
    "B 70 (2)": Fact(
        "deleting a model on v1",
        ("contract/test_azure_jobs.py::test_a_model_that_no_route_deletes_stays_behind",),
    ),
    "B 73": Fact("projects have no API version", (_PROJECT,)),
    "B 76-78": Fact(
        "training types, and where they are described",
        (
            "contract/test_azure_jobs.py::test_what_training_types_are_called",
            _TRAINING_TYPE,
            f"{_PREFLIGHT}::test_fields_that_the_api_version_does_not_describe",
        ),
    ),
    "B 77": Fact("a job without a training type", (_TRAINING_TYPE, _QUEUED)),
    "B 79": Fact("inference_configs", (f"{_ROUTES}::test_strict_mode_refuses_what_is_not_described",)),
    "B 84": Fact("paused on the OpenAI platform", ("contract/test_openai.py::test_statuses_of_jobs",)),
    "B 85": Fact("permissions of checkpoints", why_none="ftops doesn't use them; the emulator answers 404"),
    "B 86": Fact("the word for the default effort", (_LEFT_OPEN, _QUEUED, _RECORDED)),
    "B 89": Fact(
        "when training and deployments end", (_DATES, f"{_PREFLIGHT}::test_an_earliest_day_is_no_error")
    ),
    "B 94": Fact(
        "properties of deployments",
        (_SETTINGS, f"{_WIRE}::test_a_change_leaves_properties_that_the_spec_does_not_have"),
    ),
    "B 98": Fact("pausing deployments without a method of the SDK", (_SETTINGS,)),
    "B 99": Fact("states of provisioning", (f"{_WIRE}::test_states_of_provisioning",)),
    "B 116-117": Fact(
        "formats of publishers",
        (
            f"{_CATALOG}::test_how_a_tuned_model_is_deployed",
            f"{_OPEN}::test_a_wrong_format_is_said_in_the_plan_and_where_it_fails",
            _EMULATED,
        ),
    ),
    "B 117": Fact(
        "SKUs by model and region",
        (
            _OFFERS,
            _SKUS,
            _EMULATED,
            "emulator/test_control_plane.py::test_skus_that_a_tuned_model_does_not_have",
            f"{_PREFLIGHT}::test_skus_of_a_tuned_model_depend_on_the_region",
        ),
    ),
    "B 122": Fact(
        "deployments that don't answer yet",
        (
            "contract/test_azure_deployments.py::test_weights_that_are_not_loaded_yet_are_waited_for",
            "contract/test_azure_deployments.py::test_provisioned_is_not_ready_before_it_answers",
        ),
    ),
    "B 125": Fact(
        "models of another account",
        ("contract/test_accounts.py::test_a_model_of_one_account_is_deployed_in_another",),
    ),
    "B 127": Fact(
        "the life of developer deployments",
        (
            "emulator/test_control_plane.py::test_developer_deployments_and_idle_ones_go_away",
            "unit/providers/test_deployment_expiry.py::test_whether_it_was_time",
        ),
    ),
    "B 132-133": Fact("dates and stages in rows of models", (_TRAINING_ROWS, _TUNED_ROWS, _BASE_ROWS)),
    "B 133": Fact(
        "open models aren't listed as tunable",
        (
            _TRAINING_ROWS,
            f"{_PREFLIGHT}::test_an_open_model_that_the_account_lists_without_saying_that_it_can_be_tuned",
        ),
    ),
    "B 134-136": Fact("quotas that aren't listed", (f"{_PREFLIGHT}::test_quota",)),
    "B 137": Fact("capacities of models by scope", why_none="ftops reads quotas, not capacities of models"),
    "B 142": Fact(
        "newest SDKs", ("conformance/test_facts_2026_10.py::test_the_sdks_are_those_of_the_facts",)
    ),
    "B 171": Fact(
        "properties that the SDK's types lack",
        (_SETTINGS, "conformance/test_facts_2026_10.py::test_the_sdks_are_those_of_the_facts"),
    ),
    "B 183": Fact(
        "hyperparameters of dpo",
        (
            "unit/providers/test_job_wire.py::test_what_is_left_to_the_service_is_not_sent",
            "unit/providers/test_job_wire.py::test_what_is_sent_is_listed_again",
        ),
    ),
    "B 184-185": Fact(
        "types of graders and their limits",
        (
            _WORDS,
            "unit/config/test_graders.py::test_what_is_right_has_no_findings",
            "unit/config/test_graders.py::test_code_has_at_most_256_kb",
        ),
    ),
    "B 184": Fact("models that grade", ("unit/config/test_graders.py::test_what_is_right_has_no_findings",)),
    "B 187": Fact("limits", (_LIMITS,)),
    "B 188": Fact("new models", (_OFFERS, f"{_CATALOG}::test_a_model_by_its_names")),
    "B 188 (2)": Fact("open models in a data zone", (_OFFERS, _EMULATED)),
    "B 189": Fact("stages of a base model that can still be deployed", (_BASE_ROWS,)),
    "B 191": Fact("training types by model", (_OFFERS, _KNOWN)),
    "B 192": Fact("prices", (_LIMITS, _KNOWN)),
    "B 193": Fact(
        "roles",
        ("emulator/test_identity.py::test_roles_decide", "contract/test_preflight.py::test_what_roles_allow"),
    ),
    "B 194": Fact("scopes", (_SCOPES, "contract/test_clouds.py::test_the_cloud_of_an_account")),
    "B 221": Fact("the extension of azd", why_none="ftops doesn't use it"),
    "B 225-227": Fact(
        "what is unknown",
        (
            "emulator/test_manual.py::test_every_setting_is_explained_once",
            "functional/test_whole_paths.py::test_every_value_of_every_switch_is_met",
        ),
    ),
    "D 1": Fact("the catalogue", (_OFFERS, _SKUS, _DATES, f"{_PREFLIGHT}::test_an_old_catalogue_is_said")),
    "D 2": Fact("rows of the account", (_TRAINING_ROWS, _TUNED_ROWS, _BASE_ROWS)),
    "D 3": Fact("routes and what is sent on them", (_LIFE_CYCLE, _WORDS, _TRAINING_TYPE)),
    "D 4": Fact("jobs that pause", (_LIMIT_PAUSE, _DEVELOPER)),
    "D 5": Fact("the best checkpoint", (_BEST,)),
    "D 6": Fact(
        "the format of a deployment",
        (f"{_OPEN}::test_the_format_of_the_account_counts_before_that_of_the_catalogue",),
    ),
    "D 7": Fact("endpoints of projects", (_PROJECT, "contract/test_projects.py::test_addresses", _SCOPES)),
}
