"""The parameters of a run survive every notation that they travel in, and bad ones are named."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from worker.contract.bbox import BBox
from worker.contract.collections import COLLECTIONS, L30, S30
from worker.contract.job import JobParams, RunParams
from worker.contract.layout import PREFIX_MAX_LENGTH, checked_prefix, default_prefix
from worker.contract.month import FIRST_MONTH, Month
from worker.contract.parameters import BATCH_COMMAND, BATCH_DEFAULTS, PARAMETERS, present

MINIMAL = {"yearMonth": "202401", "s3Bucket": "bucket", "jobId": "job"}

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
parts = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}(\.[a-z0-9-]{1,5})?", fullmatch=True)
prefixes = (
    st.lists(parts, min_size=1, max_size=4)
    .map("/".join)
    .filter(lambda prefix: len(prefix) <= PREFIX_MAX_LENGTH and prefix != "none")
)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True).filter(lambda value: value != "none")
months = st.dates(min_value=FIRST_MONTH.start.date(), max_value=Month(2026, 5).start.date()).map(
    lambda day: str(Month.of(day))
)
boxes = st.builds(
    lambda west, east, ys: [west, min(ys), east, max(ys)],
    st.floats(-180, 180),
    st.floats(-180, 180),
    st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
)
buckets = st.from_regex(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", fullmatch=True).filter(lambda name: name != "none")
directories = st.lists(st.text(LETTERS + "_ é%=-", min_size=1, max_size=10), min_size=1, max_size=3).map(
    lambda names: "file:///" + "/".join(names)
)


def runs(destinations: st.SearchStrategy[str]) -> st.SearchStrategy[RunParams]:
    """Runs with every field set, or left to its default."""
    return st.fixed_dictionaries(
        {"yearMonth": months, "jobId": ids, "destination": destinations},
        optional={
            "bbox": st.none() | boxes,
            "collections": st.lists(st.sampled_from(COLLECTIONS), min_size=1),
            "prefix": prefixes,
            "allowShrink": st.booleans(),
            "stageId": ids,
            "parallel": st.booleans(),
        },
    ).map(RunParams.model_validate)


bucket_runs = runs(buckets.map("s3://{}".format))
all_runs = bucket_runs | runs(directories)


def substituted(parameters: dict[str, str]) -> list[str]:
    """The command that Batch starts: a reference whose parameter is not set stays as it is."""
    given = BATCH_DEFAULTS | parameters
    return [given.get(token.removeprefix("Ref::"), token) for token in BATCH_COMMAND]


def faults(call: Any, *arguments: Any) -> dict[str, str]:
    """The faulty fields and what is said of each."""
    with pytest.raises(ValidationError) as caught:
        call(*arguments)
    return {".".join(map(str, fault["loc"])): fault["msg"] for fault in caught.value.errors()}


@given(bucket_runs)
def test_batch_parameters_round_trip(run: RunParams) -> None:
    """Batch's string map holds the whole run, under names that the job definition knows."""
    parameters = run.to_parameters()
    assert set(parameters) == {parameter.name for parameter in PARAMETERS}
    assert RunParams.from_parameters(parameters) == run


@given(all_runs)
def test_command_line_round_trips(run: RunParams) -> None:
    """With each value joined to its option by '=' or standing behind it as a token of its own."""
    argv = run.to_argv()
    assert RunParams.from_argv(argv) == run
    assert RunParams.from_argv([token for pair in argv for token in pair.split("=", 1)]) == run


@given(all_runs)
def test_json_round_trips(run: RunParams) -> None:
    """The same run comes out, and JSON's names are camelCase."""
    assert RunParams.from_json(run.to_json()) == run
    assert b'"yearMonth"' in run.to_json()
    assert b"_month" not in run.to_json()


@given(bucket_runs)
def test_the_batch_command_tells_the_worker_the_run(run: RunParams) -> None:
    """What Batch starts after it put the submission's parameters into the command is the run that was submitted."""
    assert RunParams.from_argv(substituted(run.to_parameters())) == run


@given(
    st.sets(st.sampled_from([p.name for p in PARAMETERS if p.name not in ("yearMonth", "s3Bucket", "jobId")])),
    st.sampled_from(["", "none", "Ref::"]),
)
def test_absent_is_written_in_three_ways(names: set[str], absent: str) -> None:
    """An unset reference, an empty string and `none` all mean the default, in the map and on the command line."""
    parameters = {**MINIMAL, **{name: f"{absent}{name}" if absent == "Ref::" else absent for name in names}}
    plain = RunParams.from_parameters(MINIMAL)
    assert RunParams.from_parameters(parameters) == plain
    assert RunParams.from_argv(substituted(parameters)) == plain


