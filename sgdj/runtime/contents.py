"""What files of a run hold: plain values by name, whose types a program can only see when it reads them."""

from typing import Any

Record = dict[str, Any]  # run.json
Metrics = dict[str, Any]  # a line of metrics.jsonl: what is known after an epoch
SampleRow = dict[str, Any]  # a line of samples.csv: texts and numbers, by column
Summary = dict[str, Any]  # summary.json: means by reconstructor, condition and metric; definitions and notes
Checkpoint = dict[str, Any]  # tensors and plain values
