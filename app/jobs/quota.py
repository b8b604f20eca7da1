"""How much an owner may ask for within a time, and how answers say so. No I/O.

Headers are those of the IETF draft `draft-ietf-httpapi-ratelimit-headers` (structured fields, RFC
9651). The window slides: the admission script never lets more through in any stretch of its length.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor
from typing import Self

from app.jobs import keys
from app.jobs.spec import GenerationSpec

REQUESTS, WORK = "requests", "megapixel-steps"


@dataclass(frozen=True)
class Quota:
    """At most `limit` of `unit` in any `window_s` seconds, an owner."""

    unit: str
    limit: int
    window_s: int

    @classmethod
    def parse(cls, unit: str, text: str | None) -> list[Self]:
        """The quota of a setting such as `100/60`; none where nothing is set."""
        if not text:
            return []
        limit, _, window_s = text.partition("/")
        return [cls(unit, int(limit), int(window_s))]

    def cost(self, spec: GenerationSpec) -> float:
        """What the job takes of it."""
        return spec.megapixel_steps if self.unit == WORK else 1.0

    def key(self, owner: str) -> str:
        return keys.spent(owner, self.unit)

    @property
    def policy(self) -> str:
        return f'"{self.unit}";q={self.limit};w={self.window_s};qu="{self.unit}"'


@dataclass(frozen=True)
class Balance:
    """What is left of a quota; `reset_s` seconds from now some of what was spent comes back."""

    quota: Quota
    left: float
    reset_s: int

    @property
    def item(self) -> str:
        return f'"{self.quota.unit}";r={max(0, floor(self.left))};t={self.reset_s}'


def headers(balances: Iterable[Balance]) -> Mapping[str, str]:
    """`RateLimit-Policy` and `RateLimit` of an answer; nothing where nothing is limited."""
    balances = list(balances)
    if not balances:
        return {}
    return {
        "RateLimit-Policy": ", ".join(balance.quota.policy for balance in balances),
        "RateLimit": ", ".join(balance.item for balance in balances),
    }
