"""Keys of callers."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from hls import output
from hls.models import KeyOut, Scope
from hls.session import Json, client_of, each, finish, of_service

_COLUMNS = ("id", "name", "scope", "created", "expires", "last used", "revoked")

app = typer.Typer(help="Make, list and revoke keys; needs an operator's key.", no_args_is_help=True)


@app.command()
@of_service
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Whose key it is; stands in the history of jobs.")],
    scope: Annotated[Scope, typer.Option(help="read, submit (and cancel and retry) or admin (and keys).")] = "read",
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never otherwise.")] = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown now and never again."""
    expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    with client_of(context) as client:
        made = client.create_key(name, scope, expires)
    if as_json:
        output.as_json(made)
        return
    output.say(f"The key {made['id']} of {made['name']}, which may {made['scope']}; keep it, it is not shown again:")
    output.plain(made["key"])


@app.command("list")
@of_service
def list_keys(context: typer.Context, as_json: Json = False) -> None:
    """List every key that was made, newest first."""
    with client_of(context) as client:
        found = client.keys()
    if as_json:
        output.as_json(found)
        return
    rows = [
        (
            key["id"],
            key["name"],
            key["scope"],
            *map(output.moment, (key["createdAt"], key["expiresAt"], key["lastUsedAt"], key["revokedAt"])),
        )
        for key in found
    ]
    output.table(_COLUMNS, rows)


@app.command()
@of_service
def revoke(
    context: typer.Context,
    key_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of keys, as `hls keys list` shows them.")],
    as_json: Json = False,
) -> None:
    """Refuse keys from now on."""
    with client_of(context) as client:

        def end(key_id: str) -> KeyOut:
            key = client.revoke_key(key_id)
            if not as_json:
                output.say(f"The key {key['id']} of {key['name']} is refused from now on.")
            return key

        ended, code = each(key_ids, end)
    if as_json:
        output.each_as_json(ended, is_one=len(key_ids) == 1)
    finish(code)
