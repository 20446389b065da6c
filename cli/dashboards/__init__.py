"""Grafana's dashboards, made from code; the files in deploy/grafana/dashboards come out of it."""
