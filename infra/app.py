"""Both stacks, with what the context says, checked by cdk-nag."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.batch.stack import HlsBatchStack
from infra.options import BatchOptions, ServiceOptions, refuse_unknown
from infra.service.stack import HlsServiceStack


class Stacks(NamedTuple):
    """What an app deploys."""

    batch: HlsBatchStack
    service: HlsServiceStack


def make_app(folder: str, context: Mapping[str, Any] | None = None) -> cdk.App:
    """An app that writes its templates to the folder."""
    # Traces through the two languages say little and take most of the time of a synthesis.
    return cdk.App(outdir=folder, context=context, analytics_reporting=False, stack_traces=False, tree_metadata=False)


def build(app: cdk.App, *, batch: BatchOptions | None = None, service: ServiceOptions | None = None) -> Stacks:
    """Make the stacks; options that are not given come from the app's context.

    Raises:
        ValueError: an option that is wrong, or that there is none of (`pydantic.ValidationError` is one).
    """
    context = app.node.get_all_context()
    refuse_unknown(context)
    batch_stack = HlsBatchStack(app, "HlsBatchStack", options=batch or BatchOptions.from_context(context))
    service_stack = HlsServiceStack(
        app,
        "HlsServiceStack",
        batch=batch_stack,
        options=service or ServiceOptions.from_context(context),
    )
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))  # a finding without a reason ends the synthesis
    return Stacks(batch_stack, service_stack)
