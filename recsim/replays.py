"""Replays: the real log that a world was fitted to, as a warm-up of its feed."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from recsim.calibration import provide, read_rows
from recsim.signals import Occasion, Signal, Stream, Told
from recsim.world import DAY, Origin


class LogReplay(Signal):
    """Put rows of the log that the world was fitted to into the log of the run: a warm-up from what people really did.

    Needs the very people and items of that world. Before any day the rows teach the model that starts; on *from_day*, unless
    told otherwise once, they enter the log, where they teach later models as long as the training window lets them. They are
    labels of the past: in the run nobody has consumed those items yet. rate: share of the rows; count: number of them.
    """

    origin: ClassVar[Origin] = Origin.ANCHOR
    timed: ClassVar[bool] = True

    rate: float | None = Field(1.0, ge=0, le=1, description="strength as a share; this or count")
    to_day: float = Field(1 / DAY, ge=0, allow_inf_nan=True, description="day before which the signal ends: at once")
    world: str = Field("movielens-100k", description="a world folder, or the name of a known data set")
    last: int = Field(100_000_000, ge=1, description="how many rows of the log there are at most: its last ones")

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, settings: Any) -> Any:
        """Let a count stand in for the rate, and the signal end at once on whatever day it starts, where nothing else is said."""
        if not isinstance(settings, dict):
            return settings
        known: dict[str, Any] = {}
        first = settings.get("from_day", 0.0)
        if settings.get("count") is not None:
            known["rate"] = None
        if isinstance(first, (int, float)):
            known["to_day"] = first + 1 / DAY
        return known | settings

    def moment(self, stream: Stream, occasion: Occasion) -> tuple[Told | None, int]:
        """Replay rows of the log."""
        return self._replayed(stream, occasion)

    def before(self, stream: Stream, occasion: Occasion) -> npt.NDArray[np.int32]:
        """Return the log, (2, rows), users and items."""
        return np.ascontiguousarray(read_rows(provide(self.world))[:, -self.last :])
