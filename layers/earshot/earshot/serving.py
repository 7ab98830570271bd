"""Which model answers: the champion, looked up now and then, swapped without a pause."""

from __future__ import annotations

import logging
import time
from functools import cached_property
from threading import BoundedSemaphore, Lock, Thread
from typing import TYPE_CHECKING

from earshot import evaluation
from earshot.bundle import EVALUATION_FILE, Bundle
from earshot.detector import Detector
from earshot.errors import BadBundle, EvaluationNotFound, ModelNotFound, NoModel
from earshot.pointer import POINTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from earshot.evaluation import Evaluation
    from earshot.pointer import Champion, Shadow
    from earshot.registry import Registry
    from earshot.shadow.challenger import Challenger

logger = logging.getLogger(__name__)

# A recording may take half a gigabyte while it is heard; Lambda hears one at a time anyway.
heard_at_once = BoundedSemaphore(2)


class Serving:
    """Holds the detector in service.

    At most every ``reload_s`` seconds one caller looks at the champion pointer; a new version is
    loaded and tried beside the old one, which goes on answering until the swap. A bundle that
    does not verify is refused and remembered in ``refused``, with the reason; so is a pointer that
    cannot be read.
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
        # What the detector is in the pointer's terms: a version, or None for the default bundle.
        self._in_service: str | None = None
        self._look_again = float("-inf")
        self._pointer: Champion | None = None
        # What was just loaded and tried for a promotion: it need not be loaded again.
        self._tried: tuple[str | None, Detector] | None = None
        self._challenger: Challenger | None = None
        self._gave_up = False
        self._loading = Lock()
        self._was_asked = False
        self.refused: dict[str, str] = {}

    def prepare(self) -> None:
        """Begin to load what is to serve, and come back at once; who asks meanwhile waits for it.

        Reading it is waiting for S3, and for ONNX Runtime, which leaves Python to others.
        """
        Thread(target=self._prepare, daemon=True).start()

    def _prepare(self) -> None:
        try:
            self.detector()
        except Exception:
            # Whoever asks next tries again, and is told.
            logger.warning("No model could be loaded yet.", exc_info=True)

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
            if self.refused:
                reasons = "; ".join(f"{name}: {reason}" for name, reason in self.refused.items())
                raise NoModel(f"There is no model that can serve. {reasons}")
            raise NoModel(
                "There is no model yet. Put labelled recordings into samples/<label>/: the first "
                "model is trained from them. GET /samples tells how many are there and how many "
                "start a training."
            )
        return self._detector

    @property
    def current(self) -> str | None:
        """The version that answers, by its card; None before the first was loaded."""
        return self._detector.card.version if self._detector else None

    @property
    def missing(self) -> str | None:
        """The version that is to answer and is refused, so that another does."""
        wanted = self._pointer.version if self._pointer else None
        return wanted if wanted in self.refused else None

    def is_first(self) -> bool:
        """Whether nobody asked this before: who waited for a cold start waits for no more."""
        was, self._was_asked = self._was_asked, True
        return not was

    def challenger(self, name: str) -> Challenger | None:
        """What hears along with the champion, if ``name`` is among its share; else None.

        It is known since the champion was last looked for. Who asks first loads it, and None is
        the answer to others meanwhile; if S3 is away, to all until the champion is looked for
        again, for each of them would wait.
        """
        pointer = self._pointer
        if pointer is None or pointer.shadow is None:
            self._challenger = None
            return None
        shadow, known = pointer.shadow, self._challenger
        # What stands in for a champion is not what a challenger has to be as good as.
        if self._in_service != pointer.version or not shadow.hears(name):
            return None
        if known and known.shadow == shadow:
            return known
        if self._gave_up or not self._loading.acquire(blocking=False):
            return None
        try:
            self._challenger = self._challenging(shadow)
        except Exception:
            logger.exception("Version %s, which is to hear along, cannot be read.", shadow.version)
            self._gave_up = True
            return None
        finally:
            self._loading.release()
        return self._challenger

    def _challenging(self, shadow: Shadow) -> Challenger:
        from earshot.shadow.challenger import Challenger

        try:
            return Challenger(shadow, self.load(shadow.version))
        except (BadBundle, ModelNotFound) as error:
            logger.error("Version %s is refused in the shadow: %s", shadow.version, error)
            return Challenger(shadow, None)

    def version(self, version: str) -> Detector:
        """The detector of the version that a card names, whether it is in service or not.

        Raises NoModel, ModelNotFound, or BadBundle when it does not verify or makes no sense.
        """
        current = self.detector()
        if current.card.version == version:
            return current
        is_default = self.default is not None and self.default.card.version == version
        return self.load(None if is_default else version)

    @cached_property
    def default(self) -> Bundle | None:
        """The bundle that came with the deployment, or None; raises BadBundle."""
        return Bundle.load(self._default_bundle) if self._default_bundle.is_dir() else None

    def default_evaluation(self) -> Evaluation:
        """What the default bundle answered; raises EvaluationNotFound or BadBundle."""
        try:
            content = (self._default_bundle / EVALUATION_FILE).read_bytes()
        except OSError as error:
            raise EvaluationNotFound(
                f"The default bundle came without {EVALUATION_FILE}: {error}."
            ) from error
        return evaluation.read(content)

    def load(self, version: str | None) -> Detector:
        """A version, or by None the default bundle, loaded and tried.

        Raises ModelNotFound, or BadBundle when it does not verify or makes no sense.
        """
        bundle = self._registry.bundle(version) if version else self.default
        if bundle is None:
            raise ModelNotFound("This deployment came without a default bundle.")
        detector = Detector(bundle)
        detector.verify()
        return detector

    def look_again(self, version: str | None, tried: Detector) -> None:
        """Let the next caller look at the pointer, however short ago the last one did.

        If it points to ``version``, which ``load`` made ``tried`` of, that serves.
        """
        self._tried = (version, tried)
        self._look_again = float("-inf")

    def _refresh(self) -> None:
        self._look_again = self._clock() + self._reload_s
        self._gave_up = False
        tried, self._tried = self._tried, None
        pointer = self._registry.champion()
        if pointer != self._pointer:
            # Who promotes a version anew wants it tried anew.
            self._pointer, self.refused = pointer, {}
            if pointer and pointer.fault:
                self.refused[POINTER] = pointer.fault
                logger.error(pointer.fault)
        if pointer and pointer.fault and self._detector is not None:
            return
        wanted = [pointer.version if pointer else None]
        if self._detector is None:
            # What a rollback would bring stands in for one that cannot be used; the default bundle
            # for both.
            undone = pointer.undone() if pointer else None
            wanted += [undone.previous if undone else None, None]
        for version in wanted:
            if self._detector is not None and version == self._in_service:
                return
            if (version or "default") in self.refused:
                continue
            try:
                if version is None and self.default is None:
                    continue
                detector = tried[1] if tried and tried[0] == version else self.load(version)
                self._detector, self._in_service = detector, version
            except (BadBundle, ModelNotFound) as error:
                self.refused[version or "default"] = str(error)
                logger.error("Version %s is refused: %s", version or "default", error)
            else:
                logger.info("Version %s is in service.", self._detector.card.version)
                return
