"""A logdir as TensorBoard's own backend sees it: loader, data provider and plugins."""

import warnings

from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import (
    api_pb2,
    backend_context,
    get_experiment,
    list_session_groups,
)
from tensorboard.util import tensor_util

import tfruns_rs as tfr
from interop.data_server import PLUGINS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what TensorBoard vendors
    from tensorboard.plugins.custom_scalar import custom_scalars_plugin
    from tensorboard.plugins.graph import graphs_plugin
    from tensorboard.plugins.mesh import mesh_plugin
    from tensorboard.plugins.pr_curve import pr_curves_plugin

BACKENDS = {
    "custom_scalars": custom_scalars_plugin.CustomScalarsPlugin,
    "graphs": graphs_plugin.GraphsPlugin,
    "mesh": mesh_plugin.MeshPlugin,
    "pr_curves": pr_curves_plugin.PrCurvesPlugin,
}


class Reader:
    """Everything below a logdir, loaded once."""

    def __init__(self, logdir):
        tfr.flush()
        everything = {"tensors": 0, "blob_sequences": 0}
        self.multiplexer = plugin_event_multiplexer.EventMultiplexer(
            size_guidance={}, tensor_size_guidance=dict.fromkeys(PLUGINS, 0) | everything
        )
        self.multiplexer.AddRunsFromDirectory(str(logdir))
        self.multiplexer.Reload()
        self.provider = data_provider.MultiplexerDataProvider(self.multiplexer, str(logdir))

    def tensors(self, plugin):
        """Step and array of all values of a plugin, by run and tag."""
        return {
            (run, tag): [
                (event.step, tensor_util.make_ndarray(event.tensor_proto))
                for event in self.multiplexer.Tensors(run, tag)
            ]
            for run, tags in self.multiplexer.PluginRunToTagToContent(plugin).items()
            for tag in tags
        }

    def blobs(self, plugin):
        """The blobs of all values of a plugin, as its data provider serves them, by run and tag."""
        listed = self.provider.list_blob_sequences(CONTEXT, experiment_id="", plugin_name=plugin)
        read = self.provider.read_blob_sequences(
            CONTEXT, experiment_id="", plugin_name=plugin, downsample=10_000
        )
        return {
            (run, tag): [
                [self.provider.read_blob(CONTEXT, blob_key=blob.blob_key) for blob in datum.values]
                for datum in read[run][tag]
            ]
            for run, tags in listed.items()
            for tag in tags
        }

    def metadata(self, run, tag):
        return self.multiplexer.SummaryMetadata(run, tag)

    def backend(self, plugin):
        """A plugin's own code over this logdir."""
        return BACKENDS[plugin](self.tensorboard_context())

    def tensorboard_context(self):
        return base_plugin.TBContext(data_provider=self.provider, multiplexer=self.multiplexer)

    def hparams_context(self):
        return backend_context.Context(self.tensorboard_context())

    def experiment(self):
        """The experiment that the HParams plugin lists."""
        request = api_pb2.GetExperimentRequest()
        handler = get_experiment.Handler(CONTEXT, self.hparams_context(), "", request)
        return handler.run()

    def sessions(self):
        """The session groups that the HParams plugin lists."""
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0,
            slice_size=1000,
            allowed_statuses=list(api_pb2.Status.values()),
            include_metrics=True,
            aggregation_type=api_pb2.AGGREGATION_AVG,
        )
        handler = list_session_groups.Handler(CONTEXT, self.hparams_context(), "", request)
        return handler.run().session_groups


CONTEXT = context.RequestContext()
