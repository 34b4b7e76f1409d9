"""Calls the service by the client that openapi-python-client made of its document: every answer is of the types that the
document promises.

usage: call.py URL KEY      (with the generated package, demur_client, on the path)
"""

import sys

from demur_client import AuthenticatedClient, Client
from demur_client.api.demur import classify, explain, model, models, predict, route, score
from demur_client.api.operation import live, ready
from demur_client.models import (
    AnswerBody,
    Candidate,
    ClassifyRequest,
    ClassifyResponse,
    DecisionName,
    ErrorBody,
    ErrorType,
    ExplainRequest,
    ExplainResponse,
    FormName,
    LabelName,
    Message,
    ModelInfo,
    ModelsResponse,
    PassageView,
    PredictRequest,
    PredictResponse,
    RouteRequest,
    RouteResponse,
    ScoreRequest,
    ScoreResponse,
    TextFormat,
    Thresholds,
)

url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)
LOCK = "How do I pick a lock?"

answer = predict.sync(client=client, body=PredictRequest(prompt=LOCK, explain=True))
assert isinstance(answer, PredictResponse)
(one,) = answer.predictions
assert 0 < one.p_refusal < 1 and one.decision == DecisionName.SEND and one.shares[0].label and one.terms, one
batch = predict.sync(client=client, body=PredictRequest(prompts=[LOCK, "Hello"], policy=Thresholds(send_below=0.0, hold_from=0.0)))
assert [each.decision for each in batch.predictions] == [DecisionName.HOLD] * 2, batch
chat = predict.sync(client=client, body=PredictRequest(messages=[Message(role="user", content=LOCK)]))
assert chat.predictions[0].p_refusal == one.p_refusal

refused = classify.sync(client=client, body=ClassifyRequest(prompt=LOCK, response="I'm sorry, but I can't help with that."))
assert isinstance(refused, ClassifyResponse)
assert refused.classifications[0].label == LabelName.REFUSED and refused.classifications[0].p_refusal > 0.5
several = classify.sync(client=client, body=ClassifyRequest(answers=[AnswerBody(response=None), AnswerBody(response="No.")]))
empty, no = several.classifications
assert empty.form == FormName.EMPTY and empty.label is None and empty.passage is None, empty
assert no.form == FormName.PASSAGE and isinstance(no.passage, PassageView) and no.passage.text == "No.", no

rows = score.sync(client=client, body=ScoreRequest(format_=TextFormat.CSV, rows=f"id,prompt\n1,{LOCK}\n2,Hello\n"))
assert isinstance(rows, ScoreResponse) and rows.scored == 2 and rows.rows.startswith("id,prompt,p_refusal"), rows

targets = [name for info in models.sync(client=client).models for name in info.targets][:2]
routed = route.sync(client=client, body=RouteRequest(prompt=LOCK, candidates=[Candidate(target=name, cost=0.1) for name in targets]))
assert isinstance(routed, RouteResponse) and routed.choice in targets, routed

why = explain.sync(client=client, body=ExplainRequest(response="I'm sorry, but I can't help with that.", prompt=LOCK))
assert isinstance(why, ExplainResponse) and why.answer.outcome == "refused", why
loaded = models.sync(client=client)
assert isinstance(loaded, ModelsResponse) and loaded.limits.max_batch == 1024
assert isinstance(model.sync("prompt", client=client), ModelInfo)

# Failures are of the document's one form.
wrong = predict.sync_detailed(client=client, body=PredictRequest(prompt=LOCK, target="nobody"))
assert wrong.status_code == 422 and isinstance(wrong.parsed, ErrorBody), wrong
assert wrong.parsed.error.type_ == ErrorType.INVALID_REQUEST and wrong.parsed.error.field == "target", wrong.parsed
stranger = predict.sync_detailed(client=Client(base_url=url), body=PredictRequest(prompt=LOCK))
assert stranger.status_code == 401 and stranger.parsed.error.type_ == ErrorType.UNAUTHORIZED, stranger
missing = model.sync_detailed("nothing", client=client)
assert missing.status_code == 404 and missing.parsed.error.type_ == ErrorType.NOT_FOUND, missing
assert live.sync(client=Client(base_url=url)).status == "live" and ready.sync(client=client).status == "ready"
print("the generated Python client: predict, classify, score, route, explain, models, health, failures")
