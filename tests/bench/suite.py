"""What docs/BENCHMARKS.md is made of."""

from typing import NamedTuple


class Run(NamedTuple):
    """One world and one way to sweep it."""

    scenario: str
    accounts: int
    latency: int  # ms
    rate: float  # the hidden IAM rate; 0: none, and no other limit
    in_flight: int = 64

    @property
    def key(self):
        """The name under which its results are kept: it does not depend on the order of the suite."""
        return f"{self.scenario}/{self.accounts}/{self.latency}/{self.rate:g}/{self.in_flight}"


SUITE = [
    Run("cold", 100, 100, 500), Run("warm", 100, 100, 500),
    Run("cold", 1_000, 100, 500), Run("warm", 1_000, 100, 500),
    Run("cold", 10_000, 100, 500), Run("warm", 10_000, 100, 500),
    Run("warm", 1_000, 40, 500), Run("warm", 1_000, 200, 500),
    Run("warm", 50_000, 100, 2_000),
    Run("drift", 10_000, 100, 500), Run("denied", 10_000, 100, 500),
    Run("provision", 1_000, 100, 500),
    Run("halved", 10_000, 100, 500), Run("throttled_target", 10_000, 100, 500),
    Run("unlimited", 1_000, 40, 0), Run("unlimited", 1_000, 100, 0), Run("unlimited", 1_000, 200, 0),
    Run("unlimited", 10_000, 0, 0), Run("unlimited", 50_000, 0, 0),
    Run("peers", 500, 20, 0), Run("peers", 2_000, 0, 0),
    Run("live", 10_000, 100, 500),
    Run("simulator", 50_000, 0, 0),
    # So few in flight, so far away: the round trips set the floor, not IAM's rate.
    Run("warm", 1_000, 200, 500, in_flight=16),
]


def chosen(number, run, only):
    """Whether `--only` names this row: by its place in the suite, its scenario, or its key."""
    return only is None or any(word in (str(number), run.scenario, run.key) for word in only)
