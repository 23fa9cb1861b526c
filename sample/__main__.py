"""`python -m sample`: serve a generated HLS catalogue, or a file of items, as a STAC API."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from sample.app import create_app
from sample.catalog import Catalog
from sample.faults import KINDS, Fault, Faults
from sample.log import RequestLog
from sample.server import HOST, address, listen, serve
from worker.contract.bbox import BBox

BAD_USAGE = 64
NO_PORT = 69


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        catalog = _catalog(given)
        faults = Faults(_faults(given), seed=given.seed)
        log = RequestLog(given.log)
    except (ValueError, OSError) as error:
        print(f"sample: {error}", file=sys.stderr)  # noqa: T201  a command's words
        return BAD_USAGE
    try:
        listener = listen(given.port)
    except OSError as error:
        message = f"cannot listen on {HOST}:{given.port}: {error.strerror}. Choose another --port, or 0 for a free one."
        print(f"sample: {message}", file=sys.stderr)  # noqa: T201  a command's words
        return NO_PORT
    app = create_app(catalog, faults, log, compress=not given.no_gzip)
    serve(app, listener, lambda: print(json.dumps({"url": address(listener)}), flush=True))  # noqa: T201  a command's words
    log.close()
    return 0


def _catalog(given: argparse.Namespace) -> Catalog:
    if given.file is not None:
        return Catalog.from_file(given.file)
    area = BBox.parse(given.area) if given.area else None
    return Catalog.generated(items_per_month=given.items_per_month, seed=given.seed, area=area, until=given.until)


def _faults(given: argparse.Namespace) -> list[Fault]:
    faults = [Fault.parse(text) for text in given.fault]
    if given.faults_file is not None:
        faults += [Fault.from_mapping(rule) for rule in json.loads(given.faults_file.read_text(encoding="utf-8"))]
    return faults


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(
        f"  {name:<12} {kind.help}" + (f" ({', '.join(kind.options)})" if kind.options else "")
        for name, kind in KINDS.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m sample",
        description="Serve a generated HLS catalogue, or a file of items, as a STAC API with CMR-STAC's manners.\n"
        'Prints {"url": "http://127.0.0.1:PORT"} once it takes requests; SIGTERM or Ctrl-C ends it.',
        epilog=f"faults are written KIND or KIND:name=value,name=value\n{kinds}\n\n"
        "when a fault happens: rate=0.05 (share of the requests), at=3+7 (positions), times=1 (at most), page=2,\n"
        "  day=2024-01-05, collection=HLSL30_2.0, on=search|landing|all; several conditions hold together\n\n"
        "examples:\n"
        "  python -m sample --port 8081 --items-per-month 20000 --area=-124.7,32.5,-114.1,42.0\n"
        "  python -m sample --fault 429:rate=0.05,retry_after=1 --fault no-next:page=2,times=1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--items-per-month", type=int, default=3000, metavar="N", help="default: 3000")
    parser.add_argument("--seed", type=int, default=0, help="another seed is another catalogue (default: 0)")
    parser.add_argument("--area", metavar="W,S,E,N", help="generate granules in this box only, written --area=W,S,E,N")
    parser.add_argument(
        "--until", type=date.fromisoformat, metavar="DATE", help="last day with granules (default: today)"
    )
    parser.add_argument("--file", type=Path, metavar="PATH", help="serve this FeatureCollection of items instead")
    parser.add_argument("--fault", action="append", default=[], metavar="FAULT", help="misbehave; may be repeated")
    parser.add_argument(
        "--faults-file", type=Path, metavar="PATH", help="JSON list of faults, each an object with kind"
    )
    parser.add_argument("--log", type=Path, metavar="PATH", help="append each request to this file as a line of JSON")
    parser.add_argument("--no-gzip", action="store_true", help="never compress answers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