def test_a_direct_submission_needs_month_and_bucket_alone() -> None:
    """What a user submits straight to the queue is run under Batch's own job id, one day at a time."""
    argv = substituted({"yearMonth": "2024-01", "s3Bucket": "bucket"})
    run = RunParams.from_argv(argv, fallback_job_id="b1946ac9-24a6")
    assert run == RunParams(
        year_month="202401", destination="s3://bucket", job_id="b1946ac9-24a6", prefix="hls-data", parallel=False
    )
    assert run.stage_id == "b1946ac9-24a6"
    named = RunParams.from_argv([*argv, "--job-id=mine"], fallback_job_id="b1946ac9-24a6")
    assert named.job_id == "mine"


@pytest.mark.parametrize(
    "tokens", [["--bounding-box=-124.7,32.5,-114.1,42.0"], ["--bounding-box", "-124.7,32.5,-114.1,42.0"]]
)
def test_a_box_may_begin_with_a_minus(tokens: list[str]) -> None:
    """The west of the world is no option, joined or apart; without a prefix the dataset is named after the box."""
    run = RunParams.from_argv(["--year-month=202401", "--s3-bucket=bucket", "--job-id=a", *tokens, "--parallel"])
    assert run.bbox == BBox(-124.7, 32.5, -114.1, 42.0)
    assert run.prefix == default_prefix(run.bbox) == "hls-data-bbox-5cbbdf76"
    assert run.parallel


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "yearMonth is missing: give --year-month"),
        (["--year-month=202401"], "destination is missing: give --s3-bucket or --destination"),
        (["--s3-prefix", "--parallel"], "argument --s3-prefix: expected one argument"),
        (["--year-month"], "argument --year-month: expected one argument"),
        (["--parallel=perhaps"], "parallel is true or false, not 'perhaps'"),
        (["--month=202401"], "unrecognized arguments: --month=202401"),
        (["--s3-bucket=bucket", "--destination=s3://bucket"], "give --s3-bucket or --destination, not both"),
    ],
)
def test_a_command_line_that_cannot_be_read(argv: Sequence[str], message: str) -> None:
    """The message names the option and what to give; argparse ends no process by itself."""
    complete = ["--year-month=202401", "--s3-bucket=bucket"] if "parallel=perhaps" in str(argv) else []
    with pytest.raises(ValueError, match=message):
        RunParams.from_argv([*complete, *argv], fallback_job_id="a")


def test_a_parameter_that_nobody_knows_is_refused() -> None:
    """A misspelt name would otherwise be a default in disguise."""
    with pytest.raises(ValueError, match="unknown parameter bbox: choose from yearMonth, s3Bucket"):
        RunParams.from_parameters({**MINIMAL, "bbox": "1,2,3,4"})


def test_batch_writes_to_buckets() -> None:
    """A run into a directory has no parameters for Batch."""
    run = RunParams(year_month="202401", job_id="a", destination="file:///data")
    with pytest.raises(ValueError, match="Batch writes to buckets, not to file:///data"):
        run.to_parameters()


