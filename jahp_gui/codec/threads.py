"""How many processor threads the networks use."""

import os
from pathlib import Path

TOPOLOGY = Path("/sys/devices/system/cpu")


def available_cpus() -> list[int]:
    """Logical processors that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def physical_cores(topology: Path = TOPOLOGY) -> int:
    """Physical cores among the available processors; all of them where the system does not say (not Linux).

    Two threads of one core share its arithmetic units: matrix products gain nothing from the second.
    """
    cpus = available_cpus()
    try:
        cores = {(topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip() for cpu in cpus}
    except OSError:
        return len(cpus)
    return len(cores)


def use_threads(threads: int | None = None) -> None:
    """Let torch use so many threads; by default those OMP_NUM_THREADS names, or one per physical core."""
    if threads is None and os.environ.get("OMP_NUM_THREADS"):
        return  # torch has read it
    import torch

    torch.set_num_threads(threads or physical_cores())
