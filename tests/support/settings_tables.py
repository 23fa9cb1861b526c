"""The PAGE's tables of settings, made from the settings classes. `make docs` writes them; a test compares them."""

import re
from collections.abc import Iterable
from pathlib import Path

from api.settings import settings_table
from worker.settings import WorkerSettings

PAGE = Path(__file__).parents[2] / "docs/settings.md"


def tables() -> dict[str, str]:
    """The tables by the name in their markers."""
    return {"service": _table(settings_table()), "worker": _table(_worker_settings())}


def filled(text: str) -> str:
    """The text with the current tables between their markers."""
    for name, table in tables().items():
        block = rf"(<!-- settings:{name} -->\n).*?(<!-- /settings:{name} -->)"
        text = re.sub(block, lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text, flags=re.DOTALL)  # type: ignore[misc]  # a default that binds the loop's variable
    return text


def _worker_settings() -> list[tuple[str, str, str]]:
    return [
        (name.upper(), "" if field.default is None else str(field.default), field.description or "")
        for name, field in WorkerSettings.model_fields.items()
    ]


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| `{name}` | {f'`{default}`' if default else ''} | {text} |" for name, default, text in rows)]
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))