@pytest.mark.parametrize("field", ["prefix", "jobId", "stageId"])
def test_no_value_may_be_the_word_for_absent(field: str) -> None:
    """A dataset called `none` would be harvested into the default one."""
    body = {"yearMonth": "202401", "destination": "s3://bucket", "jobId": "a", field: "none"}
    assert list(faults(RunParams.model_validate, body)) == [field]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"yearMonth": "202413"}, {"yearMonth": "'202413' is not a month: months go from 01 to 12"}),
        ({"yearMonth": "2024"}, {"yearMonth": "'2024' is not a month: write it as YYYYMM, for example 202401"}),
        ({"yearMonth": 202401}, {"yearMonth": "a month is text, written as YYYYMM, for example 202401"}),
        ({}, {"yearMonth": "Field required"}),
        ({"yearMonth": "202401", "bbox": [1, 2, 3]}, {"bbox": "is four numbers (west, south, east, north), not 3"}),
        ({"yearMonth": "202401", "colections": []}, {"colections": "Extra inputs are not permitted"}),
        ({"yearMonth": "202401", "collections": ["HLSL30"]}, {"collections": "unknown collection 'HLSL30': choose"}),
        ({"yearMonth": "202401", "collections": []}, {"collections": "no collection given: choose from HLSL30_2.0"}),
        ({"yearMonth": "202401", "collections": 5}, {"collections": "collections are a list of ids, of HLSL30_2.0"}),
        ({"yearMonth": "202401", "prefix": "../x"}, {"prefix": "'../x' may not hold '..'"}),
        ({"yearMonth": "202401", "allowShrink": "perhaps"}, {"allowShrink": "valid boolean"}),
        (
            {"yearMonth": "x", "bbox": "x", "collections": "x", "prefix": "X", "more": 1},
            {"yearMonth": "month", "bbox": "four", "collections": "unknown", "prefix": "lower-case", "more": "Extra"},
        ),
    ],
)
def test_each_faulty_field_is_named_once_and_no_other(body: dict[str, Any], expected: dict[str, str]) -> None:
    """Under its JSON name; a default that is made from a faulty field is no second fault."""
    for read in (JobParams.model_validate, TypeAdapter(JobParams).validate_python):
        found = faults(read, body)
        assert list(found) == list(expected)
        for field, words in expected.items():
            assert words in found[field]


def test_a_faulty_run_names_its_fields() -> None:
    """The worker's own fields too, by their JSON names."""
    found = faults(RunParams.model_validate, {"yearMonth": "2", "jobId": "-a", "destination": "data"})
    assert list(found) == ["yearMonth", "jobId", "destination"]
    assert "1 to 64 letters" in found["jobId"]
    assert "write s3://BUCKET or file:///ABSOLUTE/DIRECTORY" in found["destination"]


def test_the_default_prefix_is_named_after_box_and_collections() -> None:
    """What is asked for by default goes where it always went; anything else has a dataset of its own."""
    assert JobParams(year_month="202401").prefix == "hls-data"
    assert JobParams(year_month="202401", collections=(S30, L30)).prefix == "hls-data"
    assert JobParams(year_month="202401", collections=(L30,)).prefix == "hls-data-hlsl30_2.0"
    world = {"yearMonth": "202401", "bbox": [-180, -90, 180, 90], "collections": [S30]}
    assert JobParams.model_validate(world).prefix == "hls-data-hlss30_2.0-bbox-5b8627d5"


@given(st.none() | boxes.map(BBox.parse), st.lists(st.sampled_from(COLLECTIONS), min_size=1, unique=True).map(tuple))
def test_default_prefixes_may_name_datasets(bbox: BBox | None, collections: tuple[str, ...]) -> None:
    """No request is refused for a prefix that it did not choose."""
    prefix = default_prefix(bbox, collections)
    assert checked_prefix(prefix) == prefix


def test_params_are_frozen_and_equal_by_value() -> None:
    """Two requests for the same are the same, however they were written."""
    one = JobParams.model_validate({"yearMonth": "2024-01", "bbox": "1,2,3,4", "collections": f"{S30}, {L30}"})
    other = JobParams.model_validate({"yearMonth": "202401", "bbox": [1, 2.0, "3", 4], "collections": [L30, S30]})
    assert one == other
    assert one.month == Month(2024, 1)
    with pytest.raises(ValidationError, match="frozen"):
        one.prefix = "x"  # type: ignore[misc]  # it is frozen, which is what is tried


@pytest.mark.parametrize("value", [None, "", "none", "Ref::jobId"])
def test_absent_values(value: str | None) -> None:
    """Nothing, empty, `none` and a reference that was not put in are all absent."""
    assert present(value) is None
    assert present("None") == "None"


def test_the_destination_is_written_in_one_way() -> None:
    """A slash behind a bucket says nothing."""
    run = {"yearMonth": "202401", "jobId": "a"}
    assert RunParams.model_validate({**run, "destination": "s3://bucket/"}).destination == "s3://bucket"


def test_the_json_schema_says_what_is_asked_for() -> None:
    """A client sees the month's pattern, the box's four numbers, and that only the month is needed."""
    schema = JobParams.model_json_schema()
    assert schema["required"] == ["yearMonth"]
    assert schema["properties"]["yearMonth"]["pattern"]
    assert schema["properties"]["bbox"]["anyOf"][0]["minItems"] == 4
    assert not schema["additionalProperties"]
