"""The runs of an experiment, as MLflow's client reads them: arguments are the tracking URI and its name."""

import json
import sys

from mlflow import MlflowClient

client = MlflowClient(tracking_uri=sys.argv[1])
experiment = client.get_experiment_by_name(sys.argv[2])
runs = client.search_runs([experiment.experiment_id]) if experiment else []


def history(run_id: str, name: str) -> list[list[float]]:
    points = client.get_metric_history(run_id, name)
    return sorted([point.step, point.value] for point in points)


print(
    json.dumps(
        {
            run.data.tags.get("ftops.address"): {
                "id": run.info.run_id,
                "name": run.info.run_name,
                "status": run.info.status,
                "start": run.info.start_time,
                "end": run.info.end_time,
                "parameters": run.data.params,
                "tags": run.data.tags,
                "metrics": {name: history(run.info.run_id, name) for name in run.data.metrics},
            }
            for run in runs
        }
        | {"count": len(runs)}
    )
)
