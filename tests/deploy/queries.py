"""Writes what other tools check out of the files that it is in: the queries of the dashboard as recording rules for promtool,
the image that compose.yaml builds in its own lines as a Dockerfile for hadolint.

usage: queries.py FOLDER_OF_DEPLOY FOLDER
"""

import json
import pathlib
import sys

import yaml

deploy, out = map(pathlib.Path, sys.argv[1:])
dashboard = json.loads((deploy / "grafana/dashboards/demur.json").read_text())
targets = [target for panel in dashboard["panels"] for target in panel.get("targets", [])]
# What Grafana puts in for its variables.
filled = [target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*") for target in targets]
assert len(filled) > 20 and not any("$" in query for query in filled), filled
rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
(out / "dashboard.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

compose = yaml.safe_load((deploy / "compose.yaml").read_text())
inline = [service["build"]["dockerfile_inline"] for service in compose["services"].values() if "dockerfile_inline" in service.get("build", {})]
assert len(inline) == 1
(out / "Dockerfile.inline").write_text(inline[0])
