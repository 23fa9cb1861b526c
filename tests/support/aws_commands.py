"""Commands of the AWS command line as they stand in a document, checked against the models of AWS's APIs."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from botocore import xform_name
from botocore.model import ServiceModel, Shape
from botocore.session import Session
from botocore.waiter import WaiterModel

GLOBAL = {"--query", "--output", "--region", "--profile"}
OF_ITS_OWN = {
    "ecr get-login-password": set[str](),
    "logs tail": {"--follow", "--since", "--format", "--filter-pattern"},
    "s3 cp": {"--recursive"},
}
"""Commands that are no operation of an API, with their options."""

_VALUES = {"--db-snapshot-identifier": re.compile(r"[A-Za-z](-?[A-Za-z0-9])*")}
"""What AWS takes as a value and says in words only; what its models say is read from them."""

_TAG = "0.2.0"
"""Of the release that is deployed, in place of `$TAG`."""

_UNKNOWN = "UNKNOWN"

_API_OF = {"s3api": "s3"}
"""Where the command line has another name for an API."""


def commands(document: str) -> Iterator[str]:
    """Each `aws` command of the document's shell blocks, those inside others included."""
    for block in re.findall(r"^```bash\n(.*?)^```", document, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for start in re.finditer(r"(?:^|\$\(|\| |\{ |&& )(?=aws )", line):
                yield _until_its_end(line[start.end() :])


def outputs(document: str) -> set[tuple[str, str]]:
    """Stack and name of every output that a command asks for."""
    return set(re.findall(r"\$\(output (\w+) (\w+)", document))


def faults(command: str) -> list[str]:
    """What the AWS command line would not take."""
    words = _expanded(command)
    given = {word.partition("=")[0] for word in words if word.startswith("--")} - GLOBAL
    service, operation = _API_OF.get(words[1], words[1]), words[2]
    if f"{service} {operation}" in OF_ITS_OWN:
        return sorted(given - OF_ITS_OWN[f"{service} {operation}"])
    if operation == "wait":
        operation = _waited(service, words[3])
    operations = (
        {xform_name(name, "-"): name for name in _model(service).operation_names} if service in _services() else {}
    )
    if operation not in operations:
        return [f"{service} {operation}"]
    shape = _model(service).operation_model(operations[operation]).input_shape
    assert shape is not None
    members = {f"--{xform_name(name, '-')}": member for name, member in shape.members.items()}
    negated = {f"--no-{name[2:]}" for name, member in members.items() if member.type_name == "boolean"}
    required = {f"--{xform_name(name, '-')}" for name in shape.required_members}
    unknown = sorted(given - set(members) - negated)
    return unknown + sorted(f"without {name}" for name in required - given) + sorted(_wrong_values(words, members))


def _expanded(command: str) -> list[str]:
    """The words as the shell hands them over; what another command prints, and what a function is given, is not known."""
    plain = re.sub(r"\$\([^()]*\)", _UNKNOWN, command)
    script = f"printf '%s\\0' {plain}"
    words = ["bash", "-uc", script, "bash", _UNKNOWN, _UNKNOWN]
    done = subprocess.run(words, env={"TAG": _TAG}, capture_output=True, text=True, check=True)
    return done.stdout.split("\0")[:-1]


def _wrong_values(words: list[str], members: Mapping[str, Shape]) -> Iterator[str]:
    """Of options that are followed by one value."""
    for option, value in pairwise(words):
        if option in members and not value.startswith("--") and _UNKNOWN not in value:
            choices, pattern = members[option].metadata.get("enum"), members[option].metadata.get("pattern")
            known = choices is None or value in choices
            written = pattern is None or re.fullmatch(pattern, value)
            if not (known and written and (option not in _VALUES or _VALUES[option].fullmatch(value))):
                yield f"{option} {value}"


def _until_its_end(text: str) -> str:
    """Up to the parenthesis, semicolon or pipe that ends the command, outside of quotes."""
    depth, quote = 0, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")" and depth:
            depth -= 1
        elif letter in ");|" or text[place : place + 2] == "&&":
            return text[:place]
    return text


def _waited(service: str, name: str) -> str:
    """The operation behind a `wait`; the name itself where there is none."""
    model = WaiterModel(_session().get_component("data_loader").load_service_model(service, "waiters-2"))
    waiters = {xform_name(each, "-"): each for each in model.waiter_names}
    return xform_name(model.get_waiter(waiters[name]).operation, "-") if name in waiters else name


@cache
def _session() -> Session:
    return Session()


@cache
def _services() -> frozenset[str]:
    return frozenset(_session().get_available_services())


@cache
def _model(service: str) -> ServiceModel:
    return _session().get_service_model(service)
