"""Who is told what: one topic, and what of Batch and of the bill goes there."""

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from worker.contract import compute

_OF_BUDGET = 80
_DETAIL = "$.detail."
_ON_PURPOSE = (compute.CANCELLED, compute.DOUBLED)


class Notices(Construct):
    """Failed jobs and a blocked queue, as Batch reports them; alarms of other stacks come here too."""

    def __init__(self, scope: Construct, construct_id: str, *, queue_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", display_name="HLS STAC Parquet", enforce_ssl=True)
        for service in ("cloudwatch", "budgets"):
            self.topic.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["sns:Publish"],
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    resources=[self.topic.topic_arn],
                    conditions={"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}},
                )
            )
        self._tell(
            "FailedJobs",
            events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={
                    "status": ["FAILED"],
                    "jobQueue": [queue_arn],
                    "statusReason": [{"anything-but": {"prefix": list(_ON_PURPOSE)}}, {"exists": False}],
                },
            ),
            "Job {name} ({id}) failed: {reason}",
            name="jobName",
            id="jobId",
            reason="statusReason",
        )
        self._tell(
            "BlockedQueue",
            events.EventPattern(
                source=["aws.batch"], detail_type=["Batch Job Queue Blocked"], detail={"jobQueue": [queue_arn]}
            ),
            "Job {name} ({id}) waits in RUNNABLE, and every job behind it: {reason}",
            name="jobName",
            id="jobId",
            reason="statusReason",
        )

    def email(self, address: str) -> None:
        """Send every notice to the address, once its owner has confirmed that."""
        sns.Subscription(self, "Email", topic=self.topic, protocol=sns.SubscriptionProtocol.EMAIL, endpoint=address)

    def budget(self, dollars: float) -> None:
        """Tell when the account has spent, or is about to spend, most of it in a month."""
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=self.topic.topic_arn)
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=threshold,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, threshold in (("ACTUAL", _OF_BUDGET), ("FORECASTED", 100))
            ],
        )

    def _tell(self, construct_id: str, pattern: events.EventPattern, text: str, **fields: str) -> None:
        said = text.format(**{name: events.EventField.from_path(_DETAIL + path) for name, path in fields.items()})
        target = targets.SnsTopic(self.topic, message=events.RuleTargetInput.from_text(said))
        events.Rule(self, construct_id, event_pattern=pattern, targets=[target])
