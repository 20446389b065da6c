"""Models: what engines ask of them, and what the server says of itself."""

from cli.dashboards.panels import Dashboard, Panel, Query, Row
from cli.dashboards.queries import MOST, TYPICAL, in_an_hour, mean, quantiles, rate

MODELS = Dashboard(
    uid="darkroom-models",
    title="Darkroom / Models",
    says="Requests to models from the engines' side, and Triton's own numbers.",
    rows=(
        Row(
            "Engines",
            (
                Panel(
                    title="What runs the models",
                    kind="stat",
                    width=8,
                    unit="short",
                    says="Number of engines by what serves them; it should be triton for all.",
                    queries=(Query("sum by (served_by) (darkroom_models)", "{{served_by}}"),),
                ),
                Panel(
                    title="Requests",
                    unit="reqps",
                    says="A second, by model and how they ended.",
                    queries=(
                        Query(
                            rate("darkroom_model_requests_total", "model, outcome"),
                            "{{model}} {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Failed",
                    unit="percentunit",
                    says="Share of requests without a usable answer.",
                    queries=(
                        Query(
                            "service_model:darkroom_model_requests_failed:ratio_rate5m",
                            "{{service}} {{model}}",
                        ),
                    ),
                ),
                Panel(
                    title="Time of a request",
                    unit="s",
                    says="From sending to the answer, half and 95 %.",
                    queries=quantiles("darkroom_model_request_duration_seconds", TYPICAL, "model"),
                ),
                Panel(
                    title="Waiting before it",
                    unit="s",
                    says="95 % wait for a place among the requests in flight no longer than this.",
                    queries=quantiles("darkroom_model_wait_seconds", MOST, "model"),
                ),
                Panel(
                    title="Items in a request",
                    unit="short",
                    says="On average: tiles, chips or pictures that an engine sends at once.",
                    queries=(Query(mean("darkroom_model_batch_items", "model"), "{{model}}"),),
                ),
            ),
        ),
        Row(
            "Triton",
            (
                Panel(
                    title="Inferences",
                    unit="ops",
                    says="Items a second.",
                    queries=(Query(rate("nv_inference_count", "model"), "{{model}}"),),
                ),
                Panel(
                    title="Batch size",
                    unit="short",
                    says="Items that one execution took, on average, whoever they came from.",
                    queries=(Query("model:nv_inference_batch_size:rate5m", "{{model}}"),),
                ),
                Panel(
                    title="Time in the queue",
                    unit="s",
                    says="Of a request, on average; about a millisecond when there is room.",
                    queries=(
                        Query("model:nv_inference_queue_duration_seconds:rate5m", "{{model}}"),
                    ),
                ),
                Panel(
                    title="Time of computing",
                    unit="s",
                    says="Of a request, on average.",
                    queries=(
                        Query(
                            f"{rate('nv_inference_compute_infer_duration_us', 'model')} / 1e6"
                            f" / ({rate('nv_inference_request_success', 'model')} > 0)",
                            "{{model}}",
                        ),
                    ),
                ),
                Panel(
                    title="Requests that wait",
                    unit="short",
                    says="In Triton's queue at this moment.",
                    queries=(
                        Query("sum by (model) (nv_inference_pending_request_count)", "{{model}}"),
                    ),
                ),
                Panel(
                    title="Requests that failed",
                    unit="short",
                    says="Within an hour, by model and reason.",
                    queries=(
                        Query(
                            in_an_hour("nv_inference_request_failure", "model, reason"),
                            "{{model}} {{reason}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
