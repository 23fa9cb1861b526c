"""`python -m api [serve|migrate|reconcile|keys]`: the service, its database's schema, the reconciler by itself, keys."""

import argparse
import contextlib
import gc
import json
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from api import db, logs, migrate
from api.access import commands as key_commands
from api.settings import ENV_PREFIX, KEEP_ALIVE_SECONDS, Settings, StartRefused, load

REFUSED = 78
"""Exit code of a service that cannot start; EX_CONFIG in sysexits.h."""
_GRACE_SECONDS = 10

Command = Callable[[Settings, argparse.Namespace], int]
_BACKLOG = 2048


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(metavar="command")
    for name, (command, says) in _COMMANDS.items():
        commands.add_parser(name, help=says).set_defaults(run=command)
    keys = commands.add_parser("keys", help="make, list and revoke keys")
    key_commands.add_parser(keys)
    keys.set_defaults(run=key_commands.run)
    given = parser.parse_args(arguments)
    try:
        settings = load()
        logs.configure(settings.log_level, *([settings.api_key.get_secret_value()] if settings.api_key else []))
        run: Command = given.run
        return run(settings, given)
    except StartRefused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return REFUSED


def _migrate(settings: Settings, _arguments: argparse.Namespace) -> int:
    settings.prepare_data_dir()
    engine = db.make_engine(settings.database)
    migrate.upgrade(engine)
    engine.dispose()
    sys.stdout.write("The database has a schema that this release works with.\n")
    return 0


def _serve(settings: Settings, _arguments: argparse.Namespace) -> int:
    # The service takes a second to import, which the other commands do without. What is imported stays: the garbage
    # collector would look through it again and again, now and while requests wait.
    gc.disable()
    import uvicorn

    from api.app import create_app

    gc.freeze()
    gc.enable()

    with _listen(settings) as listener:
        app = create_app(settings)
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        listener.listen(_BACKLOG)  # from here on a caller waits for the answer, and is not refused
        url = f"http://{shown}:{port}"
        sys.stdout.write(json.dumps({"action": "serve", "url": url, "docs": f"{url}/docs"}) + "\n")
        sys.stdout.flush()
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        # uvicorn ends in order and then raises the signal again: that is the end that was asked for, and no fault.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    return 0


def _reconcile(settings: Settings, _arguments: argparse.Namespace) -> int:
    """Until SIGTERM or SIGINT; beside APIs with HLS_RECONCILE=false."""
    from api.parts import assemble

    parts = assemble(settings)
    reconciler = parts.reconciler()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: reconciler.stop())
    reconciler.run()
    parts.close()
    return 0


def _listen(settings: Settings) -> socket.socket:
    """Take the port before anything else is opened. Raises `StartRefused`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        with contextlib.ExitStack() as closing:
            # The protocol is named because asyncio turns off Nagle's delay (40 ms a reply) only where it sees TCP.
            listener = closing.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            closing.pop_all()
    except OSError as error:
        raise StartRefused(
            f"Cannot listen on {settings.host} port {settings.port} ({error.strerror}). "
            f"Set {ENV_PREFIX}PORT to a free one (0 picks one), or stop what listens there."
        ) from error
    return listener


_COMMANDS: dict[str, tuple[Command, str]] = {
    "serve": (_serve, "serve; the default"),
    "migrate": (_migrate, "bring the database to this release's schema"),
    "reconcile": (_reconcile, "reconcile beside services that do not"),
}


if __name__ == "__main__":
    sys.exit(main())
