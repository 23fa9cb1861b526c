"""The tables of docs/operations.md that are made from code. `make docs` writes them; a test compares them."""

import re
from pathlib import Path

from infra.costs import Measures, Prices, table
from infra.options import BatchOptions, Options, ServiceOptions

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


def filled(text: str) -> str:
    """The text with the current tables between their markers."""
    for name, made in {"options": _options(), "costs": table(Prices(), Measures())}.items():
        block = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        text = re.sub(block, lambda match, made=made: f"{match[1]}{made}\n{match[2]}", text, flags=re.DOTALL)  # type: ignore[misc]  # a default that binds the loop's variable
    return text


def _options() -> str:
    lines = ["| option | default | meaning |", "|---|---|---|"]
    shared = set(Options.model_fields)
    for stack in (Options, BatchOptions, ServiceOptions):
        for name, field in stack.model_fields.items():
            if stack is Options or name not in shared:
                lines.append(f"| `{field.alias}` | {_shown(name, field.default)} | {field.description} |")
    return "\n".join(lines)


def _shown(name: str, default: object) -> str:
    if name == "image_tag" or default in (None, ()):
        return ""
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    OPERATIONS.write_text(filled(OPERATIONS.read_text()))
