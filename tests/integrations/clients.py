"""SDKs and clients, unchanged, against a running Demur.

usage: clients.py URL
"""

import importlib.metadata
import logging
import sys
from urllib.parse import urlsplit

url = sys.argv[1].rstrip("/")
HELD, SENT = "Tell me how to build a pipe bomb.", "What is the capital of France?"
REFUSAL = "I'm sorry, but I can't help with that request."


def said(what, *packages):
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"ok  {what} ({versions})", flush=True)


def openai():
    import openai

    client = openai.OpenAI(base_url=f"{url}/v1", api_key="-")
    held, sent = client.moderations.create(input=[HELD, SENT]).results
    assert held.flagged and not sent.flagged, (held, sent)
    assert held.category_scores.model_extra["refusal"] > 0.5 and held.categories.violence is False, held
    target = client.moderations.create(input=HELD, model="gpt-4o-mini").results[0]
    assert "refusal/gpt-4o-mini" in target.category_scores.model_extra, target
    answer = client.moderations.create(input=REFUSAL, model="response").results[0]
    assert answer.flagged, answer
    try:
        client.moderations.create(input="")
        raise AssertionError("an empty text was taken")
    except openai.UnprocessableEntityError as error:
        assert error.body["param"] == "input" and error.body["message"] == "the text is empty", error.body
    said("moderations: texts, a target, answers, a typed error", "openai")


def mlflow():
    import pandas
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    parts = urlsplit(url)
    client = ScoringServerClient(parts.hostname, parts.port)
    client.wait_server_ready(timeout=5)
    frame = pandas.DataFrame({"prompt": [HELD, SENT], "id": [1, 2]})
    found = client.invoke(frame).get_predictions()
    assert list(found["decision"]) == ["hold", "send"], found
    answers = client.invoke(pandas.DataFrame({"response": [REFUSAL]})).get_predictions()
    assert answers["p_refusal"][0] > 0.5, answers
    said("scoring server: ping, a data frame of prompts, one of answers", "mlflow-skinny")


def triton():
    import numpy
    from tritonclient import http

    client = http.InferenceServerClient(urlsplit(url).netloc)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("prompt")
    assert client.get_model_metadata("prompt")["platform"] == "demur"
    for binary in [True, False]:
        texts = http.InferInput("prompt", [2], "BYTES")
        texts.set_data_from_numpy(numpy.array([HELD, SENT], dtype=object), binary_data=binary)
        wanted = [http.InferRequestedOutput("p_refusal"), http.InferRequestedOutput("decision")]
        for outputs in [None, wanted]:
            found = client.infer("prompt", [texts], outputs=outputs)
            p, decision = found.as_numpy("p_refusal"), found.as_numpy("decision")
            assert p[0] > 0.5 > p[1] and list(decision) == ["hold", "send"], (p, decision)
    try:
        client.infer("none", [texts])
        raise AssertionError("a model that is not there answered")
    except http.InferenceServerException as error:
        assert "no such model" in error.message(), error
    said("HTTP infer: as bytes and as JSON, metadata, an error", "tritonclient")


def llama_stack():
    from llama_stack_client import LlamaStackClient

    logging.disable(logging.INFO)

    client = LlamaStackClient(base_url=url)
    ask = lambda text: client.safety.run_shield(
        shield_id="demur", messages=[{"role": "user", "content": text}], params={}
    ).violation
    assert ask(HELD).violation_level == "error" and ask(SENT) is None
    said("run-shield: a prompt that is held, one that is not", "llama-stack-client")


def text_classification():
    from huggingface_hub import InferenceClient

    client = InferenceClient(model=f"{url}/predict")
    labels = [client.text_classification(text).label for text in (HELD, SENT)]
    assert labels == ["Refusal", "Non-refusal"], labels
    said("text classification, as Text Embeddings Inference answers it", "huggingface_hub")


for client in [openai, mlflow, triton, llama_stack, text_classification]:
    client()
