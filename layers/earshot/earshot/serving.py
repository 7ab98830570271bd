"""Which model answers: the champion, looked up now and then, swapped without a pause."""

from __future__ import annotations

import logging
import time
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING

from earshot.bundle import Bundle
from earshot.detector import Detector
from earshot.errors import BadBundle, ModelNotFound, NoModel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from earshot.registry import Registry

logger = logging.getLogger(__name__)


class Serving:
    """Holds the detector in service.

    At most every ``reload_s`` seconds one caller looks at the champion pointer; a new version is
    loaded and tried beside the old one, which goes on answering until the swap. A bundle that
    does not verify is refused and remembered in ``refused``.
    """

    def __init__(
        self,
        registry: Registry,
        default_bundle: Path,
        reload_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._default_bundle = default_bundle
        self._reload_s = reload_s
        self._clock = clock
        self._lock = Lock()
        self._detector: Detector | None = None
        self._look_again = float("-inf")
        self.refused: dict[str, str] = {}

    def detector(self) -> Detector:
        """The detector that answers now; raises NoModel when there is none."""
        if self._detector is None:
            with self._lock:
                if self._detector is None:
                    self._refresh()
        elif self._clock() >= self._look_again and self._lock.acquire(blocking=False):
            try:
                self._refresh()
            except Exception:
                # S3 may be away for a moment; the old version answers until it is back.
                logger.exception("The champion pointer could not be read.")
            finally:
                self._lock.release()
        if self._detector is None:
            raise NoModel(
                "There is no model yet. Drop labelled samples and retrain, or deploy a default "
                "bundle for this application."
            )
        return self._detector

    @cached_property
    def default(self) -> Bundle | None:
        """The bundle that came with the deployment, or None; raises BadBundle."""
        return Bundle.load(self._default_bundle) if self._default_bundle.is_dir() else None

    def _refresh(self) -> None:
        self._look_again = self._clock() + self._reload_s
        pointer = self._registry.champion()
        # A pointer of old stands in for one that cannot be used; the default for both.
        wanted = [pointer.version, pointer.previous] if pointer else []
        for version in [*wanted, None]:
            if self._detector is not None and version in (self._detector.card.version, None):
                return
            if version in self.refused:
                continue
            try:
                self._detector = self._load(version) or self._detector
            except (BadBundle, ModelNotFound) as error:
                self.refused[version or "default"] = str(error)
                logger.error("Version %s is refused: %s", version or "default", error)
                if self._detector is not None:
                    return
            else:
                return

    def _load(self, version: str | None) -> Detector | None:
        """A version (None: the default), loaded and tried."""
        bundle = self._registry.bundle(version) if version else self.default
        if bundle is None:
            return None
        detector = Detector(bundle)
        detector.warm()
        logger.info("Version %s is in service.", detector.card.version)
        return detector
