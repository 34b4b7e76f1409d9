"""Runs Prometheus on a running service by the configuration of deploy/, and asks it every query of the dashboard: each gives a
number. No alert is on.

usage: live.py PATH_TO_PROMETHEUS FOLDER_OF_DEPLOY FOLDER PORT_OF_DEMUR
"""

import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import yaml

prometheus, deploy, out, port = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4]
config = yaml.safe_load((deploy / "prometheus/prometheus.yml").read_text())
config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
config["rule_files"] = [str(deploy / "prometheus/alerts.yml")]
config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
(out / "live.yml").write_text(yaml.safe_dump(config))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{free.getsockname()[1]}"
log = open(out / "prometheus.log", "w")
server = subprocess.Popen(
    [prometheus, f"--config.file={out}/live.yml", f"--storage.tsdb.path={out}/tsdb", f"--web.listen-address={address}"],
    stdout=log, stderr=log,
)


def get(path, **parameters):
    with urllib.request.urlopen(f"http://{address}{path}?{urllib.parse.urlencode(parameters)}") as answer:
        return json.load(answer)["data"]


def judge(path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"content-type": "application/json"})
    urllib.request.urlopen(request).read()


def number(result):
    """Whether a result has a number that is one: not nothing, not 0 of 0."""
    return any(series["value"][1] != "NaN" for series in result)


try:
    rules = yaml.safe_load((out / "dashboard.yml").read_text())["groups"][0]["rules"]
    # Nothing was a week ago.
    open_queries = {rule["expr"] for rule in rules if "offset 1w" not in rule["expr"]}
    assert len(open_queries) + 1 == len(rules)
    started = time.monotonic()
    while open_queries:
        assert server.poll() is None, (out / "prometheus.log").read_text()
        assert time.monotonic() - started < 60, f"no number for {sorted(open_queries)}"
        judge("/v1/predict", {"prompts": ["How do I pick a lock?", "Hello"]})
        judge("/v1/classify", {"response": "I'm afraid that this is nothing I would do."})
        time.sleep(0.5)
        try:
            open_queries = {query for query in open_queries if not number(get("/api/v1/query", query=query)["result"])}
        except OSError:
            # It does not listen yet.
            continue
    firing = [alert for alert in get("/api/v1/alerts")["alerts"] if alert["state"] == "firing"]
    assert not firing, firing
    print(f"every query of the dashboard gives a number: {len(rules) - 1}, and one that needs a week; no alert is on")
finally:
    server.kill()
    server.wait()
