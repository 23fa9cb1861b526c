"""Alarms of the service, to the topic of all alarms."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.service.balancer import Balancer
from infra.service.database import Database
from worker.contract import compute, vitals

NAMESPACE = "HlsStacParquet"
_FIVE_MINUTES = cdk.Duration.minutes(5)
_LONGEST_JOB = compute.TIMEOUT * compute.ATTEMPTS
_LONGEST_WAIT_SECONDS = 2 * 3600
_SMALLEST_DISK = 2 * 1024**3

_ABOVE = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD
_SILENCE_IS_WELL = cloudwatch.TreatMissingData.NOT_BREACHING
_SILENCE_IS_AN_ALARM = cloudwatch.TreatMissingData.BREACHING


class Alarms(Construct):
    """Each says what it means; docs/operations.md says what to do."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.ITopic,
        balancer: Balancer,
        database: Database,
        log_group: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic)
        self._log_group = log_group
        self._of_vitals()
        self._of_requests(balancer)
        self._alarm(
            "DatabaseStorage",
            database.instance.metric_free_storage_space(period=_FIVE_MINUTES, statistic="Minimum"),
            "The database has less than 2 GiB of disk left",
            threshold=_SMALLEST_DISK,
            comparison=_BELOW,
        )

    def _of_vitals(self) -> None:
        self._alarm(
            "ReconcilerStale",
            self._vital("Passes", "1", statistic="Sum"),
            "The reconciler has made no good pass for ten minutes: jobs are neither submitted nor watched",
            threshold=1,
            comparison=_BELOW,
            periods=2,
            missing=_SILENCE_IS_AN_ALARM,
        )
        self._alarm(
            "OldestJob",
            self._vital("OldestActive", f"$.{vitals.OLDEST_ACTIVE_SECONDS}", statistic="Maximum"),
            "A job has not ended after the time of all its attempts",
            threshold=_LONGEST_JOB.total_seconds(),
        )
        self._alarm(
            "RunnableTooLong",
            self._vital("LongestWait", f"$.{vitals.LONGEST_WAIT_SECONDS}", statistic="Maximum"),
            "A job has waited for a machine for two hours",
            threshold=_LONGEST_WAIT_SECONDS,
        )

    def _of_requests(self, balancer: Balancer) -> None:
        sums: dict[str, Any] = {"period": _FIVE_MINUTES, "statistic": "Sum"}
        metrics = balancer.balancer.metrics
        self._alarm(
            "ServerErrors",
            metrics.http_code_target(elb.HttpCodeTarget.TARGET_5XX_COUNT, **sums),
            "The service answered more than five requests with 5xx in five minutes",
            threshold=5,
        )
        self._alarm(
            "BalancerErrors",
            metrics.http_code_elb(elb.HttpCodeElb.ELB_5XX_COUNT, **sums),
            "The load balancer answered more than five requests with 5xx in five minutes: no task took them",
            threshold=5,
        )
        self._alarm(
            "UnhealthyTargets",
            balancer.targets.metrics.unhealthy_host_count(period=_FIVE_MINUTES, statistic="Maximum"),
            "A task is not ready: its /readyz says what it lacks",
            threshold=0,
            periods=2,
        )

    def _vital(self, name: str, value: str, *, statistic: str) -> cloudwatch.Metric:
        """A figure of the line that the service writes every minute."""
        return logs.MetricFilter(
            self,
            name,
            log_group=self._log_group,
            filter_pattern=logs.FilterPattern.string_value("$.action", "=", vitals.ACTION),
            metric_namespace=NAMESPACE,
            metric_name=name,
            metric_value=value,
        ).metric(period=_FIVE_MINUTES, statistic=statistic)

    def _alarm(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        meaning: str,
        *,
        threshold: float,
        comparison: cloudwatch.ComparisonOperator = _ABOVE,
        periods: int = 1,
        missing: cloudwatch.TreatMissingData = _SILENCE_IS_WELL,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            f"{construct_id}Alarm",
            metric=metric,
            alarm_description=meaning,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)
