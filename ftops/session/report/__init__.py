"""Report of a spec: what is known of its objects, trainings, evaluations, data and costs, as one value."""
