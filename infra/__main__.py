"""`python -m infra` writes the templates; `npx cdk` runs it by way of `cdk.json`."""

import json
import os
from pathlib import Path
from typing import Any

from infra.app import build, make_app


def _context() -> dict[str, Any] | None:
    """The options in `cdk.json`, where it is not the CDK's command line that hands them over."""
    settings = Path("cdk.json")
    if "CDK_CONTEXT_JSON" in os.environ or not settings.exists():
        return None
    return dict(json.loads(settings.read_text()).get("context", {}))


if __name__ == "__main__":
    app = make_app(os.environ.get("CDK_OUTDIR", "cdk.out"), _context())
    build(app)
    app.synth()
