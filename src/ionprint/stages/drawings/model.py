"""Figures of what the model has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ionprint.stages.drawings import Drawing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from omegaconf import DictConfig

    from ionprint.stages.results import ResultFiles


plans = ()
