"""`python batch_server.py --port PORT`: moto's server, whose Batch gives containers what their job definition says.

moto runs a job's image with its command and environment, and leaves out the rest: size, user, init process, volumes,
that the root is read-only, and where the logs go.
"""

from typing import Any

from docker.models.containers import Container, ContainerCollection
from docker.types import Mount
from moto.batch.models import Job, batch_backends
from moto.server import main

MEBIBYTE = 2**20
SHOWN = ("user", "linuxParameters", "mountPoints", "logConfiguration")
"""What Batch says of a job's container, and moto does not."""

_run, _init = ContainerCollection.run, Job.__init__
_property, _details = Job._get_container_property, Job._container_details


def properties(job: Job) -> dict[str, Any]:
    """The container properties of the job's definition."""
    return job.job_definition.container_properties or {}


def started(self: ContainerCollection, *arguments: Any, **options: Any) -> Container:
    jobs = [
        job for regions in batch_backends.values() for backend in regions.values() for job in backend._jobs.values()
    ]
    (job,) = [job for job in jobs if options["name"].endswith(job.job_id)]
    wanted = properties(job)
    size = {each["type"]: int(each["value"]) for each in wanted["resourceRequirements"]}
    return _run(
        self,
        *arguments,
        **options
        | {
            "mem_limit": size["MEMORY"] * MEBIBYTE,
            "nano_cpus": size["VCPU"] * 10**9,
            "user": wanted["user"],
            "init": wanted["linuxParameters"]["initProcessEnabled"],
            "read_only": wanted["readonlyRootFilesystem"],
            # A host volume without a path is one of the engine's own, as the ECS agent makes it.
            "mounts": [Mount(each["containerPath"], None, type="volume") for each in wanted["mountPoints"]],
        },
    )


def initialised(self: Job, *arguments: Any, **options: Any) -> None:
    _init(self, *arguments, **options)
    self._log_group = properties(self)["logConfiguration"]["options"]["awslogs-group"]


def told(self: Job, name: str, default: Any) -> Any:
    """moto would look for a path of the host's behind each mount."""
    return [] if name == "mountPoints" else _property(self, name, default)


def detailed(self: Job) -> dict[str, Any]:
    return _details(self) | {name: properties(self)[name] for name in SHOWN}


for kind, name, better in (
    (ContainerCollection, "run", started),
    (Job, "__init__", initialised),
    (Job, "_get_container_property", told),
    (Job, "_container_details", detailed),
):
    setattr(kind, name, better)

if __name__ == "__main__":
    main()
