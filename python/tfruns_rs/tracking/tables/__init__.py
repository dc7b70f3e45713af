"""Per-example metrics of a run, as tables, in the order the data flows.

`_batch` makes frames of what users hand over, `_draft` keeps them safe and makes a table of them, in
`_parts`, all under `_writer`; `_infos` lets a run refer to tables. `_table` reads one back, `_foreign`
opens the table it speaks about. `_joined` makes one frame of a run's tables, `_compare` holds two runs side
by side, `_collect` measures a whole dataset, `_describe` is what reports show. `_schema` says what columns
mean, `_direction` which way a metric is better.
"""

from tfruns_rs.tracking.tables._collect import collect_metrics as collect_metrics
from tfruns_rs.tracking.tables._compare import compare_examples as compare_examples
from tfruns_rs.tracking.tables._describe import describe_table as describe_table
from tfruns_rs.tracking.tables._infos import MetricTableInfo as MetricTableInfo
from tfruns_rs.tracking.tables._infos import metric_infos as metric_infos
from tfruns_rs.tracking.tables._infos import update_metrics as update_metrics
from tfruns_rs.tracking.tables._joined import joined as joined
from tfruns_rs.tracking.tables._joined import metrics_tables as metrics_tables
from tfruns_rs.tracking.tables._schema import ColumnSchema as ColumnSchema
from tfruns_rs.tracking.tables._table import MetricsTable as MetricsTable
from tfruns_rs.tracking.tables._writer import MetricsTableWriter as MetricsTableWriter
from tfruns_rs.tracking.tables._writer import recover_tables as recover_tables
