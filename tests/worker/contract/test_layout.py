"""Keys: each in its place, and nothing that is no partition taken for one."""

import posixpath
import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract import layout
from worker.contract.month import Month

prefixes = st.lists(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,12}", fullmatch=True), min_size=1, max_size=4).map("/".join)
months = st.builds(Month, st.integers(1, 9999), st.integers(1, 12))
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)


@given(prefixes.filter(lambda prefix: prefix != "none"), months)
def test_partition_keys_round_trip(prefix: str, month: Month) -> None:
    """A partition's key says whose it is, stays below its prefix, and is what readers' glob matches."""
    key = layout.partition_key(layout.checked_prefix(prefix), month)
    assert layout.parse_partition_key(key) == (prefix, month)
    assert posixpath.normpath(key) == key
    assert key.startswith(f"{prefix}/")
    assert re.fullmatch(layout.partition_glob(prefix).replace("*", "[^/]+"), key)


@given(st.text(st.sampled_from("abz019-_./A =\\\n\0é"), max_size=140))
def test_a_prefix_that_is_taken_leads_nowhere_else(text: str) -> None:
    """Whatever text is accepted as a prefix names a folder below the root, of nobody else, by its only name."""
    try:
        prefix = layout.checked_prefix(text)
    except ValueError:
        return
    key = layout.dataset_key(prefix)
    assert posixpath.normpath(key) == key == f"{text}/_dataset.json"
    assert not key.startswith(("/", ".", "_", "-"))
    assert "/_dataset.json" not in prefix


@given(st.text(st.sampled_from("abyearmonth=0129/._-datprque٣"), max_size=60))
def test_only_keys_that_would_be_written_are_parsed(text: str) -> None:
    """What is parsed as a partition is the key of just that partition."""
    for key in (text, f"{text}/year=2024/month=01/data.parquet"):
        parsed = layout.parse_partition_key(key)
        assert parsed is None or layout.partition_key(*parsed) == key


@pytest.mark.parametrize(
    "key",
    [
        "hls-data/year=2024/month=1/data.parquet",
        "hls-data/year=2024/month=13/data.parquet",
        "hls-data/year=2024/month=00/data.parquet",
        "hls-data/year=0000/month=01/data.parquet",
        "hls-data/year=24/month=01/data.parquet",
        "hls-data/year=202\N{ARABIC-INDIC DIGIT FOUR}/month=01/data.parquet",
        "hls-data/year=2024/month=01/other.parquet",
        "hls-data/year=2024/month=01/data.parquet.tmp",
        "hls-data/year=2024/month=01/deeper/data.parquet",
        "hls-data/year=2024/data.parquet",
        "hls-data/_dataset.json",
        "/year=2024/month=01/data.parquet",
        "year=2024/month=01/data.parquet",
        "_jobs/year=2024/month=01/data.parquet",
        "_jobs/a/year=2024/month=01/data.parquet",
        "",
    ],
)
def test_what_is_no_partition(key: str) -> None:
    """Near misses and everything of the jobs are None."""
    assert layout.parse_partition_key(key) is None


@given(ids, st.dates())
def test_keys_of_jobs_stand_outside_every_dataset(job_id: str, day: date) -> None:
    """They begin with the jobs' root, which no dataset may be called, and none of them is a partition."""
    keys = [
        layout.progress_key(job_id),
        layout.decision_key(job_id),
        layout.result_key(job_id),
        layout.staged_day_key(job_id, day),
        layout.staged_day_record_key(job_id, day),
        layout.staged_slices_record_key(job_id, day),
        layout.staged_slice_key(job_id, day, "HLSL30_2.0-120000"),
    ]
    assert len(set(keys)) == len(keys)
    for key in keys:
        assert key.startswith(f"{layout.JOBS_ROOT}/{job_id}/")
        assert posixpath.normpath(key) == key
        assert layout.parse_partition_key(key) is None
    with pytest.raises(ValueError, match="starts with '_'"):
        layout.checked_prefix(layout.JOBS_ROOT)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("../x", r"'../x' may not hold '\.\.'"),
        ("a/../b", r"may not hold '\.\.'"),
        ("a..b", r"may not hold '\.\.'"),
        ("_jobs/x", "'_jobs/x' has a part that starts with '_': those are the service's own"),
        ("a/_b", "has a part that starts with '_'"),
        ("", "the prefix is empty: leave it out for the default, hls-data"),
        ("a" * 200, "the prefix has 200 characters; at most 128 are allowed"),
        ("HLS", "'HLS' may hold only lower-case letters, digits, '-', '_', '.' and '/'"),
        ("a b", "may hold only lower-case letters"),
        ("a\n", "may hold only lower-case letters"),
        ("year=2024", "may hold only lower-case letters"),
        ("s3://bucket", "may hold only lower-case letters"),
        ("/a", "has an empty part: no '/' at the ends and no '//'"),
        ("a/", "has an empty part"),
        ("a//b", "has an empty part"),
        (".", r"has a part that starts with '\.'"),
        (".tmp", r"has a part that starts with '\.'"),
        ("a/.b", r"has a part that starts with '\.'"),
        ("--parallel", "has a part that starts with '-'"),
        ("none", "the prefix may not be 'none'"),
    ],
)
def test_bad_prefixes(prefix: str, message: str) -> None:
    """The message repeats the prefix and says what is wrong with it."""
    with pytest.raises(ValueError, match=message):
        layout.checked_prefix(prefix)


@pytest.mark.parametrize("prefix", ["hls-data", "a", "a" * 128, "team/2024/l30_v2.0", "nones", "a/none"])
def test_good_prefixes(prefix: str) -> None:
    """Up to 128 characters, and as many parts as one likes."""
    assert layout.checked_prefix(prefix) == prefix
