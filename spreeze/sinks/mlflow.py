"""MLflow."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from spreeze.config import Settings
from spreeze.errors import UsageError
from spreeze.sinks.stream import flat, keep_id, kept_id

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "20", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""With a server, unless set otherwise; its own defaults wait for minutes."""


class MLflow:
    """A run of the experiment `spreeze` (MLFLOW_EXPERIMENT_NAME names another).

    It goes to the server or file of MLFLOW_TRACKING_URI, or else to `mlflow.db` in the run folder.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        for name, value in (PATIENCE | {"MLFLOW_DISABLE_TELEMETRY": "true"}).items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        try:
            self._client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}")
            self._run_id = kept_id(folder, "mlflow") or self._new_run(folder, settings)
            self._client.update_run(self._run_id, status="RUNNING")
        except MlflowException as error:
            raise UsageError(
                f"--log mlflow: {error}. Without MLFLOW_TRACKING_URI it keeps to the run folder"
            ) from error
        keep_id(folder, "mlflow", self._run_id)

    def _new_run(self, folder: Path, settings: Settings) -> str:
        from mlflow.entities import Param

        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "spreeze")
        known = self._client.get_experiment_by_name(name)
        place = None if os.environ.get("MLFLOW_TRACKING_URI") else (folder / "mlruns").as_uri()
        experiment = known.experiment_id if known else self._client.create_experiment(name, place)
        run = str(self._client.create_run(experiment, run_name=folder.name).info.run_id)
        self._client.log_batch(run, params=[Param(name, str(value)) for name, value in flat(settings).items()])
        return run

    def scalars(self, at: int, values: Mapping[str, float]) -> None:
        """Log these values together."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        self._client.log_batch(self._run_id, metrics=[Metric(name, v, now_ms, at) for name, v in values.items()])

    def close(self) -> None:
        """Mark the run as ended."""
        self._client.set_terminated(self._run_id)
