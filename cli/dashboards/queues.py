"""Batches: what waits, what is worked on, how items and jobs end; and the webhooks that tell it."""

from cli.dashboards.panels import Dashboard, Panel, Query, Row
from cli.dashboards.queries import TYPICAL, in_an_hour, quantiles, rate

QUEUES = Dashboard(
    uid="darkroom-queues",
    title="Darkroom / Queues",
    says="Jobs and their items by kind: depth, age, pace, and how they end.",
    rows=(
        Row(
            "Depth",
            (
                Panel(
                    title="Items",
                    unit="short",
                    stacked=True,
                    says="waiting in the book, queued for a worker, running in one.",
                    queries=(Query("kind_state:darkroom_jobs_items:max", "{{kind}} {{state}}"),),
                ),
                Panel(
                    title="Oldest item that waits",
                    unit="s",
                    says="Since its job began; the items of a long job wait long.",
                    queries=(
                        Query(
                            "max by (kind) (darkroom_jobs_oldest_waiting_item_age_seconds)",
                            "{{kind}}",
                        ),
                    ),
                ),
                Panel(
                    title="Time until the queue is empty",
                    unit="s",
                    says="At the pace of the last quarter of an hour, if nothing comes.",
                    queries=(Query("kind:darkroom_jobs_drain_seconds:rate15m", "{{kind}}"),),
                ),
                Panel(
                    title="Open jobs",
                    unit="short",
                    says="Begun and not ended.",
                    queries=(Query("max by (kind) (darkroom_jobs_open)", "{{kind}}"),),
                ),
                Panel(
                    title="Tickets in the work queue",
                    unit="short",
                    says="waiting for a worker, or with one. Kept short on purpose.",
                    queries=(
                        Query(
                            "max by (kind, state) (darkroom_jobs_queue_tickets)",
                            "{{kind}} {{state}}",
                        ),
                    ),
                ),
                Panel(
                    title="Tickets given out again",
                    unit="short",
                    says="Whose first worker fell silent; 0 is good.",
                    queries=(
                        Query(
                            "max by (kind) (darkroom_jobs_queue_redelivered)",
                            "{{kind}} in the queue",
                        ),
                        Query(
                            in_an_hour("darkroom_item_redeliveries_total", "kind"),
                            "{{kind}} within an hour",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Pace",
            (
                Panel(
                    title="Attempts",
                    unit="ops",
                    says="A second, by kind and how they went.",
                    queries=(Query("kind_outcome:darkroom_items:rate5m", "{{kind}} {{outcome}}"),),
                ),
                Panel(
                    title="Time of an item",
                    unit="s",
                    says="Half and 95 % of items take.",
                    queries=quantiles("darkroom_item_duration_seconds", TYPICAL, "kind"),
                ),
                Panel(
                    title="Items that failed for us",
                    unit="short",
                    says="Within an hour: dead after too many attempts, or overdue. 0 is good.",
                    queries=(
                        Query(
                            in_an_hour(
                                "darkroom_jobs_items_ended_total",
                                "kind, outcome",
                                'outcome=~"dead|overdue"',
                            ),
                            "{{kind}} {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="How items end",
                    unit="ops",
                    stacked=True,
                    says="A second, by kind and outcome.",
                    queries=(
                        Query(
                            rate("darkroom_jobs_items_ended_total", "kind, outcome"),
                            "{{kind}} {{outcome}}",
                        ),
                    ),
                ),
                Panel(
                    title="Items put back into the book",
                    unit="short",
                    says="Within an hour, because their tickets or workers were gone.",
                    queries=(Query(in_an_hour("darkroom_jobs_items_recovered_total"), "put back"),),
                ),
            ),
        ),
        Row(
            "Ends",
            (
                Panel(
                    title="Jobs that closed",
                    unit="short",
                    says="Within an hour, by kind and state.",
                    queries=(
                        Query(
                            in_an_hour("darkroom_jobs_closed_total", "kind, state"),
                            "{{kind}} {{state}}",
                        ),
                    ),
                ),
                Panel(
                    title="Time of a job",
                    unit="s",
                    says="From its start to its close, half and 95 % of those of the last hour.",
                    queries=quantiles("darkroom_job_duration_seconds", TYPICAL, "kind", hour=True),
                ),
                Panel(
                    title="Done and not closed",
                    unit="s",
                    says="For how long the oldest job waits to be settled, and for its event.",
                    queries=(
                        Query("max(darkroom_jobs_oldest_closing_age_seconds)", "not closed"),
                        Query("max(darkroom_jobs_oldest_untold_age_seconds)", "not told"),
                    ),
                ),
            ),
        ),
        Row(
            "Webhooks",
            (
                Panel(
                    title="Attempts",
                    unit="ops",
                    says="A second: delivered, retried later, or failed for good.",
                    queries=(
                        Query(rate("darkroom_webhook_attempts_total", "outcome"), "{{outcome}}"),
                    ),
                ),
                Panel(
                    title="Deliveries that wait",
                    unit="short",
                    says="Due, or waiting for a retry because their receiver does not take them.",
                    queries=(Query("max(darkroom_webhook_deliveries_pending)", "pending"),),
                ),
                Panel(
                    title="Due and not sent, and time to be heard",
                    unit="s",
                    says="For how long one has been due; from event to receiver, half and 95 %.",
                    queries=(
                        Query("max(darkroom_webhook_oldest_due_age_seconds)", "due"),
                        *quantiles(
                            "darkroom_webhook_delivery_duration_seconds",
                            TYPICAL,
                            hour=True,
                            called="heard ",
                        ),
                    ),
                ),
            ),
        ),
    ),
)
